//! Renderer of synthetic thermal scenes with exact truth.
//!
//! From one seed: people of a morphable head ([`head`]) with physically argued skin temperatures
//! ([`skin`]), hair and clothing ([`wear`], [`body`]) in a climate ([`climate`]) before a background
//! ([`backdrop`]), seen by an imperfect microbolometer ([`sensor`]); with the 70 points, their
//! visibility, poses and true temperatures. The same seed gives the same bytes on every machine and
//! number of threads. Air between face and camera is left out: under 5 m it changes readings by less
//! than the sensor's noise.

pub mod backdrop;
pub mod body;
pub mod climate;
pub mod clip;
pub mod convert;
pub mod dataset;
pub mod field;
pub mod fill;
pub mod head;
pub mod npz;
pub mod person;
pub mod random;
pub mod raster;
pub mod readout;
pub mod scene;
pub mod sensor;
pub mod sequence;
mod shade;
pub mod sheet;
pub mod skin;
pub mod studio;
pub mod truth;
pub mod vector;
pub mod wear;
