//! Recordings of transfers, made from the documented layouts, and what must be read from them.
//!
//! `HEATMARK_BLESS=1 cargo test --release --test cameras` writes them and their texts anew.

use std::io::{Read, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use heatmark::frame::{Frame, FrameFormat, Signal};
use heatmark::radiometry::{self, Thermometer};
use heatmark::source::cameras::decode::{Decoder, Transfer};
use heatmark::source::cameras::lepton::Gain;
use heatmark::source::cameras::{Offer, PixelFormat, Sizes, UsbId, choose};

/// Every recording and the row of the table it is of.
pub const NAMES: [(&str, &str); 12] = [
    ("lepton3", "purethermal"),
    ("lepton2", "purethermal"),
    ("boson640", "boson"),
    ("boson320", "boson"),
    ("p2pro", "infiray"),
    ("tc002c", "tc002c"),
    ("split", "split"),
    ("seek", "seek"),
    ("y16be", "y16"),
    ("grey", "picture"),
    ("yuyv", "picture"),
    ("mjpg", "picture"),
];

/// Transfers of one camera in one format.
#[derive(Debug, PartialEq)]
struct Recording {
    usb: Option<UsbId>,
    pixel_format: PixelFormat,
    size: (u32, u32),
    stride: usize,
    rate_hz: f32,
    frames: Vec<Vec<u8>>,
}

fn path(name: &str, ending: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/cameras/{name}.{ending}"))
}

impl Recording {
    fn to_bytes(&self) -> Vec<u8> {
        let usb = self.usb.map_or("none".into(), |id| id.to_string());
        let (w, h) = self.size;
        let lengths: Vec<_> = self.frames.iter().map(|f| f.len().to_string()).collect();
        let head =
            format!("{usb} {} {w}x{h} {} {} {}\n", self.pixel_format, self.stride, self.rate_hz, lengths.join(","));
        [head.into_bytes(), self.frames.concat()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let line = bytes.iter().position(|b| *b == b'\n').unwrap();
        let head: Vec<&str> = std::str::from_utf8(&bytes[..line]).unwrap().split(' ').collect();
        let (w, h) = head[2].split_once('x').unwrap();
        let mut rest = &bytes[line + 1..];
        let frames = head[5].split(',').map(|length| {
            let (frame, after) = rest.split_at(length.parse().unwrap());
            rest = after;
            frame.to_vec()
        });
        Self {
            usb: head[0].parse().ok(),
            pixel_format: PixelFormat::ALL.iter().find(|(_, _, name)| *name == head[1]).unwrap().0,
            size: (w.parse().unwrap(), h.parse().unwrap()),
            stride: head[3].parse().unwrap(),
            rate_hz: head[4].parse().unwrap(),
            frames: frames.collect(),
        }
    }

    fn read(name: &str) -> Self {
        let mut bytes = Vec::new();
        GzDecoder::new(std::fs::File::open(path(name, "raw.gz")).unwrap()).read_to_end(&mut bytes).unwrap();
        Self::from_bytes(&bytes)
    }

    fn write(&self, name: &str) {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&self.to_bytes()).unwrap();
        std::fs::create_dir_all(path(name, "x").parent().unwrap()).unwrap();
        std::fs::write(path(name, "raw.gz"), gzip.finish().unwrap()).unwrap();
    }
}

/// A warm disc on a cool slope, kelvin: 22 to 24 degC behind, 34 degC in the disc.
fn scene(x: u32, y: u32, w: u32, h: u32, n: u32) -> f64 {
    let (cx, cy) = (w / 2 + n, h / 2);
    let (dx, dy) = (i64::from(x) - i64::from(cx), i64::from(y) - i64::from(cy));
    let radius = i64::from(h / 5);
    if dx * dx + dy * dy <= radius * radius { 307.15 } else { 295.15 + f64::from(y) / f64::from(h) * 2.0 }
}

fn counts(w: u32, h: u32, n: u32, of: impl Fn(f64) -> f64) -> Vec<u16> {
    (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).map(|(x, y)| of(scene(x, y, w, h, n)).round() as u16).collect()
}

/// Rows of words, little-endian, each padded to `stride` with a byte that no scene has.
fn rows(words: &[u16], width: usize, stride: usize) -> Vec<u8> {
    let row = |row: &[u16]| {
        let mut bytes: Vec<u8> = row.iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.resize(stride.max(width * 2), 0xee);
        bytes
    };
    words.chunks(width).flat_map(row).collect()
}

/// Words of Lepton telemetry, as the datasheet numbers them.
struct Lepton {
    counter: u32,
    uptime_ms: u32,
    last_ffc_ms: u32,
    ffc_state: u32,
    agc: bool,
    fpa_ck: u16,
    housing_ck: u16,
    gain: u16,
    tlinear: Option<u16>,
}

impl Lepton {
    const IDLE: Lepton = Lepton {
        counter: 27_000,
        uptime_ms: 1_000_000,
        last_ffc_ms: 900_000,
        ffc_state: 3,
        agc: false,
        fpa_ck: 30_465,
        housing_ck: 0,
        gain: 0,
        tlinear: Some(1),
    };

    fn words(&self, len: usize) -> Vec<u16> {
        let mut w = vec![0u16; len];
        let mut double = |i: usize, v: u32| (w[i], w[i + 1]) = (v as u16, (v >> 16) as u16);
        double(1, self.uptime_ms);
        double(3, self.ffc_state << 4 | u32::from(self.agc) << 12);
        double(20, self.counter);
        double(30, self.last_ffc_ms);
        w[0] = 0x0e;
        (w[24], w[26], w[165]) = (self.fpa_ck, self.housing_ck, self.gain);
        if let Some(resolution) = self.tlinear {
            (w[208], w[209]) = (1, resolution);
        }
        w
    }
}

fn lepton(id: bool, size: (u32, u32), stride: usize, telemetry: Vec<Lepton>) -> Recording {
    let (w, h) = (size.0, if size.0 == 160 { 120 } else { 60 });
    let words = (size.0 * (size.1 - h)) as usize;
    let frame = |(n, t): (usize, &Lepton)| {
        let per_kelvin = match t.tlinear {
            Some(1) => 100.0,
            Some(_) => 10.0,
            None => 25.0,
        };
        let picture = counts(w, h, n as u32, |k| k * per_kelvin);
        rows(&[picture, t.words(words)].concat(), w as usize, stride)
    };
    Recording {
        usb: id.then(|| "1e4e:0100".parse().unwrap()),
        pixel_format: PixelFormat::Y16,
        size,
        stride,
        rate_hz: 9.0,
        frames: telemetry.iter().enumerate().map(frame).collect(),
    }
}

fn lepton3() -> Recording {
    let near = Lepton { last_ffc_ms: 995_000, ..Lepton::IDLE };
    let mut all = lepton(
        true,
        (160, 122),
        320,
        vec![
            Lepton::IDLE,
            Lepton { counter: 27_003, ffc_state: 1, ..Lepton::IDLE },
            Lepton { counter: 27_006, ffc_state: 2, ..Lepton::IDLE },
            Lepton { counter: 27_009, ..near },
            Lepton { counter: 27_012, gain: 1, tlinear: Some(0), ..Lepton::IDLE },
            Lepton { counter: 27_015, tlinear: None, ..Lepton::IDLE },
            Lepton { counter: 27_018, agc: true, ..Lepton::IDLE },
            Lepton { counter: 27_021, ..Lepton::IDLE },
        ],
    );
    // The last one arrived without its end.
    all.frames[7].truncate(20_000);
    all
}

fn boson(size: (u32, u32), telemetry: u32) -> Recording {
    let (w, h) = (size.0, size.1 - telemetry);
    let frame = |n: u32| {
        let mut words = counts(w, h, n, |k| (k - 273.15) * 60.0 + 20_000.0);
        let mut row = vec![0u16; (w * telemetry) as usize];
        if telemetry > 0 {
            (row[42], row[43], row[47]) = (500 + n as u16, 1, 3_046);
        }
        words.extend(row);
        rows(&words, w as usize, w as usize * 2)
    };
    let stride = w as usize * 2;
    let usb = "09cb:4007".parse().ok();
    Recording { usb, pixel_format: PixelFormat::Y16, size, stride, rate_hz: 60.0, frames: (0..2).map(frame).collect() }
}

/// YUYV rows of a rendering: luma that no temperature has, neutral chroma.
fn rendering(w: u32, h: u32) -> Vec<u8> {
    (0..h).flat_map(|y| (0..w).flat_map(move |x| [((x + y) % 200) as u8, 0x80])).collect()
}

fn infiray(usb: Option<UsbId>) -> Recording {
    let frame = |n| [rendering(256, 192), rows(&counts(256, 192, n, |k| k * 64.0), 256, 512)].concat();
    let frames = (0..2).map(frame).collect();
    Recording { usb, pixel_format: PixelFormat::Yuyv, size: (256, 384), stride: 512, rate_hz: 25.0, frames }
}

fn tc002c() -> Recording {
    let frame = |n| {
        let band = rows(&counts(256, 192, n, |k| k * 16.0), 512, 1024);
        [band, vec![0x41; 2 * 1024], rendering(512, 384), vec![0x42; 2 * 1024]].concat()
    };
    let usb = "2bdf:0102".parse().ok();
    let frames = (0..2).map(frame).collect();
    Recording { usb, pixel_format: PixelFormat::Yuyv, size: (512, 484), stride: 1024, rate_hz: 25.0, frames }
}

fn plain(pixel_format: PixelFormat, size: (u32, u32), stride: usize) -> Recording {
    let (w, h) = size;
    let frame = |n| match pixel_format {
        PixelFormat::Grey => {
            let grey: Vec<u8> = counts(w, h, n, |k| k - 200.0).iter().map(|c| *c as u8).collect();
            grey.chunks(w as usize).flat_map(|row| [row, &vec![0xee; stride - w as usize]].concat()).collect()
        }
        PixelFormat::Yuyv => counts(w, h, n, |k| k - 200.0).iter().flat_map(|c| [*c as u8, 0x80]).collect(),
        PixelFormat::Mjpg => {
            let grey: Vec<u8> = counts(w, h, n, |k| k - 200.0).iter().map(|c| *c as u8).collect();
            let mut jpeg = Vec::new();
            let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 95);
            encoder.encode(&grey, w as u16, h as u16, jpeg_encoder::ColorType::Luma).unwrap();
            jpeg
        }
        PixelFormat::Y16Be => counts(w, h, n, |k| k * 40.0).iter().flat_map(|c| c.to_be_bytes()).collect(),
        _ => rows(&counts(w, h, n, |k| k * 40.0), w as usize, stride),
    };
    Recording { usb: None, pixel_format, size, stride, rate_hz: 9.0, frames: (0..2).map(frame).collect() }
}

