//! Cameras as data: one row each. `README.md` beside `src/source.rs`'s folder says how to add one.
//!
//! A camera is supported when it has a row in [`CAMERAS`], a line in `udev/60-heatmark.rules` and a recording with its
//! expected text in `tests/data/cameras/`; tests compare the three. Rows state only what public sources state, and cite
//! them. Nothing is guessed: counts of unknown meaning stay counts, and no temperature is given for them.

pub mod boson;
pub mod decode;
pub mod lepton;
pub mod pixel_format;

use std::fmt;
use std::str::FromStr;

pub use self::pixel_format::PixelFormat;
use crate::frame::Signal;

/// Vendor and product of a USB device, as in `1e4e:0100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UsbId {
    /// Vendor (`idVendor`).
    pub vendor: u16,
    /// Product (`idProduct`).
    pub product: u16,
}

impl fmt::Display for UsbId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.product)
    }
}

impl FromStr for UsbId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (vendor, product) = text.split_once(':').ok_or(())?;
        let hex = |s: &str| u16::from_str_radix(s, 16).map_err(drop);
        Ok(Self { vendor: hex(vendor)?, product: hex(product)? })
    }
}

/// Where the picture is in a transfer of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The transfer is the picture.
    Whole,
    /// Lepton telemetry in the last rows: two of 160 words, or three of 80.
    Lepton,
    /// Boson telemetry in this many rows before or after the picture.
    Boson(u32),
    /// The picture is `rows` rows of 16-bit counts from row `first` on; the rest is a rendering of it.
    Rows {
        /// First row of counts.
        first: u32,
        /// Rows of counts.
        rows: u32,
    },
    /// The first `rows` rows hold two rows of 16-bit counts each; the rest is a rendering of them.
    Paired {
        /// Rows of the transfer, half as many as the picture has.
        rows: u32,
    },
}

/// How the meaning of a count is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Meaning {
    /// The camera reports it, in its telemetry or on request; until then it is unknown.
    Reported,
    /// The camera has no other setting that could be active unnoticed.
    Always(Signal),
    /// Valid only while the camera is in high gain, its state after power-on. The frames do not say so.
    HighGain(Signal),
}

/// One transfer format of a camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mode {
    /// The pixel format of the transfer.
    pub pixel_format: PixelFormat,
    /// Columns and rows of the transfer; `None` takes any size.
    pub size: Option<(u32, u32)>,
    /// Where the picture is in it.
    pub layout: Layout,
    /// What its counts mean.
    pub meaning: Meaning,
}

impl Mode {
    /// Columns and rows of the picture in a transfer of this size.
    pub fn picture(&self, (width, height): (u32, u32)) -> (u32, u32) {
        match self.layout {
            Layout::Whole => (width, height),
            Layout::Lepton => (width, height.saturating_sub(lepton::rows(width))),
            Layout::Boson(rows) => (width, height.saturating_sub(rows)),
            Layout::Rows { rows, .. } => (width, rows),
            Layout::Paired { rows } => (width / 2, rows * 2),
        }
    }
}

/// How a camera is controlled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// No public command over USB video.
    None,
    /// Through the UVC extension units of the PureThermal firmware.
    PureThermal,
}

/// One camera, or a family of cameras with the same interface.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Name in specs, symlinks and results.
    pub name: &'static str,
    /// Full name.
    pub about: &'static str,
    /// Its USB ids; if empty, it is recognised by shape, that is, by the formats it offers.
    pub usb: &'static [UsbId],
    /// Transfer formats, the best first.
    pub modes: &'static [Mode],
    /// How it is controlled.
    pub control: Control,
    /// True if each unit has its own serial number, which can then name it.
    pub serials: bool,
    /// True if `auto` may choose it.
    pub auto: bool,
    /// Where these facts are published.
    pub references: &'static str,
    /// What a user should know; may be empty.
    pub note: &'static str,
}

const fn usb(vendor: u16, product: u16) -> UsbId {
    UsbId { vendor, product }
}

const fn mode(pixel_format: PixelFormat, size: (u32, u32), layout: Layout, meaning: Meaning) -> Mode {
    Mode { pixel_format, size: Some(size), layout, meaning }
}

const fn any(pixel_format: PixelFormat, signal: Signal) -> Mode {
    Mode { pixel_format, size: None, layout: Layout::Whole, meaning: Meaning::Always(signal) }
}

const fn kelvin(per_count: f32) -> Signal {
    Signal::Radiometric { kelvin_per_count: per_count, kelvin_at_zero: 0.0 }
}

const COUNTS: Meaning = Meaning::Always(Signal::Counts);

