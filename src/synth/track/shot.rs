//! When the frames of a sequence were taken.

/// When a frame of a pair was taken, ticks.
#[derive(Debug, Clone, Copy)]
pub struct Shot {
    /// The moment of the pair.
    pub now: f32,
    /// When the visible frame was taken.
    pub visible: f32,
    /// Whether an FFC froze the thermal picture.
    pub ffc: bool,
    /// Why the target is not seen.
    pub absent: Option<Absence>,
}

/// Why a target is absent from a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// Beyond the picture's edge.
    Left,
    /// Behind something.
    Hidden,
    /// Not in the scene.
    Gone,
}
