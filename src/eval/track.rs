//! Evaluation of trackers: one pass over a sequence from a box given in its first frame.

pub mod curves;
pub mod measure;
pub mod presence;
pub mod rules;