fn made(name: &str) -> Recording {
    match name {
        "lepton3" => lepton3(),
        "lepton2" => {
            let warm = Lepton { housing_ck: 29_915, counter: 9, ..Lepton::IDLE };
            lepton(true, (80, 63), 192, vec![warm, Lepton { counter: 12, tlinear: None, ..Lepton::IDLE }])
        }
        "boson640" => boson((640, 513), 1),
        "boson320" => boson((320, 256), 0),
        "p2pro" => infiray("0bda:5830".parse().ok()),
        "split" => infiray(None),
        "tc002c" => tc002c(),
        "seek" => plain(PixelFormat::Y16, (206, 156), 412),
        "y16be" => plain(PixelFormat::Y16Be, (64, 48), 128),
        "grey" => plain(PixelFormat::Grey, (96, 64), 100),
        "yuyv" => plain(PixelFormat::Yuyv, (96, 64), 192),
        "mjpg" => plain(PixelFormat::Mjpg, (96, 64), 0),
        _ => panic!("{name}"),
    }
}

/// What is read from a recording, as text.
fn decoded(recording: &Recording) -> String {
    let Recording { usb, pixel_format, size, stride, rate_hz, ref frames } = *recording;
    let offers = [Offer { pixel_format, sizes: Sizes::One(size.0, size.1) }];
    let choice = choose(usb, &offers, None).unwrap();
    let mut decoder = Decoder::new(choice, Transfer { stride, rate_hz }, None, false);
    let mut text = format!("{}, {}\n", choice.profile.about, choice.identified_by);
    let (w, h) = size;
    text += &format!("{pixel_format} {w}x{h}, {stride} bytes a row, {rate_hz} Hz\n");
    let mut frame = Frame::new(FrameFormat { width: 1, height: 1, signal: Signal::Counts, rate_hz: 0.0 });
    for (i, bytes) in frames.iter().enumerate() {
        let telemetry = decoder.decode(bytes, &mut frame);
        let (width, height) = (frame.width(), frame.height());
        text += &format!("{i}: {width}x{height}");
        if frame.pixels.len() != frame.format.pixels() {
            text += &format!(", short: {} rows\n", frame.pixels.len() / width);
            continue;
        }
        let centre = frame.pixels[height / 2 * width + width / 2];
        let corner = frame.pixels[0];
        let surface = radiometry::Settings { emissivity: 1.0, ..Default::default() };
        text += &match (frame.format.signal, Thermometer::new(frame.format.signal, surface)) {
            (_, Some(t)) => {
                let c = |count: u16| t.surface(f32::from(count)).0;
                format!(", centre {:.1} degC, corner {:.1} degC", c(centre), c(corner))
            }
            (Signal::Grey8, _) => format!(", picture, centre {centre}, corner {corner}, no temperature"),
            _ => format!(", counts, centre {centre}, corner {corner}, no temperature"),
        };
        let mut crc = flate2::Crc::new();
        frame.pixels.iter().for_each(|p| crc.update(&p.to_le_bytes()));
        text += &format!(", crc {:08x}, ffc {:?}", crc.sum(), frame.meta.ffc).to_lowercase().replace("degc", "degC");
        if let Some(c) = frame.meta.sensor_c {
            text += &format!(", sensor {c:.1} degC");
        }
        if let Some(counter) = telemetry.counter {
            text += &format!(", counter {counter}");
        }
        if let Some(lepton) = telemetry.lepton {
            text += if lepton.gain == Gain::High { ", high gain" } else { ", low gain" };
            if let Some(housing) = lepton.housing {
                text += &format!(", housing {:.1} degC", housing.0);
            }
        }
        text += "\n";
    }
    text
}

