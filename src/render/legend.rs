//! What the colours mean, and what state the picture is in: scale bar and banners.

use std::time::Duration;

use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use super::labels::tenths;
use super::palette::Lut;
use super::scene::{AMBER, CORAL, PLATE, Scene, WHITE};
use super::text::{Font, InlineString};
use crate::picture::Rgba;

/// Numbers at the ends of the scale bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ends {
    /// Surface temperature.
    Celsius(f32, f32),
    /// Sensor counts, or 8-bit grey: the name, and both ends.
    Plain(&'static str, f32, f32),
}

/// The scale bar at the right edge, half as high as the picture; left out if three lines of text do not fit beside it.
/// `lut` holds colours at even steps of the range; with `local` they are correct only on average.
pub fn scale_bar(scene: &mut Scene<'_>, lut: &Lut, ends: Ends, local: bool) {
    let (text, picture) = (scene.font.height(), scene.size());
    let (bar, margin) = ((text * 2 / 3).max(4), text / 2 + 1);
    let length = picture.height * 45 / 100;
    let gap = text / 4 + 1;
    if length < 3 * text || picture.width < 8 * bar {
        return;
    }
    let (low, high, unit) = match ends {
        Ends::Celsius(low, high) => {
            let label = |c| InlineString::format(format_args!("{}°C", tenths(c)));
            (label(low), label(high), local.then_some("local"))
        }
        Ends::Plain(unit, low, high) => {
            let label = |v: f32| InlineString::format(format_args!("{}", v.round() as i64));
            (label(low), label(high), Some(if local { "local" } else { unit }))
        }
    };
    let left = (picture.width - margin - bar) as i32;
    let top = ((picture.height - length) / 2) as i32;
    for row in 0..length {
        let level = 255 - (row * 255 / (length - 1).max(1)) as usize;
        let [r, g, b] = lut[level.min(255)];
        scene.fill(&Rectangle::new(Point::new(left, top + row as i32), Size::new(bar, 1)), Rgba::new(r, g, b));
    }
    outline(scene, &Rectangle::new(Point::new(left, top), Size::new(bar, length)));
    let end = (picture.width - margin) as i32;
    let mut line = |label: &str, y: i32, ink: Rgba| {
        let size = scene.font.size(label);
        let at = Point::new(end - size.width as i32, y);
        scene.labels.reserve(Rectangle::new(at, size));
        scene.write(scene.font, label, at, ink);
    };
    let above = top - (gap + text) as i32;
    line(high.as_str(), above, WHITE);
    line(low.as_str(), top + (length + gap) as i32, WHITE);
    if let Some(unit) = unit {
        line(unit, above - text as i32 - 1, WHITE.fade(0.8));
    }
    scene.labels.reserve(Rectangle::new(Point::new(left - 1, top - 1), Size::new(bar + 2, length + 2)));
}

/// A thin light frame in a dark one.
fn outline(scene: &mut Scene<'_>, inner: &Rectangle) {
    let line = scene.line.round().max(1.0) as i32;
    let dark = Rgba { rgb: [0; 3], alpha: 150 };
    for (grow, color) in [(line, WHITE.fade(0.75)), (2 * line, dark)] {
        let r = inner.offset(grow);
        let (x, y, w, h, t) = (r.top_left.x, r.top_left.y, r.size.width, r.size.height, line as u32);
        let (right, bottom) = (x + w as i32 - line, y + h as i32 - line);
        for (x, y, w, h) in
            [(x, y, w, t), (x, bottom, w, t), (x, y + line, t, h - 2 * t), (right, y + line, t, h - 2 * t)]
        {
            scene.fill(&Rectangle::new(Point::new(x, y), Size::new(w, h)), color);
        }
    }
}

/// What a banner says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Banner {
    /// The shutter is closed.
    Ffc,
    /// The shutter has just opened; the offsets are settling.
    FfcSettling,
    /// The picture is this old.
    Stale(Duration),
    /// No source; the picture, if there is one, is this old.
    NoSignal(Option<Duration>),
}

impl Banner {
    fn text(self) -> InlineString {
        match self {
            Banner::Ffc => InlineString::format(format_args!("FFC")),
            Banner::FfcSettling => InlineString::format(format_args!("FFC settling")),
            Banner::Stale(age) => InlineString::format(format_args!("STALE {}", Age(age))),
            Banner::NoSignal(Some(age)) => InlineString::format(format_args!("NO SIGNAL {}", Age(age))),
            Banner::NoSignal(None) => InlineString::format(format_args!("NO SIGNAL")),
        }
    }

    /// Without the part that may be left out if space is short.
    fn brief(self) -> InlineString {
        match self {
            Banner::FfcSettling => Banner::Ffc.text(),
            Banner::NoSignal(_) => Banner::NoSignal(None).text(),
            other => other.text(),
        }
    }

    fn color(self) -> Rgba {
        if matches!(self, Banner::Ffc | Banner::FfcSettling) { AMBER } else { CORAL }
    }
}

/// An age, formatted for people.
struct Age(Duration);

impl std::fmt::Display for Age {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = self.0.as_secs();
        match s {
            0..10 => write!(f, "{:.1} s", (self.0.as_millis() / 100) as f32 / 10.0),
            10..120 => write!(f, "{s} s"),
            120..7200 => write!(f, "{} min", s / 60),
            _ => write!(f, "{} h", s / 3600),
        }
    }
}

/// A plate at the top of the picture, or in its middle if there is no picture behind it.
pub fn banner(scene: &mut Scene<'_>, banner: Banner, middle: bool) {
    let picture = scene.size();
    let font = Font::for_canvas(if middle { picture * 2 } else { picture + picture / 3 });
    let pad = (font.height() / 3).max(2);
    let fits = |text: &InlineString| font.size(text.as_str()).width + 4 * pad <= picture.width;
    let text = Some(banner.text()).filter(fits).unwrap_or_else(|| banner.brief());
    let font = if fits(&text) { font } else { scene.font };
    let size = font.size(text.as_str());
    let plate = size + Size::new(4 * pad, 2 * pad);
    let x = (picture.width as i32 - plate.width as i32) / 2;
    let y = if middle { (picture.height as i32 - plate.height as i32) / 2 } else { pad as i32 };
    let place = Rectangle::new(Point::new(x, y), plate);
    scene.labels.reserve(place);
    scene.fill(&place, PLATE);
    let stripe = Size::new((pad / 2).max(1), plate.height);
    scene.fill(&Rectangle::new(place.top_left, stripe), banner.color());
    scene.write(font, text.as_str(), place.top_left + Point::new(2 * pad as i32, pad as i32), banner.color());
}

/// A dim line below the middle that names the missing source.
pub fn caption(scene: &mut Scene<'_>, text: &str) {
    let text = InlineString::format(format_args!("{text}"));
    let size = scene.font.size(text.as_str());
    let picture = scene.size();
    let x = (picture.width as i32 - size.width as i32) / 2;
    let y = picture.height as i32 / 2 + 2 * scene.font.height() as i32;
    if let Some(place) = scene.labels.place(size, [Point::new(x, y)]) {
        scene.write(scene.font, text.as_str(), place.top_left, WHITE.fade(0.6));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short_and_never_rounded_up() {
        let said = |ms| Age(Duration::from_millis(ms)).to_string();
        assert_eq!([0, 999, 9_999, 10_000].map(said), ["0.0 s", "0.9 s", "9.9 s", "10 s"]);
        assert_eq!([119_999, 120_000, 7_199_000, 90_000_000].map(said), ["119 s", "2 min", "119 min", "25 h"]);
    }
}
