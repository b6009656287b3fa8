//! The counts at the ends of the palette: fixed temperatures, or smoothed percentiles of the scene.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat};
use crate::radiometry::Thermometer;
use crate::ranges;
use crate::units::Nanos;

/// How the range is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Percentiles of the picture, smoothed in time.
    #[default]
    Auto,
    /// `min_c` to `max_c`, independent of the scene; only for radiometric sources.
    Fixed,
}

/// Settings of the range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How the range is chosen.
    pub mode: Mode,
    /// Cold end of a fixed range, degC.
    #[schemars(range(min = -273, max = 3000))]
    pub min_c: f32,
    /// Hot end of a fixed range, degC; above `min_c`.
    #[schemars(range(min = -273, max = 3000))]
    pub max_c: f32,
    /// Share of pixels below the automatic range, percent.
    #[schemars(range(min = 0, max = 49))]
    pub low_percent: f32,
    /// Share of pixels at or below the hot end of the automatic range, percent.
    #[schemars(range(min = 51, max = 100))]
    pub high_percent: f32,
    /// Time in which the automatic range covers 63 % of a change, milliseconds. Measured in capture time, so a replay
    /// looks the same at any speed.
    #[schemars(range(max = 60_000))]
    pub time_constant_ms: u32,
    /// Changes of an end by less than this share of the range are ignored.
    #[schemars(range(min = 0, max = 0.5))]
    pub hysteresis: f32,
    /// Narrowest automatic range of a radiometric source, K; keeps noise from filling the palette.
    #[schemars(range(min = 0.1, max = 1000))]
    pub min_span_c: f32,
    /// Narrowest automatic range of other 16-bit sources, counts; 8-bit ones use at most 24.
    #[schemars(range(min = 1, max = 65535))]
    pub min_span_counts: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            min_c: 20.0,
            max_c: 40.0,
            low_percent: 1.0,
            high_percent: 99.7,
            time_constant_ms: 700,
            hysteresis: 0.04,
            min_span_c: 4.0,
            min_span_counts: 80.0,
        }
    }
}

impl Settings {
    /// # Errors
    /// [`Error::fix`] names the key that is out of its range.
    pub fn validate(&self) -> Result<()> {
        check_ends(self.min_c, self.max_c)?;
        ranges::check("render.range", self)
    }
}

/// Refuses a fixed range that is empty or physically impossible.
pub(super) fn check_ends(min_c: f32, max_c: f32) -> Result<()> {
    if min_c >= -273.0 && max_c <= 3000.0 && min_c < max_c {
        return Ok(());
    }
    Err(Error::fix("render.range", format!("min_c {min_c} to max_c {max_c}, wanted -273 <= min_c < max_c <= 3000")))
}

/// Counts at the ends of the palette; `low < high`, both finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Coldest colour.
    pub low: f32,
    /// Hottest colour.
    pub high: f32,
}

impl Span {
    /// Difference of the ends, counts.
    pub fn width(&self) -> f32 {
        self.high - self.low
    }

    /// Widened to at least `least` around the same middle.
    fn widened(self, least: f32) -> Self {
        let lack = ((least - self.width()) / 2.0).max(0.0);
        Self { low: self.low - lack, high: self.high + lack }
    }

    /// The counts of a fixed range, found by search: the surface temperature is monotone in counts.
    pub fn fixed(meter: &Thermometer, min_c: f32, max_c: f32) -> Self {
        let count = |wanted: f32| {
            let (mut below, mut above) = (0.0f32, 65536.0f32);
            for _ in 0..26 {
                let middle = (below + above) / 2.0;
                if meter.surface(middle).0 >= wanted { above = middle } else { below = middle }
            }
            (below + above) / 2.0
        };
        Self { low: count(min_c), high: count(max_c) }.widened(1.0)
    }
}

/// State of the automatic range.
#[derive(Debug, Clone, Copy)]
struct Held {
    format: FrameFormat,
    at: Nanos,
    /// Target of the ends.
    goal: Span,
    /// Current ends.
    span: Span,
}

/// The automatic range: percentiles of the scene, smoothed. The goal of an end moves only when the percentile leaves
/// it by more than the hysteresis, and the end approaches its goal exponentially in capture time.
#[derive(Debug)]
pub struct AutoRange {
    settings: Settings,
    held: Option<Held>,
    coarse: Box<[u32; 256]>,
    fine: Box<[u32; 256]>,
}

