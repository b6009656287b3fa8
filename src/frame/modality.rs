//! Kinds of light in which a scene is seen.

use serde::Serialize;

/// A kind of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// A thermal frame ([`super::Frame`]).
    Thermal,
    /// A picture in visible light ([`super::Visible`]).
    Visible,
}

impl Modality {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Modality::Thermal => Modality::Visible,
            Modality::Visible => Modality::Thermal,
        }
    }
}

/// Which pictures a measurement uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Modalities {
    /// Thermal and visible.
    Both,
    /// Thermal only.
    Thermal,
    /// Visible only.
    Visible,
}

impl Modalities {
    /// Every choice, in the order of [`Modalities::index`].
    pub const ALL: [Modalities; 3] = [Modalities::Both, Modalities::Thermal, Modalities::Visible];

    /// Those of which there is a picture; `None` if there is none.
    pub fn of(thermal: bool, visible: bool) -> Option<Self> {
        match (thermal, visible) {
            (true, true) => Some(Modalities::Both),
            (true, false) => Some(Modalities::Thermal),
            (false, true) => Some(Modalities::Visible),
            (false, false) => None,
        }
    }

    /// Position in [`Modalities::ALL`].
    pub fn index(self) -> usize {
        match self {
            Modalities::Both => 0,
            Modalities::Thermal => 1,
            Modalities::Visible => 2,
        }
    }

    /// Whether `modality` is used.
    pub fn uses(self, modality: Modality) -> bool {
        match self {
            Modalities::Both => true,
            Modalities::Thermal => modality == Modality::Thermal,
            Modalities::Visible => modality == Modality::Visible,
        }
    }

    /// Name in results.
    pub fn name(self) -> &'static str {
        match self {
            Modalities::Both => "both",
            Modalities::Thermal => "thermal",
            Modalities::Visible => "visible",
        }
    }
}
