//! Renderer of synthetic thermal scenes with exact truth.
//!
//! One seed gives people with a morphable head ([`head`]), skin temperatures based on physiology
//! ([`skin`]), hair and clothing ([`wear`], [`body`]), in a climate ([`climate`]) in front of a background
//! ([`backdrop`]), as seen by an imperfect microbolometer ([`sensor`]). The truth is the 70 points, their
//! visibility, poses and true temperatures. The same seed gives the same bytes on every machine and with
//! any number of threads. The air between face and camera is not modelled: under 5 m it changes readings
//! by less than the sensor's noise.

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
pub mod track;
pub mod truth;
pub mod vector;
pub mod wear;
