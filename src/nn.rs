//! Networks. Only this folder refers to tract.
//!
//! A model is an ONNX file and a [`card`]: its purpose, how its input is made and how its outputs are read.
//! [`load`] turns both into a [`Network`] and checks it with the card's golden input. Networks run on our own kernels
//! ([`region`]); tract parses the file and runs the operators for which we have no kernel.

pub mod card;
mod embedded;
mod golden;
pub mod load;
mod network;
pub mod region;
pub mod stages;
pub mod timed;
mod tract;

pub use card::{Card, Precision, Task, Use};
pub use load::Model;
pub use network::{Build, Network};
pub use stages::Stages;
pub use timed::Stopwatch;
