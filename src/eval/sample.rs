//! An annotated picture.

use super::temperatures::Heat;
use crate::frame::Frame;
use crate::geometry::Rect;
use crate::landmarks::{COUNT, FIVE, five};

/// The annotation of one face.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Around the face, pixels.
    pub bbox: Rect,
    /// Pixels; NaN for a point that is not annotated; `None` if only the box or five points are known.
    pub points: Option<[[f32; 2]; COUNT]>,
    /// The points of [`five`], pixels; NaN for a point that is not annotated. Also set if no other points are known.
    pub five: Option<[[f32; 2]; FIVE]>,
    /// 0 visible, 1 self-occluded, 2 occluded by an object.
    pub visibility: [u8; COUNT],
    /// Temperatures; `None` if none is known.
    pub heat: Option<Heat>,
}

impl Truth {
    /// A face with only a box.
    pub(super) fn boxed(bbox: Rect) -> Self {
        Self { bbox, points: None, five: None, visibility: [0; COUNT], heat: None }
    }

    /// The same face with these points, pixels: five, or the first of all [`COUNT`].
    pub(super) fn with(self, points: &[[f32; 2]]) -> Self {
        if let Ok(points) = points.try_into() {
            return Self { five: Some(points), ..self };
        }
        let mut all = [[f32::NAN; 2]; COUNT];
        all[..points.len()].copy_from_slice(points);
        Self { points: Some(all), five: Some(five(&all)), ..self }
    }
}

/// One picture with its faces.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name for messages: the file, or the data set and the picture's number in it.
    pub name: String,
    /// The picture.
    pub frame: Frame,
    /// Its faces; empty for a picture where no face must be found.
    pub faces: Vec<Truth>,
}