fn bless() -> bool {
    std::env::var("HEATMARK_BLESS").as_deref() == Ok("1")
}

/// Whether two recordings are the same: byte by byte, but for JPEG pictures, whose bytes depend on the instructions
/// that the encoder finds; these by the greys that are seen.
fn same(a: &Recording, b: &Recording) -> bool {
    if a.pixel_format != PixelFormat::Mjpg {
        return a == b;
    }
    let seen = |jpeg: &Vec<u8>| {
        let bytes = zune_jpeg::zune_core::bytestream::ZCursor::new(jpeg.as_slice());
        zune_jpeg::JpegDecoder::new(bytes).decode().unwrap()
    };
    let alike = |a: &Vec<u8>, b: &Vec<u8>| {
        let (a, b) = (seen(a), seen(b));
        a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.abs_diff(*b) <= 2)
    };
    let head = |r: &Recording| (r.usb, r.size, r.stride, r.rate_hz, r.frames.len());
    a.pixel_format == b.pixel_format && head(a) == head(b) && a.frames.iter().zip(&b.frames).all(|(a, b)| alike(a, b))
}

#[test]
fn recordings_hold_what_their_documented_layout_says() {
    for (name, _) in NAMES {
        let wanted = made(name);
        if bless() {
            wanted.write(name);
        }
        assert!(same(&Recording::read(name), &wanted), "{name} is not what its layout says");
        let size = std::fs::metadata(path(name, "raw.gz")).unwrap().len();
        assert!(size < 16_384, "{name}: {size} bytes");
    }
}

