//! What a viewer may change while the picture runs, and the handle it is changed through.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::agc;
use super::paint::{Filter, MAX_SCALE};
use super::palette::{self, PALETTES};
use super::range::{Mode, check_ends};
use crate::error::{Error, Result};
use crate::frame::Signal;
use crate::look::{Adjust, Change, Choices, Look, Range};

/// A set of things to draw over the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers(u16);

impl Layers {
    /// Lines of jaw, brows, eyes, nose and lips.
    pub const CONTOURS: Layers = Layers(1);
    /// The 70 points, coloured by confidence.
    pub const POINTS: Layers = Layers(2);
    /// Box, track number and presence.
    pub const BOX: Layers = Layers(4);
    /// Arrow in the direction the face looks.
    pub const POSE: Layers = Layers(8);
    /// Discs whose temperature is measured.
    pub const REGIONS: Layers = Layers(16);
    /// Temperatures of the regions.
    pub const TEMPERATURES: Layers = Layers(32);
    /// Hottest and coldest spot.
    pub const SPOTS: Layers = Layers(64);
    /// Scale bar.
    pub const SCALE_BAR: Layers = Layers(128);
    /// FFC, STALE and NO SIGNAL.
    pub const BANNERS: Layers = Layers(256);
    /// Everything.
    pub const ALL: Layers = Layers(511);
    /// The bare picture.
    pub const NONE: Layers = Layers(0);

    /// Names in settings and on the page.
    pub const NAMES: [(&'static str, Layers); 9] = [
        ("contours", Self::CONTOURS),
        ("points", Self::POINTS),
        ("box", Self::BOX),
        ("pose", Self::POSE),
        ("regions", Self::REGIONS),
        ("temperatures", Self::TEMPERATURES),
        ("spots", Self::SPOTS),
        ("scale_bar", Self::SCALE_BAR),
        ("banners", Self::BANNERS),
    ];

    /// True if every layer of `other` is on.
    pub fn has(self, other: Layers) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the layers of `other` on.
    #[must_use]
    pub fn with(self, other: Layers) -> Self {
        Self(self.0 | other.0)
    }

    /// With the layers of `other` off.
    #[must_use]
    pub fn without(self, other: Layers) -> Self {
        Self(self.0 & !other.0)
    }

    /// The set with these names.
    ///
    /// # Errors
    /// [`Error::fix`] with the nearest name if one is unknown.
    pub fn named<S: AsRef<str>>(names: &[S]) -> Result<Self> {
        names.iter().try_fold(Self::NONE, |set, name| {
            let name = name.as_ref();
            let row = Self::NAMES.iter().find(|row| row.0 == name);
            row.map(|row| set.with(row.1)).ok_or_else(|| super::unknown("layer", name, Self::NAMES.iter().map(|r| r.0)))
        })
    }

    /// Names of the layers that are on.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |row| self.has(row.1)).map(|row| row.0)
    }
}

/// What a viewer may change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Controls {
    /// Index in [`PALETTES`].
    pub palette: u8,
    /// How the range is chosen. Fixed falls back to auto on frames that are not radiometric.
    pub mode: Mode,
    /// Cold end of a fixed range, degC.
    pub min_c: f32,
    /// Hot end of a fixed range, degC.
    pub max_c: f32,
    /// How contrast is distributed.
    pub agc: agc::Mode,
    /// Magnification, 1 to 8.
    pub scale: u8,
    /// How pixels are magnified.
    pub filter: Filter,
    /// What is drawn over the picture.
    pub layers: Layers,
}

