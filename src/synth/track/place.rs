//! Kinds of place.

use super::kind::Habitat;
use crate::synth::random::Random;

/// Where a sequence plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The sky, with or without a skyline at its foot.
    Sky,
    /// Fields up to a line of trees or hills.
    Field,
    /// A road with houses.
    Street,
    /// Between trees.
    Wood,
    /// A shore.
    Water,
    /// The ground from above.
    Above,
    /// A room.
    Room,
    /// A wall with windows and doors.
    Facade,
    /// Shapes without order.
    Clutter,
}

impl Place {
    /// A place where a target of this habitat is met; sometimes any.
    pub fn draw(habitat: Habitat, r: &mut Random) -> Self {
        use Place::{Above, Clutter, Facade, Field, Room, Sky, Street, Water, Wood};
        let usual: &[Place] = match habitat {
            Habitat::Sky => &[Sky, Sky, Sky, Sky, Field, Water, Wood],
            Habitat::Road => &[Street, Street, Street, Above, Field, Facade],
            Habitat::Room => &[Room, Room, Room, Facade, Clutter],
            Habitat::Land => &[Field, Field, Wood, Wood, Above, Water, Street],
            Habitat::Anywhere => &[Street, Street, Room, Room, Field, Wood, Facade, Water, Above, Clutter],
        };
        if r.chance(0.12) {
            return *r.pick(&[Sky, Field, Street, Wood, Water, Above, Room, Facade, Clutter]);
        }
        *r.pick(usual)
    }

    /// Whether it is out of doors.
    pub fn outdoor(self) -> bool {
        !matches!(self, Place::Room | Place::Clutter)
    }
}