/// Samples that are enough for a percentile; larger pictures are subsampled to about this many.
const SAMPLES: usize = 1 << 16;

impl AutoRange {
    /// A range that has not seen a frame yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, held: None, coarse: Box::new([0; 256]), fine: Box::new([0; 256]) }
    }

    /// The range for this frame. It does not change during shutter calibration; a change of format resets it.
    pub fn update(&mut self, frame: &Frame) -> Span {
        let held = self.held.filter(|h| h.format == frame.format);
        let calibrating = frame.meta.ffc.spoils_temperature();
        if let (true, Some(h)) = (calibrating, held) {
            return h.span;
        }
        let seen = self.percentiles(&frame.pixels).widened(self.least(frame));
        let next = match held {
            None => Held { format: frame.format, at: frame.meta.captured, goal: seen, span: seen },
            Some(h) => self.approach(h, seen, frame.meta.captured),
        };
        // The range of a closed shutter is used if there is no other, but never kept.
        if !calibrating {
            self.held = Some(next);
        }
        next.span
    }

    fn approach(&self, mut h: Held, seen: Span, now: Nanos) -> Held {
        let band = self.settings.hysteresis * h.goal.width();
        let settle = |goal: f32, seen: f32| if (seen - goal).abs() > band { seen } else { goal };
        let goal = Span { low: settle(h.goal.low, seen.low), high: settle(h.goal.high, seen.high) };
        // One end may stay while the other moves towards it.
        h.goal = goal.widened(seen.width().min(h.goal.width()));
        let tau = self.settings.time_constant_ms as f32 / 1000.0;
        let share = 1.0 - (-now.since(h.at).as_secs_f32() / tau.max(1e-6)).exp();
        h.at = now;
        h.span.low += (h.goal.low - h.span.low) * share;
        h.span.high += (h.goal.high - h.span.high) * share;
        h
    }

    fn least(&self, frame: &Frame) -> f32 {
        use crate::frame::Signal::{Counts, Grey8, Radiometric};
        let counts = match frame.format.signal {
            Radiometric { kelvin_per_count, .. } => self.settings.min_span_c / kelvin_per_count,
            Counts => self.settings.min_span_counts,
            Grey8 => self.settings.min_span_counts.min(24.0),
        };
        if counts.is_finite() { counts.clamp(1.0, 65535.0) } else { 1.0 }
    }

    /// Percentiles in two passes: first the block of 256 counts, then the count within it.
    fn percentiles(&mut self, pixels: &[u16]) -> Span {
        // An odd step does not align with the columns of a sensor.
        let step = pixels.len().div_ceil(SAMPLES) | 1;
        let samples = || pixels.iter().step_by(step);
        let total = samples().count();
        self.coarse.fill(0);
        samples().for_each(|v| self.coarse[usize::from(v >> 8)] += 1);
        let mut value = |percent: f32| {
            let rank = (percent / 100.0 * total.saturating_sub(1) as f32).round() as u32;
            let (high, before) = locate(&self.coarse, rank);
            self.fine.fill(0);
            samples().filter(|&v| usize::from(v >> 8) == high).for_each(|v| self.fine[usize::from(v & 255)] += 1);
            (high * 256 + locate(&self.fine, rank - before).0) as f32
        };
        Span { low: value(self.settings.low_percent), high: value(self.settings.high_percent) }
    }
}