/// Every camera. Rows with USB ids come before rows that are recognised by shape, the closer shape first.
pub const CAMERAS: [Profile; 8] = [
    Profile {
        name: "purethermal",
        about: "GroupGets PureThermal 1, 2, 3, Mini with FLIR Lepton 2.x or 3.x",
        usb: &[usb(0x1e4e, 0x0100)],
        modes: &[
            mode(PixelFormat::Y16, (160, 122), Layout::Lepton, Meaning::Reported),
            mode(PixelFormat::Y16, (80, 63), Layout::Lepton, Meaning::Reported),
            mode(PixelFormat::Y16, (160, 120), Layout::Whole, Meaning::Reported),
            mode(PixelFormat::Y16, (80, 60), Layout::Whole, Meaning::Reported),
        ],
        control: Control::PureThermal,
        serials: true,
        auto: true,
        references: "FLIR Lepton Engineering Datasheet 500-0659-00-09 (telemetry A, B, C); FLIR Lepton Software IDD \
                110-0144-04 (TLinear, gain); groupgets/purethermal1-firmware (formats, extension units)",
        note: "degC only from radiometric Leptons (2.5, 3.1R, 3.5) with TLinear on, as telemetry says",
    },
    Profile {
        name: "boson",
        about: "FLIR Boson and Boson+ 320 and 640",
        usb: &[usb(0x09cb, 0x4007)],
        modes: &[
            mode(PixelFormat::Y16, (640, 514), Layout::Boson(2), COUNTS),
            mode(PixelFormat::Y16, (640, 513), Layout::Boson(1), COUNTS),
            mode(PixelFormat::Y16, (640, 512), Layout::Whole, COUNTS),
            mode(PixelFormat::Y16, (320, 258), Layout::Boson(2), COUNTS),
            mode(PixelFormat::Y16, (320, 257), Layout::Boson(1), COUNTS),
            mode(PixelFormat::Y16, (320, 256), Layout::Whole, COUNTS),
        ],
        control: Control::None,
        serials: true,
        auto: true,
        references: "FLIR/BosonUSB (Y16 formats); the telemetry reader of Elphel's imagej-elphel (offsets of frame \
                counter and FPA temperature)",
        note: "TLinear of radiometric models is set and read over the serial port, so counts stay counts unless \
               `source.signal` states their unit; FFC state is not decoded, its bits are not public",
    },
    Profile {
        name: "infiray",
        about: "InfiRay P2 Pro, Topdon TC001 and twins with the same 256x192 module",
        usb: &[usb(0x0bda, 0x5830), usb(0x0bda, 0x5840)],
        modes: &[mode(
            PixelFormat::Yuyv,
            (256, 384),
            Layout::Rows { first: 192, rows: 192 },
            Meaning::HighGain(kelvin(1.0 / 64.0)),
        )],
        control: Control::None,
        serials: false,
        auto: true,
        references: "LeoDJ/P2Pro-Viewer (0bda:5830, lower half, 1/64 K; issue 22: wrong in low gain); \
                leswright1977/PyThermalCamera (the same for the TC001)",
        note: "degC in high gain only; where the camera was switched to low gain, set `source.camera.low_gain`",
    },
    Profile {
        name: "tc002c",
        about: "Topdon TC002C Duo",
        usb: &[usb(0x2bdf, 0x0102)],
        modes: &[mode(
            PixelFormat::Yuyv,
            (512, 484),
            Layout::Paired { rows: 96 },
            Meaning::HighGain(kelvin(1.0 / 16.0)),
        )],
        control: Control::None,
        serials: false,
        auto: true,
        references: "leswright1977/PyThermalCamera pull request 29 (512x484: counts in rows 0 to 95, 1/16 K)",
        note: "one public report; its other formats are described in contradictory ways and are not used",
    },
    Profile {
        name: "split",
        about: "a camera that stacks a rendering over 16-bit counts, 256x384",
        usb: &[],
        modes: &[mode(PixelFormat::Yuyv, (256, 384), Layout::Rows { first: 192, rows: 192 }, COUNTS)],
        control: Control::None,
        serials: true,
        auto: true,
        references: "the shape of the row `infiray`",
        note: "recognised by shape: the unit of its counts is unknown unless `source.signal` states it",
    },
    Profile {
        name: "seek",
        about: "Seek Thermal Compact or CompactPRO through a loopback device",
        usb: &[],
        modes: &[
            mode(PixelFormat::Y16, (206, 156), Layout::Whole, COUNTS),
            mode(PixelFormat::Y16, (320, 240), Layout::Whole, COUNTS),
            mode(PixelFormat::Grey, (206, 156), Layout::Whole, Meaning::Always(Signal::Grey8)),
            mode(PixelFormat::Grey, (320, 240), Layout::Whole, Meaning::Always(Signal::Grey8)),
        ],
        control: Control::None,
        serials: true,
        auto: true,
        references: "OpenThermal/libseek-thermal (289d:0010 and 289d:0011 are not UVC; sizes; no absolute temperatures)",
        note: "recognised by shape: counts without a known relation to temperature",
    },
    Profile {
        name: "y16",
        about: "a camera of 16-bit counts",
        usb: &[],
        modes: &[
            any(PixelFormat::Y16, Signal::Counts),
            any(PixelFormat::Y16Be, Signal::Counts),
            any(PixelFormat::Y14, Signal::Counts),
            any(PixelFormat::Y12, Signal::Counts),
            any(PixelFormat::Y10, Signal::Counts),
        ],
        control: Control::None,
        serials: true,
        auto: true,
        references: "the kernel's documentation of V4L2 luma-only formats",
        note: "recognised by shape: the unit of its counts is unknown unless `source.signal` states it",
    },
    Profile {
        name: "picture",
        about: "a camera of pictures: grey, YUYV, MJPEG",
        usb: &[],
        modes: &[
            any(PixelFormat::Grey, Signal::Grey8),
            any(PixelFormat::Yuyv, Signal::Grey8),
            any(PixelFormat::Mjpg, Signal::Grey8),
        ],
        control: Control::None,
        serials: true,
        auto: false,
        references: "the kernel's documentation of V4L2 formats",
        note: "recognised by shape: pictures carry no temperature; taken only when named",
    },
];

