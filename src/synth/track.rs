//! Pairs of thermal and visible sequences with one true target, for training trackers.
//!
//! A [`script`] says all that happens before a pixel is drawn: what the target is ([`kind`]), how it and others move
//! ([`path`], [`crowd`]), when it is hidden or away ([`absence`]), and what two [`cameras`] do. Its statistics are those
//! measured on real pairs ([`table`]); only absences are more frequent, because real sets have next to none. A [`film`]
//! draws it as painted [`figure`]s in front of a [`stage`], [`develop`] adds the cameras' faults, and [`folder`] writes
//! both pictures and both boxes.

pub mod absence;
pub mod actor;
pub mod album;
mod animals;
mod backdrop;
mod buildings;
pub mod cameras;
pub mod crowd;
mod demo;
pub mod develop;
pub mod figure;
pub mod film;
mod flyers;
pub mod folder;
pub mod kind;
mod landscape;
pub mod layer;
pub mod maker;
mod occluders;
pub mod pair;
pub mod path;
mod people;
pub mod place;
mod rooms;
pub mod scenery;
pub mod script;
pub mod sheet;
pub mod shot;
pub mod stage;
pub mod table;
#[cfg(test)]
mod tests;
mod things;
pub mod tile;
mod vehicles;
pub mod weather;