impl Controls {
    /// These controls with a change applied, for a source of this signal.
    ///
    /// # Errors
    /// [`Error::fix`]: an unknown name, a value out of its range, or a fixed range in degC for a
    /// source that does not measure temperature.
    pub fn with(mut self, change: &Change, signal: Signal) -> Result<Self> {
        if let Some(name) = &change.palette {
            self.palette = palette::find(name)? as u8;
        }
        if let Some(name) = &change.agc {
            let named = |n: &&(&str, agc::Mode)| n.0 == name;
            let unknown = || super::unknown("agc", name, agc::Mode::ALL.iter().map(|m| m.0));
            self.agc = agc::Mode::ALL.iter().find(named).ok_or_else(unknown)?.1;
        }
        for (name, &on) in &change.layers {
            let layer = Layers::named(&[name])?;
            self.layers = if on { self.layers.with(layer) } else { self.layers.without(layer) };
        }
        match change.range {
            None => {}
            Some(Range::Auto) => self.mode = Mode::Auto,
            Some(Range::Fixed { min_c, max_c }) => {
                (self.mode, self.min_c, self.max_c) = (Mode::Fixed, min_c, max_c);
                // Only a request for a fixed range is refused; an existing one has no effect.
                self.check_signal(signal)?;
            }
        }
        self.check_ranges()?;
        Ok(self)
    }

    /// # Errors
    /// [`Error::fix`] names the value that is out of its range.
    pub(super) fn check_ranges(&self) -> Result<()> {
        check_ends(self.min_c, self.max_c)?;
        if !(1..=MAX_SCALE).contains(&u32::from(self.scale)) {
            return Err(Error::fix("render.scale", format!("is {}, wanted 1 to {MAX_SCALE}", self.scale)));
        }
        Ok(())
    }

    /// # Errors
    /// [`Error::fix`] if the range is fixed in degC and the source does not measure temperature.
    pub fn check_signal(&self, signal: Signal) -> Result<()> {
        if self.mode == Mode::Auto || signal.is_radiometric() {
            return Ok(());
        }
        Err(Error::fix(
            "render.range.mode",
            "is fixed in degC, but the source does not measure temperature; wanted auto",
        ))
    }

    /// These controls by name.
    pub fn look(&self) -> Look {
        Look {
            palette: PALETTES.get(usize::from(self.palette)).map(|p| p.name.to_owned()).unwrap_or_default(),
            range: match self.mode {
                Mode::Auto => Range::Auto,
                Mode::Fixed => Range::Fixed { min_c: self.min_c, max_c: self.max_c },
            },
            agc: self.agc.name().to_owned(),
            layers: Layers::NAMES.iter().map(|(name, layer)| ((*name).to_owned(), self.layers.has(*layer))).collect(),
        }
    }

    fn pack(&self) -> [u64; 2] {
        let ends = u64::from(self.min_c.to_bits()) << 32 | u64::from(self.max_c.to_bits());
        let rest = [
            self.palette,
            u8::from(self.mode == Mode::Fixed),
            self.scale,
            u8::from(self.filter == Filter::Bilinear),
            self.layers.0.to_le_bytes()[0],
            self.layers.0.to_le_bytes()[1],
            self.agc as u8,
            0,
        ];
        [ends, u64::from_le_bytes(rest)]
    }

    fn unpack([ends, rest]: [u64; 2]) -> Self {
        let [palette, fixed, scale, bilinear, low, high, agc, _] = rest.to_le_bytes();
        Self {
            palette,
            mode: if fixed == 1 { Mode::Fixed } else { Mode::Auto },
            min_c: f32::from_bits((ends >> 32) as u32),
            max_c: f32::from_bits(ends as u32),
            agc: agc::Mode::ALL.get(usize::from(agc)).map_or(agc::Mode::Linear, |m| m.1),
            scale,
            filter: if bilinear == 1 { Filter::Bilinear } else { Filter::Nearest },
            layers: Layers(u16::from_le_bytes([low, high])),
        }
    }
}

/// Controls shared between viewers and the renderer. Reading never waits; one writer at a time.
#[derive(Debug, Clone)]
pub struct SharedControls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The ends of the range, then everything else. Each word is consistent by itself.
    words: [AtomicU64; 2],
    writer: Mutex<()>,
}

impl SharedControls {
    /// Starts with these.
    pub fn new(controls: Controls) -> Self {
        Self(Arc::new(Inner { words: controls.pack().map(AtomicU64::new), writer: Mutex::new(()) }))
    }

    /// The controls now.
    pub fn get(&self) -> Controls {
        Controls::unpack([&self.0.words[0], &self.0.words[1]].map(|w| w.load(Ordering::Acquire)))
    }
}

