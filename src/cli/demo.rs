//! `heatmark demo`.

use clap::Args;

use super::play::{self, Options};
use super::{Base, Done};
use crate::fleet::Fleet;
use crate::pipeline::{Input, Policy};

/// Arguments of `heatmark demo`.
#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    options: Options,
}

/// Plays the built-in clip in a loop, like a camera. Opens no camera.
pub(super) fn run(base: &Base, demo: &Demo) -> Done {
    let settled = demo.options.settle(base, vec![("demo", "source.repeat", true.into())])?;
    let config = &settled.values;
    let input = Input::recording("demo", &config.source, Policy::Live)?;
    play::run(base, config, demo.options.seconds, |more| Fleet::one(config, input, more))
}
