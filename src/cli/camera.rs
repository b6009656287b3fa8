//! `heatmark camera`.

use clap::{Args, Subcommand};

use super::{Base, Done, Failure, print};
use crate::error::Error;
use crate::source::cameras::Profile;
use crate::source::v4l::bus::Device;
use crate::source::v4l::control::{self, Gain, Shutter};
use crate::source::v4l::linux::Machine;
use crate::source::v4l::probe;
use crate::source::v4l::selector::Selector;

/// Arguments of `heatmark camera`.
#[derive(Debug, Args)]
pub struct Camera {
    /// The camera, as for `heatmark run`.
    #[arg(long, value_name = "SPEC", global = true)]
    source: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Close the shutter and run a flat-field correction (FFC) now.
    Ffc,
    /// Let the camera start corrections automatically.
    Auto,
    /// Start corrections only on command.
    Manual,
    /// Choose the temperature range.
    Gain {
        /// `high` (fine, narrow), `low` (coarse, wide) or `auto`.
        range: Gain,
    },
    /// Switch counts as temperatures (0.01 K per count) on or off.
    Tlinear {
        /// `on` or `off`.
        #[arg(value_parser = switch, action = clap::ArgAction::Set)]
        on: bool,
    },
    /// Switch the camera's own contrast and palette on or off; off for measuring.
    Agc {
        /// `on` or `off`.
        #[arg(value_parser = switch, action = clap::ArgAction::Set)]
        on: bool,
    },
    /// Watch a colour camera for a while: its frame rate and last picture.
    #[cfg(feature = "nokhwa")]
    Colour(super::colour::Colour),
    /// Show the camera's settings.
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("wanted on or off".into()),
    }
}

/// Sends a command to a camera, even while it streams to another program.
pub(super) fn run(base: &Base, camera: &Camera) -> Done {
    let command = match &camera.command {
        Command::Ffc => control::Command::Ffc,
        Command::Auto => control::Command::Shutter(Shutter::Auto),
        Command::Manual => control::Command::Shutter(Shutter::Manual),
        Command::Gain { range } => control::Command::Gain(*range),
        Command::Tlinear { on } => control::Command::TLinear(*on),
        Command::Agc { on } => control::Command::Agc(*on),
        Command::Show { json } => {
            let (profile, mut device) = chosen(base, camera)?;
            return show(profile, device.as_mut(), *json);
        }
        #[cfg(feature = "nokhwa")]
        Command::Colour(colour) => return super::colour::run(camera.source.as_deref(), colour),
    };
    let (profile, mut device) = chosen(base, camera)?;
    control::command(profile, device.as_mut(), command)?;
    print::out(&format!("{}: done\n", profile.about))
}

/// The camera that `--source` or the configuration names.
fn chosen(base: &Base, camera: &Camera) -> Result<(&'static Profile, Box<dyn Device>), Failure> {
    let settled = base.settle(Vec::new())?;
    let spec = camera.source.as_ref().unwrap_or(&settled.values.source.from);
    open(&Selector::parse(spec)?)
}

fn open(selector: &Selector) -> Result<(&'static Profile, Box<dyn Device>), Failure> {
    let mut machine = Machine::new("/");
    let node = probe::find(&mut machine, selector)?;
    let mut device = probe::open(&mut machine, &node)?;
    let subject = node.path.display();
    let choice = probe::identify(&node, device.as_mut(), None)?.choice;
    let choice = choice.ok_or_else(|| Error::fix(&subject, "is no camera that is known"))?;
    let (found, about) = (choice.profile.name, choice.profile.about);
    match selector {
        Selector::Profile(wanted) if *wanted != found => {
            Err(Error::fix(subject, format_args!("is {found} ({about}), wanted {wanted}")).into())
        }
        _ => Ok((choice.profile, device)),
    }
}

fn show(profile: &'static Profile, device: &mut dyn Device, json: bool) -> Done {
    let state = control::state(profile, device);
    if json {
        let text = serde_json::to_string_pretty(&state).map_err(|e| Error::fatal("state", "is no JSON").because(e))?;
        return print::out(&(text + "\n"));
    }
    let known = |value: Option<String>| value.unwrap_or_else(|| "unknown".into());
    let switch = |value: Option<bool>| known(value.map(|on| if on { "on" } else { "off" }.into()));
    let tlinear = match state.millikelvin {
        Some(mk) => format!("on, {} K per count", f64::from(mk) / 1000.0),
        None => switch(state.tlinear),
    };
    print::out(&print::columns(&[
        ["camera".into(), profile.about.into()],
        ["corrections".into(), known(state.shutter.map(|s| s.to_string()))],
        ["gain".into(), known(state.gain.map(|g| g.to_string()))],
        ["tlinear".into(), tlinear],
        ["agc".into(), switch(state.agc)],
    ]))
}