impl Adjust for SharedControls {
    fn choices(&self) -> Choices {
        Choices {
            palettes: PALETTES.iter().map(|p| p.name.to_owned()).collect(),
            agc: agc::Mode::ALL.iter().map(|(name, _)| (*name).to_owned()).collect(),
            layers: Layers::NAMES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        }
    }

    fn look(&self) -> Look {
        self.get().look()
    }

    fn change(&self, change: &Change, signal: Signal) -> Result<()> {
        let _one_writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.get().with(change, signal)?;
        for (word, value) in self.0.words.iter().zip(next.pack()) {
            word.store(value, Ordering::Release);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Settings;
    use super::*;

    fn shared() -> SharedControls {
        SharedControls::new(Settings::default().controls().unwrap())
    }

    #[test]
    fn a_change_changes_what_it_names_and_is_seen_by_every_holder() {
        let page = shared();
        let renderer = page.clone();
        let json = r#"{"palette":"viridis","range":{"mode":"fixed","min_c":30,"max_c":38.5},"agc":"clahe","layers":{"box":false,"pose":false}}"#;
        let change: Change = serde_json::from_str(json).unwrap();
        page.change(&change, Signal::CENTIKELVIN).unwrap();
        let got = renderer.get();
        assert_eq!(got.layers, Layers::ALL.without(Layers::BOX).without(Layers::POSE));
        let look = page.look();
        assert_eq!((Some(&look.palette), Some(look.range)), (change.palette.as_ref(), change.range));
        assert_eq!((Some(&look.agc), look.layers["pose"], look.layers["box"]), (change.agc.as_ref(), false, false));
        let only = Change { range: Some(Range::Fixed { min_c: 30.0, max_c: 40.0 }), ..Change::default() };
        page.change(&only, Signal::CENTIKELVIN).unwrap();
        assert_eq!(renderer.get(), Controls { max_c: 40.0, ..got });
        let auto = Change { range: Some(Range::Auto), ..Change::default() };
        page.change(&auto, Signal::Counts).unwrap();
        assert_eq!(renderer.get(), Controls { max_c: 40.0, mode: Mode::Auto, ..got });
    }

    #[test]
    fn a_refused_change_changes_nothing() {
        let page = shared();
        let before = page.get();
        let refused = |change: Change, signal, text: &str| {
            let e = page.change(&change, signal).unwrap_err();
            assert_eq!(e.remedy(), crate::Remedy::Fix);
            assert!(e.to_string().contains(text), "{e}");
            assert_eq!(page.get(), before);
        };
        let none = Change::default;
        let fixed = |min_c, max_c| Change { range: Some(Range::Fixed { min_c, max_c }), ..none() };
        refused(fixed(20.0, 40.0), Signal::Counts, "does not measure temperature");
        refused(fixed(20.0, 40.0), Signal::Grey8, "does not measure temperature");
        refused(fixed(20.0, -300.0), Signal::CENTIKELVIN, "max_c -300");
        let layers = BTreeMap::from([("regons".to_owned(), true)]);
        let both = Change { layers, palette: Some("magma".into()), ..none() };
        refused(both, Signal::Counts, "did you mean \"regions\"?");
        refused(Change { agc: Some("plataeu".into()), ..none() }, Signal::Counts, "did you mean \"plateau\"?");
        assert!(serde_json::from_str::<Change>(r#"{"pallete":"magma"}"#).is_err());
        for scale in [0, 9] {
            let e = Settings { scale, ..Settings::default() }.controls().unwrap_err();
            assert_eq!(e.to_string(), format!("render.scale: is {scale}, wanted 1 to 8"));
        }
    }

    #[test]
    fn layer_names_are_complete() {
        let all = Layers::NAMES.iter().fold(Layers::NONE, |set, row| set.with(row.1));
        assert_eq!(all, Layers::ALL);
        assert_eq!(Layers::named(&Layers::ALL.names().collect::<Vec<_>>()).unwrap(), Layers::ALL);
        assert!(!Layers::ALL.without(Layers::POSE).has(Layers::POSE));
    }
}
