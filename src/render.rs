//! The picture: palettes, overlay, banners, on a run-time-sized canvas.
//!
//! [`Renderer::render`] turns a frame and its result into RGB, in this order: range of counts, magnified and coloured
//! picture, faces, targets, banner, scale bar, labels. A visible frame is drawn beside it. Everything is drawn through embedded-graphics' `DrawTarget`; nothing
//! allocates once the largest picture has been drawn.

pub mod agc;
mod beside;
mod controls;
mod extremes;
mod labels;
mod legend;
mod marks;
mod paint;
pub mod palette;
mod placement;
pub mod range;
mod scene;
mod shape;
mod targets;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use controls::{Controls, Layers, SharedControls};
pub use paint::{Filter, MAX_SCALE, scale_for};

use crate::error::{Error, Result};
use crate::frame::{FfcState, Frame, Signal, Visible};
use crate::picture::Canvas;
use crate::radiometry::{self, Thermometer};
use crate::ranges;
use crate::result::{FrameResult, StreamState};
use crate::units::Nanos;
use agc::Gain;
use extremes::Extremes;
use legend::{Banner, Ends};
use marks::{Outline, Style};
use paint::Painter;
use palette::{Lut, PALETTES};
use range::{AutoRange, Mode, Span};
use scene::Scene;
use text::Pen;

/// How pictures look at the start; a viewer may change [`Controls`] later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Name of a palette.
    #[schemars(extend("enum" = PALETTES.iter().map(|p| p.name).collect::<Vec<_>>()))]
    pub palette: String,
    /// Which counts map to the ends of the palette.
    pub range: range::Settings,
    /// How the counts in between are spread over the palette.
    pub agc: agc::Settings,
    /// Magnification; less if the picture would exceed 33 megapixels.
    #[schemars(range(min = 1, max = MAX_SCALE))]
    pub scale: u8,
    /// How the picture is interpolated between pixels.
    pub filter: Filter,
    /// What is drawn over the picture.
    #[schemars(extend("items" = serde_json::json!({ "enum": Layers::NAMES.map(|row| row.0) })))]
    pub layers: Vec<String>,
    /// Age up to which landmarks of an earlier frame are shown, fading, milliseconds.
    #[schemars(range(max = 10_000))]
    pub landmark_age_limit_ms: u32,
    /// Points with less confidence than this are drawn hollow.
    #[schemars(range(min = 0, max = 1))]
    pub low_confidence: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            palette: "ironbow".into(),
            range: range::Settings::default(),
            agc: agc::Settings::default(),
            scale: 4,
            filter: Filter::Bilinear,
            layers: Layers::ALL.names().map(str::to_owned).collect(),
            landmark_age_limit_ms: 500,
            low_confidence: 0.5,
        }
    }
}

impl Settings {
    /// # Errors
    /// [`Error::fix`] names the key, what it holds and what was wanted.
    pub fn validate(&self) -> Result<()> {
        ranges::check("render", self)?;
        range::check_ends(self.range.min_c, self.range.max_c)?;
        self.controls().map(drop)
    }

    /// The initial controls.
    ///
    /// # Errors
    /// [`Error::fix`] for an unknown palette or layer, or a scale out of its range.
    pub fn controls(&self) -> Result<Controls> {
        let controls = Controls {
            palette: palette::find(&self.palette)? as u8,
            mode: self.range.mode,
            min_c: self.range.min_c,
            max_c: self.range.max_c,
            agc: self.agc.mode,
            scale: self.scale,
            filter: self.filter,
            layers: Layers::named(&self.layers)?,
        };
        controls.check_ranges()?;
        // The signal is not known yet; `Controls::check_signal` checks it later.
        Ok(controls)
    }
}