#[test]
fn recordings_are_read_as_their_expected_text_says() {
    for (name, row) in NAMES {
        // Another test may still be writing them.
        let recording = if bless() { made(name) } else { Recording::read(name) };
        let found = decoded(&recording);
        if bless() {
            std::fs::create_dir_all(path(name, "txt").parent().unwrap()).unwrap();
            std::fs::write(path(name, "txt"), &found).unwrap();
        }
        let wanted = std::fs::read_to_string(path(name, "txt")).unwrap();
        assert_eq!(found, wanted, "{name} ({row})");
    }
}

#[test]
fn radiometric_recordings_show_the_scene_that_was_put_in() {
    for (name, _) in NAMES {
        let text = std::fs::read_to_string(path(name, "txt")).unwrap();
        for line in text.lines().filter(|line| line.contains("degC, corner")) {
            let after =
                |word: &str| line.split_once(word).unwrap().1.split(' ').next().unwrap().parse::<f32>().unwrap();
            // Within a step of the coarse resolution.
            let (centre, corner) = (after("centre "), after("corner "));
            assert!((centre - 34.0).abs() < 0.15 && (corner - 22.0).abs() < 0.15, "{name}: {line}");
        }
    }
    let counts = |name: &str| std::fs::read_to_string(path(name, "txt")).unwrap();
    assert!(["boson640", "seek", "y16be", "split"].iter().all(|n| !counts(n).contains("degC, corner")));
}

#[test]
fn no_garbage_makes_the_decoder_panic() {
    for (name, _) in NAMES {
        let recording = Recording::read(name);
        let offers =
            [Offer { pixel_format: recording.pixel_format, sizes: Sizes::One(recording.size.0, recording.size.1) }];
        let choice = choose(recording.usb, &offers, None).unwrap();
        for stride in [0, 1, recording.stride, recording.stride + 13, 1 << 20] {
            let mut decoder = Decoder::new(choice, Transfer { stride, rate_hz: f32::NAN }, None, true);
            let mut frame = Frame::new(FrameFormat { width: 1, height: 1, signal: Signal::Counts, rate_hz: 0.0 });
            let mut noise = 0x1234_5678u32;
            for len in [0, 1, 2, 159, 640, recording.frames[0].len(), recording.frames[0].len() * 2] {
                let bytes: Vec<u8> = (0..len)
                    .map(|_| {
                        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (noise >> 24) as u8
                    })
                    .collect();
                decoder.decode(&bytes, &mut frame);
                assert!(frame.pixels.len() <= frame.format.pixels(), "{name} {stride} {len}");
            }
        }
    }
}
