//! The pictures of one moment and how they lie on each other.

use serde::{Deserialize, Serialize};

use super::place::Place;
use crate::frame::{Frame, Visible};
use crate::preprocess::target::Square;
use crate::units::Nanos;

/// The pictures of one moment; either may be missing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pair<'a> {
    /// The thermal frame.
    pub thermal: Option<&'a Frame>,
    /// The visible frame.
    pub visible: Option<&'a Visible>,
}

impl<'a> Pair<'a> {
    /// A thermal frame and the visible one that belongs to it, or a visible one alone.
    pub fn of(frame: &'a Frame) -> Self {
        let visible = frame.visible.as_ref();
        Self { thermal: Some(frame).filter(|_| !visible.is_some_and(|v| v.alone)), visible }
    }

    /// Capture time: that of the thermal frame, if there is one. `None` if there is no picture.
    pub fn captured(&self) -> Option<Nanos> {
        self.thermal.map(|t| t.meta.captured).or(self.visible.map(|v| v.captured))
    }
}

/// Where a thermal pixel lies in the visible picture: `visible = scale * thermal + offset`, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "stream", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Visible pixels per thermal pixel, across and down.
    pub scale: [f32; 2],
    /// Position of the thermal frame's left top corner in the visible picture, pixels.
    pub offset: [f32; 2],
}

impl Registration {
    /// For two cameras with the same field of view: the frames cover each other. Sizes are width and height.
    pub fn same_view(thermal: (usize, usize), visible: (usize, usize)) -> Self {
        let scale = |thermal: usize, visible: usize| visible as f32 / thermal.max(1) as f32;
        Self { scale: [scale(thermal.0, visible.0), scale(thermal.1, visible.1)], offset: [0.0; 2] }
    }

    /// Whether all numbers are finite and the scales above zero.
    pub fn is_valid(&self) -> bool {
        let scales = self.scale.iter().all(|s| (1e-3..=1e3).contains(s));
        scales && self.offset.iter().all(|o| o.abs() <= 1e5)
    }

    /// Mean scale.
    fn factor(&self) -> f32 {
        (self.scale[0] * self.scale[1]).sqrt()
    }

    /// A place in thermal pixels to one in visible pixels.
    pub(super) fn to_visible(self, place: Place) -> Place {
        place.mapped(self.scale, self.offset)
    }

    /// Scale and offset from visible to thermal pixels.
    pub(super) fn inverse(self) -> Self {
        let scale = self.scale.map(f32::recip);
        Self { scale, offset: std::array::from_fn(|i| -self.offset[i] * scale[i]) }
    }
}

/// The usable pictures of one moment, and the pixels in which targets are held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    /// The thermal frame, if it shows the scene.
    pub thermal: Option<&'a Frame>,
    /// The visible frame, if it has pixels.
    pub visible: Option<&'a Visible>,
    /// From the pixels in which targets are held to those of the visible picture; `None` if they are the same.
    pub registration: Option<Registration>,
    /// Width and height of the picture in whose pixels targets are held.
    pub size: [f32; 2],
}

impl Scene<'_> {
    /// A square of the visible picture, from one in the pixels of targets.
    pub fn in_visible(&self, square: Square) -> Square {
        match self.registration {
            Some(r) => Square {
                centre: std::array::from_fn(|i| r.scale[i] * square.centre[i] + r.offset[i]),
                side: square.side * r.factor(),
            },
            None => square,
        }
    }
}

/// The thermal frame of a pair, if it has pixels and its shutter is open.
pub(super) fn open(thermal: Option<&Frame>) -> Option<&Frame> {
    thermal.filter(|t| !t.meta.ffc.hides_scene() && t.width() > 0 && t.height() > 0)
}

/// The visible frame of a pair, if it has pixels.
pub(super) fn lit(visible: Option<&Visible>) -> Option<&Visible> {
    visible.filter(|v| v.width > 0 && v.height > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_goes_there_and_back() {
        let registration = Registration { scale: [4.0, 3.75], offset: [12.0, -8.0] };
        let place = Place { centre: [80.0, 60.0], size: [20.0, 30.0] };
        let there = registration.to_visible(place);
        assert_eq!((there.centre, there.size), ([332.0, 217.0], [80.0, 112.5]));
        let back = registration.inverse().to_visible(there);
        assert!((back.centre[0] - 80.0).abs() < 1e-3 && (back.size[1] - 30.0).abs() < 1e-3);
        assert!(registration.is_valid());
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(!Registration { scale: [bad, 1.0], ..registration }.is_valid());
        }
        assert_eq!(Registration::same_view((160, 120), (640, 512)).scale, [4.0, 512.0 / 120.0]);
    }
}