/// "is not a palette; did you mean ...": the nearest of the names, and all of them.
fn unknown<'a>(what: &str, found: &str, names: impl Iterator<Item = &'a str> + Clone) -> Error {
    let like = |name: &str| strsim::jaro_winkler(found, name);
    let nearest = names.clone().max_by(|a, b| like(a).total_cmp(&like(b))).filter(|n| like(n) > 0.7);
    let hint = nearest.map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default();
    let all = names.collect::<Vec<_>>().join(", ");
    Error::fix(format!("render.{what}"), format!("\"{found}\" is no {what}{hint} (there are: {all})"))
}

/// The palette in use as 256 colours.
struct LutCache {
    made_for: Option<(u8, bool)>,
    lut: Box<Lut>,
}

impl LutCache {
    /// The colours of a palette, at half brightness if the picture is not live.
    fn of(&mut self, palette: u8, dim: bool) -> &Lut {
        if self.made_for != Some((palette, dim)) {
            let row = PALETTES.get(usize::from(palette)).unwrap_or(&PALETTES[0]);
            *self.lut = row.lut();
            if dim {
                self.lut.iter_mut().flatten().for_each(|v| *v /= 2);
            }
            self.made_for = Some((palette, dim));
        }
        &self.lut
    }
}

/// Draws pictures. Keeps state between frames: the range, the spots and scratch buffers.
pub struct Renderer {
    age_limit: Duration,
    low_confidence: f32,
    surface: radiometry::Settings,
    auto_range: AutoRange,
    gain: Gain,
    extremes: Extremes,
    painter: Painter,
    lut: LutCache,
    pen: Pen,
    /// The thermal and the visible half of a picture that shows both.
    halves: [Canvas; 2],
    /// Size of the last frame, used for the NO SIGNAL picture.
    last_size: (u32, u32),
}

/// Picture size before the first frame.
const FIRST_SIZE: (u32, u32) = (160, 120);
/// Background of NO SIGNAL.
const BACKDROP: Rgb888 = Rgb888::new(15, 17, 22);

impl Renderer {
    /// A renderer that has not drawn a frame yet.
    ///
    /// # Errors
    /// Those of [`Settings::validate`].
    pub fn new(settings: &Settings) -> Result<Self> {
        settings.validate()?;
        Ok(Self {
            age_limit: Duration::from_millis(settings.landmark_age_limit_ms.into()),
            low_confidence: settings.low_confidence,
            surface: radiometry::Settings::default(),
            auto_range: AutoRange::new(settings.range.clone()),
            gain: Gain::new(settings.agc.clone(), settings.range.time_constant_ms),
            extremes: Extremes::default(),
            painter: Painter::default(),
            lut: LutCache { made_for: None, lut: Box::new([[0; 3]; 256]) },
            pen: Pen::default(),
            halves: Default::default(),
            last_size: FIRST_SIZE,
        })
    }

    /// Uses this surface for the degC of the scale bar and the spots, as the results do.
    #[must_use]
    pub fn surface(mut self, surface: radiometry::Settings) -> Self {
        self.surface = surface;
        self
    }

    /// Draws `frame` with `result` over it as of `now`, and sets the size of `canvas`: the frame's,
    /// magnified ([`scale_for`]). Without a frame the picture says NO SIGNAL.
    ///
    /// Faces found in an earlier frame (`result.seq` differs) fade with the time between the two captures and vanish
    /// past the limit. A fixed range is used only if the frame is radiometric; otherwise the automatic range is used
    /// and no degC is written. A frame of a pair is drawn with its visible half to the right, at the same height.
    pub fn render(
        &mut self,
        frame: Option<&Frame>,
        result: &FrameResult,
        now: Nanos,
        controls: &Controls,
        canvas: &mut Canvas,
    ) {
        let Some((frame, visible)) = frame.and_then(|f| Some((f, pair(f)?))) else {
            return self.thermal(frame, result, now, controls, canvas);
        };
        let [mut left, mut right] = std::mem::take(&mut self.halves);
        self.thermal(Some(frame), result, now, controls, &mut left);
        beside::scaled(visible, beside::width_at(visible, left.height), left.height, &mut right);
        let stretch = [right.width as f32 / frame.width() as f32, right.height as f32 / frame.height() as f32];
        let mut scene = Scene::new(&mut right, &mut self.pen, 1);
        targets::draw(&mut scene, &result.targets, stretch, controls.layers);
        beside::join(&left, &right, canvas);
        self.halves = [left, right];
    }

