//! Commands to cameras through UVC extension units.
//!
//! PureThermal gives each module of the Lepton's command interface a unit: AGC 3, OEM 4, RAD 5, SYS 6,
//! VID 7, and the rest of RAD 21, which has too many commands for one unit. The selector is the
//! command's offset in its module divided by four, plus one (groupgets/purethermal1-firmware,
//! `usbd_uvc_lepton_xu.c`); values are those of the FLIR Lepton Software IDD, little-endian.

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::Serialize;

use super::bus::{Device, Query};
use super::failure::{Operation, failure};
use crate::error::{Error, Result};
use crate::frame::Signal;
use crate::source::cameras::{Control, Profile};

/// A value of an extension unit: unit, selector, length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Register {
    unit: u8,
    selector: u8,
    bytes: usize,
}

const fn register(unit: u8, selector: u8, bytes: usize) -> Register {
    Register { unit, selector, bytes }
}

/// SYS 0x42 (run): a flat-field correction.
const FFC: Register = register(6, 17, 1);
/// SYS 0x3c: the shutter mode object; its first word is the mode.
const SHUTTER: Register = register(6, 16, 32);
/// SYS 0x48.
const GAIN: Register = register(6, 19, 4);
/// AGC 0x00.
const AGC: Register = register(3, 1, 4);
/// RAD 0xc0; unit 21 begins at 0x7c.
const TLINEAR: Register = register(21, 18, 4);
/// RAD 0xc4: 0 is 0.1 K, 1 is 0.01 K per count.
const RESOLUTION: Register = register(21, 19, 4);

/// Who starts flat-field corrections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shutter {
    /// Commands only.
    Manual,
    /// The camera, by time and temperature.
    Auto,
    /// A shutter that the camera does not know.
    External,
}

/// Range of temperatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gain {
    /// Fine and narrow.
    High,
    /// Coarse and wide.
    Low,
    /// The camera chooses by what it sees.
    Auto,
}

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Closes the shutter and corrects now.
    Ffc,
    /// Who starts corrections from now on.
    Shutter(Shutter),
    /// Range from now on.
    Gain(Gain),
    /// Counts are temperatures (0.01 K), or not.
    TLinear(bool),
    /// Contrast (and with it the palette) inside the camera, or raw counts.
    Agc(bool),
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Gain::High => "high",
            Gain::Low => "low",
            Gain::Auto => "auto",
        })
    }
}

impl FromStr for Gain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Gain::High, Gain::Low, Gain::Auto];
        all.into_iter().find(|gain| gain.to_string() == text).ok_or_else(|| "wanted high, low or auto".into())
    }
}

impl fmt::Display for Shutter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shutter::Manual => "manual",
            Shutter::Auto => "auto",
            Shutter::External => "external",
        })
    }
}

/// The settings that a camera reports; `None` if it does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct State {
    /// Who starts corrections.
    pub shutter: Option<Shutter>,
    /// Range.
    pub gain: Option<Gain>,
    /// Counts are temperatures.
    pub tlinear: Option<bool>,
    /// Thousandths of a kelvin per count, if counts are temperatures.
    pub millikelvin: Option<u32>,
    /// Contrast inside the camera.
    pub agc: Option<bool>,
}

/// Sends a command to a camera.
///
/// # Errors
/// `Fix` if the camera does not have the command, `Retry` if it does not take it.
pub fn command(profile: &Profile, device: &mut dyn Device, command: Command) -> Result<()> {
    if profile.control == Control::None {
        return Err(Error::fix(profile.about, format_args!("has no public commands over USB video; {}", profile.note)));
    }
    let done = match command {
        Command::Ffc => write(device, FFC, &[1]),
        Command::Gain(gain) => write(device, GAIN, &word(gain as u32)),
        Command::Agc(on) => write(device, AGC, &word(on.into())),
        Command::TLinear(on) => {
            // Set the finer resolution first, so that no frame has the coarser one.
            let fine = if on { write(device, RESOLUTION, &word(1)) } else { Ok(()) };
            fine.and_then(|()| write(device, TLINEAR, &word(on.into())))
        }
        Command::Shutter(mode) => {
            let mut object = [0; 32];
            read(device, SHUTTER, &mut object).and_then(|()| {
                object[..4].copy_from_slice(&word(mode as u32));
                write(device, SHUTTER, &object)
            })
        }
    };
    done.map_err(|e| failure(profile.about.into(), Operation::Control, e))
}

/// Reads the settings of a camera.
pub fn state(profile: &Profile, device: &mut dyn Device) -> State {
    if profile.control == Control::None {
        return State::default();
    }
    let mut ask = |register| number(device, register).ok();
    let switch = |value: Option<u32>| value.map(|v| v != 0);
    let tlinear = switch(ask(TLINEAR));
    let resolution = ask(RESOLUTION).map(|fine| if fine == 1 { 10 } else { 100 });
    State {
        shutter: match ask(Register { bytes: 32, ..SHUTTER }) {
            Some(0) => Some(Shutter::Manual),
            Some(1) => Some(Shutter::Auto),
            Some(2) => Some(Shutter::External),
            _ => None,
        },
        gain: match ask(GAIN) {
            Some(0) => Some(Gain::High),
            Some(1) => Some(Gain::Low),
            Some(2) => Some(Gain::Auto),
            _ => None,
        },
        tlinear,
        millikelvin: resolution.filter(|_| tlinear == Some(true)),
        agc: switch(ask(AGC)),
    }
}

/// The meaning of the counts of a camera whose frames do not say it; `None` if it does not answer.
pub fn signal(profile: &Profile, device: &mut dyn Device) -> Option<Signal> {
    let state = state(profile, device);
    match (state.agc, state.tlinear, state.millikelvin) {
        (Some(true), _, _) => Some(Signal::Grey8),
        (_, Some(true), Some(mk)) => {
            Some(Signal::Radiometric { kelvin_per_count: mk as f32 / 1000.0, kelvin_at_zero: 0.0 })
        }
        (_, Some(false), _) => Some(Signal::Counts),
        _ => None,
    }
}

fn word(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

/// The first word of a value.
fn number(device: &mut dyn Device, register: Register) -> io::Result<u32> {
    let mut data = [0; 32];
    let data = &mut data[..register.bytes];
    read(device, register, data)?;
    let (first, _) = data.split_first_chunk::<4>().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(u32::from_le_bytes(*first))
}

fn read(device: &mut dyn Device, register: Register, data: &mut [u8]) -> io::Result<()> {
    check(device, register)?;
    device.extension_unit(register.unit, register.selector, Query::Get, data)
}

fn write(device: &mut dyn Device, register: Register, data: &[u8]) -> io::Result<()> {
    check(device, register)?;
    let mut copy = [0; 32];
    let copy = &mut copy[..data.len()];
    copy.copy_from_slice(data);
    device.extension_unit(register.unit, register.selector, Query::Set, copy)
}

/// Refuses values whose length differs from the camera's, as the driver does, but with a reason.
fn check(device: &mut dyn Device, register: Register) -> io::Result<()> {
    let mut len = [0; 2];
    device.extension_unit(register.unit, register.selector, Query::Len, &mut len)?;
    let (found, wanted) = (usize::from(u16::from_le_bytes(len)), register.bytes);
    if found == wanted {
        return Ok(());
    }
    let Register { unit, selector, .. } = register;
    Err(io::Error::other(format!("unit {unit} selector {selector} has {found} bytes, wanted {wanted}")))
}