/// The bin that holds the sample of this rank, and the number of samples before it.
fn locate(bins: &[u32; 256], rank: u32) -> (usize, u32) {
    let mut before = 0;
    for (i, &n) in bins.iter().enumerate() {
        if rank < before + n {
            return (i, before);
        }
        before += n;
    }
    (255, rank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FfcState, Signal};
    use crate::radiometry;

    fn frame(signal: Signal, at_ms: u64, pixels: impl IntoIterator<Item = u16>) -> Frame {
        let pixels: Vec<u16> = pixels.into_iter().collect();
        let format = FrameFormat { width: pixels.len() as u32, height: 1, signal, rate_hz: 9.0 };
        let mut f = Frame::new(format);
        f.pixels = pixels;
        f.meta.captured = Nanos(at_ms * 1_000_000);
        f
    }

    fn exact() -> Settings {
        Settings { low_percent: 10.0, high_percent: 90.0, ..Settings::default() }
    }

    #[test]
    fn percentiles_are_those_of_a_sort() {
        let mut f = AutoRange::new(exact());
        let mut state = 1u32;
        for n in [1usize, 2, 11, 101, 1001] {
            let pixels: Vec<u16> = (0..n)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 16) as u16
                })
                .collect();
            let mut sorted = pixels.clone();
            sorted.sort_unstable();
            let at = |p: f32| f32::from(sorted[(p * (n - 1) as f32).round() as usize]);
            assert_eq!(f.percentiles(&pixels), Span { low: at(0.1), high: at(0.9) }, "{n} pixels");
        }
    }

    #[test]
    fn noise_below_the_hysteresis_moves_nothing_at_all() {
        let mut f = AutoRange::new(exact());
        let first = f.update(&frame(Signal::Counts, 0, 0..1000));
        for i in 1..50 {
            let shift = if i % 2 == 0 { 20 } else { 0 };
            assert_eq!(f.update(&frame(Signal::Counts, i * 111, shift..1000 + shift)), first);
        }
    }

    #[test]
    fn a_change_is_followed_in_capture_time() {
        let mut f = AutoRange::new(Settings { time_constant_ms: 1000, ..exact() });
        let a = f.update(&frame(Signal::Counts, 0, 1000..2000));
        let b = f.update(&frame(Signal::Counts, 1000, 2000..3000));
        assert!((b.low - a.low - 632.1).abs() < 1.0, "{a:?} {b:?}");
        // The same second in ten steps arrives at the same range.
        let mut g = AutoRange::new(Settings { time_constant_ms: 1000, ..exact() });
        g.update(&frame(Signal::Counts, 0, 1000..2000));
        let mut last = a;
        for i in 1..=10 {
            last = g.update(&frame(Signal::Counts, i * 100, 2000..3000));
        }
        assert!((last.low - b.low).abs() < 0.5 && (last.high - b.high).abs() < 0.5, "{last:?} {b:?}");
        // Time that runs backwards (a clip that starts over) moves nothing.
        assert_eq!(g.update(&frame(Signal::Counts, 0, 5000..6000)), last);
    }

    #[test]
    fn the_shutter_never_moves_the_range() {
        let mut f = AutoRange::new(exact());
        let shutter = |ffc, at| {
            let mut s = frame(Signal::Counts, at, 40000..41000);
            s.meta.ffc = ffc;
            s
        };
        // Shown before there is anything else, but not kept.
        assert!(f.update(&shutter(FfcState::Running, 0)).low > 39000.0);
        let scene = f.update(&frame(Signal::Counts, 100, 1000..2000));
        assert!(scene.low < 1200.0);
        assert_eq!(f.update(&shutter(FfcState::Running, 5000)), scene);
        assert_eq!(f.update(&shutter(FfcState::Settling, 6000)), scene);
        assert_eq!(f.update(&frame(Signal::Counts, 6100, 1000..2000)), scene);
    }

    #[test]
    fn a_flat_scene_is_not_stretched_into_noise() {
        let mut f = AutoRange::new(Settings::default());
        let span = f.update(&frame(Signal::CENTIKELVIN, 0, [29_000; 50]));
        assert_eq!(span, Span { low: 28_800.0, high: 29_200.0 });
        let span = f.update(&frame(Signal::Grey8, 0, [128; 50]));
        assert_eq!(span.width(), 24.0);
    }

    #[test]
    fn fixed_degrees_become_the_counts_that_read_them() {
        let surface = radiometry::Settings { emissivity: 0.95, reflected_c: 22.0 };
        let meter = Thermometer::new(Signal::CENTIKELVIN, surface).unwrap();
        let span = Span::fixed(&meter, 20.0, 40.0);
        assert!((meter.surface(span.low).0 - 20.0).abs() < 0.01);
        assert!((meter.surface(span.high).0 - 40.0).abs() < 0.01);
        // Ends outside of what 16 bits hold still leave a usable range.
        assert!(Span::fixed(&meter, 2000.0, 2500.0).width() >= 1.0);
    }

    #[test]
    fn bad_settings_are_named() {
        for (s, key) in [
            (Settings { min_c: 40.0, ..Settings::default() }, "min_c 40 to max_c 40"),
            (Settings { max_c: f32::NAN, ..Settings::default() }, "max_c NaN"),
            (Settings { high_percent: 50.0, ..Settings::default() }, "render.range.high_percent: is 50"),
            (Settings { hysteresis: f32::NAN, ..Settings::default() }, "render.range.hysteresis"),
        ] {
            let e = s.validate().unwrap_err().to_string();
            assert!(e.contains(key), "{e}");
        }
        Settings::default().validate().unwrap();
    }
}
