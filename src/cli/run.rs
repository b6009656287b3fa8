//! `heatmark run`.

use std::io::IsTerminal;

use clap::Args;

use super::play::{self, Options};
use super::{Base, Done};
use crate::fleet::Fleet;

/// Arguments of `heatmark run`.
#[derive(Debug, Args)]
pub struct Run {
    /// A camera: auto, /dev/videoN, v4l2:serial=SERIAL, v4l2:usb=PORT, v4l2:profile=NAME; may be
    /// repeated for several cameras. A file or `script:STEPS` works too.
    #[arg(long, value_name = "SPEC")]
    source: Vec<String>,
    #[command(flatten)]
    options: Options,
}

/// Runs cameras until stopped. A camera that fails or is unplugged is reopened, without a limit on attempts.
pub(super) fn run(base: &Base, run: &Run) -> Done {
    let settled = run.options.settle(base, Vec::new())?;
    let config = &settled.values;
    let specs = if run.source.is_empty() { vec![config.source.from.clone()] } else { run.source.clone() };
    // Under a service manager a line per second is noise; results and the page carry the same information.
    let quiet = base.quiet || !(std::io::stdout().is_terminal() || std::io::stderr().is_terminal());
    let base = Base { quiet, ..base.clone() };
    play::run(&base, config, run.options.seconds, |more| Fleet::of(config, &specs, more))
}