    /// Draws the thermal frame alone.
    fn thermal(
        &mut self,
        frame: Option<&Frame>,
        result: &FrameResult,
        now: Nanos,
        controls: &Controls,
        canvas: &mut Canvas,
    ) {
        let whole = |f: &&Frame| !f.pixels.is_empty() && f.pixels.len() == f.format.pixels();
        let Some(frame) = frame.filter(whole) else {
            return self.blank(result, now, controls, canvas);
        };
        self.last_size = (frame.format.width, frame.format.height);
        let meter = Thermometer::new(frame.format.signal, self.surface);
        let span = match (&meter, controls.mode) {
            (Some(meter), Mode::Fixed) => Span::fixed(meter, controls.min_c, controls.max_c),
            _ => self.auto_range.update(frame),
        };
        let lit = !matches!(result.state, StreamState::Stale | StreamState::NoSignal);
        let lut = self.lut.of(controls.palette, !lit);
        let scale = scale_for(frame.format.width, frame.format.height, controls.scale.into());
        self.gain.update(controls.agc, frame, span);
        match frame.visible.as_ref().filter(|v| v.alone && !result.targets.is_empty()) {
            Some(own) => beside::scaled(own, own.width * scale, own.height * scale, canvas),
            None => self.painter.paint(frame, (&mut self.gain, span), lut, scale, controls.filter, canvas),
        }

        let spots = if lit && controls.layers.has(Layers::SPOTS) { self.extremes.find(frame, span) } else { None };
        let mut scene = Scene::new(canvas, &mut self.pen, scale);
        let age =
            if result.seq == frame.meta.seq { Duration::ZERO } else { frame.meta.captured.since(result.captured) };
        let fade = fade(age, self.age_limit, result.state);
        let same_size = (result.width, result.height) == (frame.format.width, frame.format.height);
        let faces = if same_size && fade > 0.0 { result.faces.as_slice() } else { &[] };
        let style = Style { fade, low_confidence: self.low_confidence, layers: controls.layers };
        for face in faces {
            if let Some(outline) = Outline::of(&scene, face) {
                marks::draw(&mut scene, face, &outline, &style);
            }
        }
        targets::draw(&mut scene, &result.targets, [scale as f32; 2], controls.layers);
        if let Some(banner) = banner(frame, result, now).filter(|_| controls.layers.has(Layers::BANNERS)) {
            legend::banner(&mut scene, banner, false);
        }
        if controls.layers.has(Layers::SCALE_BAR) {
            let bar = self.gain.ramp().map(|level| lut[usize::from(level)]);
            legend::scale_bar(
                &mut scene,
                &bar,
                ends(frame.format.signal, &meter, span),
                controls.agc == agc::Mode::Clahe,
            );
        }
        write_faces(&mut scene, faces, &style, age);
        if let Some(spots) = spots {
            let meter = meter.filter(|_| !frame.meta.ffc.spoils_temperature());
            let read = |count: u16| meter.map(|m| m.surface(count.into()).0).filter(|c| c.is_finite());
            labels::extremes(&mut scene, faces, &spots, spots.map(|s| read(s.count)));
        }
    }

    /// The picture without a frame.
    fn blank(&mut self, result: &FrameResult, now: Nanos, controls: &Controls, canvas: &mut Canvas) {
        let (width, height) = self.last_size;
        let scale = scale_for(width, height, controls.scale.into());
        canvas.resize(width * scale, height * scale);
        let Ok(()) = canvas.clear(BACKDROP);
        if !controls.layers.has(Layers::BANNERS) {
            return;
        }
        let mut scene = Scene::new(canvas, &mut self.pen, scale);
        let age = (result.captured > Nanos::default()).then(|| now.since(result.captured));
        legend::banner(&mut scene, Banner::NoSignal(age), true);
        legend::caption(&mut scene, &result.source);
    }
}