/// How a camera was identified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifiedBy {
    /// By its USB id.
    UsbId,
    /// By the formats it offers.
    Shape,
}

impl fmt::Display for IdentifiedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IdentifiedBy::UsbId => "recognised by USB id",
            IdentifiedBy::Shape => "recognised by shape",
        })
    }
}

/// The row of this name.
pub fn by_name(name: &str) -> Option<&'static Profile> {
    CAMERAS.iter().find(|p| p.name == name)
}

/// The row of this USB id.
pub fn by_usb(id: UsbId) -> Option<&'static Profile> {
    CAMERAS.iter().find(|p| p.usb.contains(&id))
}

/// Sizes in which a device offers a pixel format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// This size.
    One(u32, u32),
    /// Any size from the first to the second pair, in the steps of the driver.
    Range((u32, u32), (u32, u32)),
}

/// A format that a device offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Pixel format.
    pub pixel_format: PixelFormat,
    /// Sizes.
    pub sizes: Sizes,
}

impl Offer {
    fn has(&self, (width, height): (u32, u32)) -> bool {
        match self.sizes {
            Sizes::One(w, h) => (w, h) == (width, height),
            Sizes::Range((w0, h0), (w1, h1)) => (w0..=w1).contains(&width) && (h0..=h1).contains(&height),
        }
    }

    /// The largest offered size within the limits.
    fn largest(&self) -> Option<(u32, u32)> {
        match self.sizes {
            Sizes::One(w, h) => Some((w, h)).filter(|size| is_usable(*size)),
            // A device that offers any size has no native one; most thermal cameras have this size.
            Sizes::Range(..) => Some(ANY_SIZE).filter(|size| self.has(*size)),
        }
    }
}

/// Chosen if a device offers any size and the user states none.
const ANY_SIZE: (u32, u32) = (160, 120);

/// Smallest and largest transfer, columns and rows.
const USABLE: ((u32, u32), (u32, u32)) = ((32, 24), (1280, 1024));

fn is_usable((w, h): (u32, u32)) -> bool {
    let ((w0, h0), (w1, h1)) = USABLE;
    (w0..=w1).contains(&w) && (h0..=h1).contains(&h)
}

/// The camera that a device is, and the format to request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// The camera.
    pub profile: &'static Profile,
    /// How it was identified.
    pub identified_by: IdentifiedBy,
    /// The transfer format.
    pub mode: &'static Mode,
    /// Size of the transfer, columns and rows.
    pub size: (u32, u32),
}

/// Chooses the camera and the format for a device: by USB id first, by shape otherwise. With `size`,
/// only transfers or pictures of that size count. `None` if no row fits.
pub fn choose(id: Option<UsbId>, offers: &[Offer], size: Option<(u32, u32)>) -> Option<Choice> {
    let known = id.and_then(by_usb);
    let by_usb = known.into_iter().map(|p| (p, IdentifiedBy::UsbId));
    let by_shape = CAMERAS.iter().filter(|p| p.usb.is_empty()).map(|p| (p, IdentifiedBy::Shape));
    by_usb.chain(by_shape).find_map(|(profile, identified_by)| {
        let (mode, size) = profile.modes.iter().find_map(|mode| fit(mode, offers, size).map(|size| (mode, size)))?;
        Some(Choice { profile, identified_by, mode, size })
    })
}

/// The size at which `mode` is offered, if it is.
fn fit(mode: &Mode, offers: &[Offer], wanted: Option<(u32, u32)>) -> Option<(u32, u32)> {
    let mut offers = offers.iter().filter(|offer| offer.pixel_format == mode.pixel_format);
    let is_wanted = |size| wanted.is_none_or(|wanted| wanted == size || wanted == mode.picture(size));
    match (mode.size, wanted) {
        (Some(size), _) => {
            let one = |o: &Offer| o.has(size) && (wanted.is_some() || matches!(o.sizes, Sizes::One(..)));
            (is_wanted(size) && offers.any(one)).then_some(size)
        }
        (None, Some(size)) => (is_usable(size) && offers.any(|offer| offer.has(size))).then_some(size),
        (None, None) => offers.filter_map(Offer::largest).max_by_key(|(w, h)| w * h),
    }
}

#[cfg(test)]
mod tests;