/// The visible frame of a pair; `None` if the frame itself is a colour picture.
fn pair(frame: &Frame) -> Option<&Visible> {
    frame.visible.as_ref().filter(|v| v.width > 0 && v.height > 0 && !v.alone)
}

/// Opacity of faces of this age: full on their own frame, a third at the limit, nothing beyond.
fn fade(age: Duration, limit: Duration, state: StreamState) -> f32 {
    let state = match state {
        StreamState::NoSignal => 0.0,
        StreamState::Stale => 0.5,
        StreamState::Live | StreamState::Ffc => 1.0,
    };
    match age {
        Duration::ZERO => state,
        _ if age > limit => 0.0,
        _ => state * (1.0 - 0.67 * age.as_secs_f32() / limit.as_secs_f32()),
    }
}

/// Writes the labels of all faces: every track label before any temperature.
fn write_faces(scene: &mut Scene<'_>, faces: &[crate::result::Face], style: &Style, age: Duration) {
    let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    for layer in [Layers::BOX, Layers::TEMPERATURES] {
        for face in faces.iter().filter(|_| style.layers.has(layer)) {
            let Some(outline) = Outline::of(scene, face) else { continue };
            if layer == Layers::BOX {
                labels::track(scene, face, &outline, age_ms, style.fade);
            } else {
                labels::temperatures(scene, face, &outline, style.fade);
            }
        }
    }
}

/// The banner to show, if any; both the frame's own state and the result's count.
fn banner(frame: &Frame, result: &FrameResult, now: Nanos) -> Option<Banner> {
    let age = now.since(frame.meta.captured);
    match (result.state, frame.meta.ffc) {
        (StreamState::NoSignal, _) => Some(Banner::NoSignal(Some(age))),
        (StreamState::Stale, _) => Some(Banner::Stale(age)),
        (_, FfcState::Running) => Some(Banner::Ffc),
        (_, FfcState::Settling) => Some(Banner::FfcSettling),
        (StreamState::Ffc, _) => Some(Banner::Ffc),
        (StreamState::Live, FfcState::Idle | FfcState::Imminent) => None,
    }
}

fn ends(signal: Signal, meter: &Option<Thermometer>, span: Span) -> Ends {
    match (meter, signal) {
        (Some(meter), _) => Ends::Celsius(meter.surface(span.low).0, meter.surface(span.high).0),
        (None, Signal::Grey8) => Ends::Plain("grey", span.low, span.high),
        (None, _) => Ends::Plain("counts", span.low, span.high),
    }
}

/// The canvas as text: greys from ` ` (black) to `@` (white), colours as r, y, g, c, b, m.
#[cfg(test)]
fn pattern(canvas: &Canvas) -> Vec<String> {
    let glyph = |p: &[u8]| {
        let (low, high) = (*p.iter().min().unwrap(), *p.iter().max().unwrap());
        if high - low < 64 {
            let luma = (u32::from(p[0]) * 2 + u32::from(p[1]) * 5 + u32::from(p[2])) / 8;
            return char::from(b" .:-=+*#%@"[(luma * 10 / 256) as usize]);
        }
        let middle = u32::from(low) + (u32::from(high) - u32::from(low)) / 2;
        let on = |i: usize| u32::from(u32::from(p[i]) > middle);
        char::from(b"?bgcrmy?"[(on(0) * 4 + on(1) * 2 + on(2)) as usize])
    };
    let row = |r: &[u8]| r.chunks_exact(3).map(glyph).collect();
    canvas.rgb.chunks_exact(canvas.width as usize * 3).map(row).collect()
}
