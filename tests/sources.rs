//! Sources against real clips, made pictures, scripts and damage.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Crc;
use heatmark::clock::{Clock, RealClock, SharedClock, SimulatedClock};
use heatmark::error::Remedy;
use heatmark::frame::{FfcState, Frame, FrameFormat, Signal};
use heatmark::pipeline::{self, Feed, Infer, Input, Parts, Policy, Stamps};
use heatmark::recording::cptv::Cptv;
use heatmark::recording::pages::Pages;
use heatmark::recording::write::Writer;
use heatmark::recording::y16::Y16;
use heatmark::recording::{CameraInfo, Clip, Unit};
use heatmark::result::{FrameResult, StreamState};
use heatmark::sink::{Output, Sink, Wants};
use heatmark::source::scripted::{FORMAT, Script};
use heatmark::source::{Read, Settings, Source, live, open, replay, still};
use heatmark::stop;
use heatmark::units::Nanos;
use proptest::prelude::*;

const NOW: Duration = Duration::ZERO;

/// The folder of real clips; `None` (said) where it is absent and not required.
fn clips() -> Option<PathBuf> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/clips"));
    if dir.is_dir() {
        return Some(dir);
    }
    assert!(std::env::var("HEATMARK_REQUIRE_SHARED").as_deref() != Ok("1"), "{} is absent", dir.display());
    println!("skipped: {} is absent", dir.display());
    None
}

fn settings() -> Settings {
    Settings::default()
}

fn clock() -> SharedClock {
    RealClock::shared()
}

fn error_of(spec: &str) -> String {
    open(spec, &settings(), &clock()).err().expect(spec).to_string()
}

/// One line that says what a clip holds.
fn summary(name: &str, clip: &mut dyn Clip) -> String {
    let format = clip.format();
    let mut frame = Frame::new(format);
    let (mut count, mut crc, mut least, mut most, mut settling) = (0, Crc::new(), u16::MAX, 0, 0);
    let (mut first, mut last) = (None, frame.meta);
    while clip.read(&mut frame) {
        assert_eq!(frame.pixels.len(), format.pixels());
        count += 1;
        least = least.min(*frame.pixels.iter().min().unwrap());
        most = most.max(*frame.pixels.iter().max().unwrap());
        settling += u32::from(frame.meta.ffc == FfcState::Settling);
        frame.pixels.iter().for_each(|p| crc.update(&p.to_le_bytes()));
        first.get_or_insert(frame.meta);
        last = frame.meta;
    }
    assert_eq!(clip.truncation(), None, "{name}");
    let first = first.unwrap();
    let signal = match format.signal {
        Signal::CENTIKELVIN => "centikelvin",
        Signal::Counts => "counts",
        _ => "other",
    };
    format!(
        "{name} {}x{} {signal} {} Hz, {count} frames {}..{}, counts {least}..{most}, crc {:08x}, {} ms, settling {settling}, {}",
        format.width,
        format.height,
        format.rate_hz,
        first.seq,
        last.seq,
        crc.sum(),
        last.captured.since(first.captured).as_millis(),
        first.captured_utc_ns.unwrap() / 1_000_000,
    )
}

#[test]
fn real_clips_hold_what_their_expected_text_says() {
    let Some(dir) = clips() else { return };
    let expected = include_str!("data/clips.txt");
    let lines: Vec<&str> = expected.lines().filter(|line| !line.starts_with('#')).collect();
    let read = |name: &str| summary(name, &mut *replay::clip(&dir.join(name), &settings()).unwrap());
    let found: Vec<String> = lines.iter().map(|line| read(line.split(' ').next().unwrap())).collect();
    assert_eq!(found.len(), 5);
    assert_eq!(found, lines, "\nfound:\n{}\n", found.join("\n"));
}

#[test]
fn a_stated_unit_overrules_and_cameras_are_named() {
    let Some(dir) = clips() else { return };
    let stated = Settings { signal: Some(Unit::Decikelvin), ..settings() };
    let clip = replay::clip(&dir.join("lepton3_v2_go.cptv"), &stated).unwrap();
    assert_eq!(clip.format().signal, Unit::Decikelvin.signal());
    let camera = clip.camera();
    assert_eq!(
        (camera.name.as_deref(), camera.brand.as_deref(), camera.model.as_deref()),
        (Some("Wallaby"), Some("flir"), Some("lepton3"))
    );
}

#[test]
fn the_bad_row_of_the_purethermal_clip_passes_through() {
    let Some(dir) = clips() else { return };
    let path = dir.join("purethermal3_tlinear_82frames.raw.y16.gz");
    let mut clip = replay::clip(&path, &settings()).unwrap();
    let mut frame = Frame::new(clip.format());
    assert!(clip.read(&mut frame));
    let spread = |y: usize| {
        let row = &frame.pixels[y * 160..(y + 1) * 160];
        row.iter().max().unwrap() - row.iter().min().unwrap()
    };
    // Row 76 of this camera is broken: far noisier than the rows around it.
    assert!(spread(76) > 2 * spread(75).max(spread(77)), "{} {} {}", spread(75), spread(76), spread(77));
}

// Made CPTV files, for what no real clip shows.

fn field(code: u8, data: &[u8]) -> Vec<u8> {
    [&[data.len() as u8, code][..], data].concat()
}

fn section(kind: u8, fields: &[Vec<u8>]) -> Vec<u8> {
    [&[kind, fields.len() as u8][..], &fields.concat()].concat()
}

fn cptv_header(version: u8, width: u32, height: u32, compression: u8) -> Vec<u8> {
    let fields = [
        field(b'T', &1_600_000_000_000_000u64.to_le_bytes()),
        field(b'X', &width.to_le_bytes()),
        field(b'Y', &height.to_le_bytes()),
        field(b'C', &[compression]),
        field(b'?', b"a field of the future"),
    ];
    [b"CPTV", &[version][..], &section(b'H', &fields)].concat()
}

/// A frame whose every pixel grows by `step`.
fn cptv_frame(step: i32, on_ms: u32, ffc_ms: u32, more: &[Vec<u8>]) -> Vec<u8> {
    // 80x60 pixels, 2 bits for each difference but the first.
    let data = [&step.to_le_bytes()[..], &vec![0; (4799 * 2usize).div_ceil(8)]].concat();
    let mut fields = vec![
        field(b't', &on_ms.to_le_bytes()),
        field(b'w', &[2]),
        field(b'f', &(data.len() as u32).to_le_bytes()),
        field(b'c', &ffc_ms.to_le_bytes()),
    ];
    fields.extend_from_slice(more);
    [section(b'F', &fields), data].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn cptv_tells_corrections_temperature_and_background() {
    let bytes = [
        cptv_header(2, 80, 60, 1),
        cptv_frame(2000, 59_000, 30_000, &[field(b'g', &[1])]),
        cptv_frame(1000, 60_000, 30_000, &[field(b'a', &31.5f32.to_le_bytes())]),
        cptv_frame(1, 60_111, 60_100, &[]),
        cptv_frame(-2, 70_099, 60_100, &[]),
        cptv_frame(0, 70_100, 60_100, &[]),
        cptv_frame(0, 70_200, 0, &[]),
    ]
    .concat();
    let gzip = gzip(&bytes);
    let mut clip = Cptv::open("made.cptv", &gzip[..], None).unwrap();
    assert_eq!((clip.version(), clip.format().signal), (2, Signal::Counts));
    let mut frame = Frame::new(clip.format());
    let mut seen = Vec::new();
    while clip.read(&mut frame) {
        assert!(frame.pixels.iter().all(|&p| p == frame.pixels[0]));
        let m = frame.meta;
        seen.push((m.seq, frame.pixels[0], m.captured.0 / 1_000_000, m.ffc, m.sensor_c));
    }
    use FfcState::{Idle, Settling};
    assert_eq!(
        seen,
        [
            (0, 3000, 0, Idle, Some(31.5)),
            (1, 3001, 111, Settling, None),
            (2, 2999, 10_099, Settling, None),
            (3, 2999, 10_100, Idle, None),
            (4, 2999, 10_200, Idle, None),
        ]
    );
    assert_eq!(clip.truncation(), None);
    assert_eq!(frame.meta.captured_utc_ns, Some(1_600_000_010_200_000_000));
}

#[test]
fn cptv_that_cannot_be_read_says_why() {
    let wrong = |bytes: &[u8]| Cptv::open("x.cptv", &gzip(bytes)[..], None).err().unwrap().to_string();
    assert!(wrong(&cptv_header(3, 80, 60, 1)).contains("version 3; 1 and 2 are supported"));
    assert!(wrong(&cptv_header(2, 80, 60, 7)).contains("compression 7; only 1"));
    assert!(wrong(&cptv_header(2, 79, 60, 1)).contains("79x60"));
    assert!(wrong(b"CPTV\x02").contains("header cannot be read"));
    // A frame of a wrong size ends the clip after what came before it.
    let mut broken = cptv_frame(1, 0, 0, &[]);
    broken.truncate(broken.len() - 700);
    let bytes = gzip(&[cptv_header(1, 80, 60, 1), cptv_frame(5, 0, 0, &[]), broken].concat());
    let mut clip = Cptv::open("x.cptv", &bytes[..], None).unwrap();
    let mut frame = Frame::new(clip.format());
    assert!(clip.read(&mut frame));
    assert!(!clip.read(&mut frame) && !clip.read(&mut frame));
    assert!(clip.truncation().unwrap().contains("after 1 frames"), "{:?}", clip.truncation());
}

fn y16(header: &str, width: usize, height: usize, frames: u64) -> Vec<u8> {
    let mut bytes = b"PTY16V1\n".to_vec();
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend(header.as_bytes());
    for i in 0..frames {
        bytes.extend((i * 2).to_le_bytes());
        bytes.extend((1_700_000_000.5 + i as f64 * 0.1).to_le_bytes());
        bytes.extend((1_700_000_000_500 + i as i64 * 100).to_le_bytes());
        bytes.extend((0..width * height).flat_map(|p| ((p as u64 + i) as u16).to_le_bytes()));
    }
    gzip(&bytes)
}

#[test]
fn y16_without_a_unit_holds_counts() {
    let bytes = y16(r#"{"width":80,"height":60}"#, 80, 60, 3);
    let mut clip = Y16::open("x.raw.y16.gz", &bytes[..], None).unwrap();
    assert_eq!((clip.format().signal, clip.format().rate_hz), (Signal::Counts, 0.0));
    let mut frame = Frame::new(clip.format());
    let mut seen = Vec::new();
    while clip.read(&mut frame) {
        seen.push((frame.meta.seq, frame.meta.captured.0, frame.meta.captured_utc_ns.unwrap(), frame.pixels[4799]));
    }
    let first = 1_700_000_000_500_000_000;
    assert_eq!(
        seen,
        [(0, 0, first, 4799), (2, 100_000_000, first + 100_000_000, 4800), (4, 200_000_000, first + 200_000_000, 4801)]
    );
    let wrong = |header: &str| Y16::open("x", &y16(header, 1, 1, 0)[..], None).err().unwrap().to_string();
    assert!(wrong(r#"{"width":80}"#).contains("height"));
    assert!(wrong(r#"{"width":8000,"height":60}"#).contains("8000x60"));
    assert!(wrong(r#"{"width":80,"height":60,"endianness":"big"}"#).contains("big endian"));
}

// Pictures.

fn png16(width: u32, height: u32) -> Vec<u8> {
    let bytes: Vec<u8> = (0..width * height).flat_map(|i| (29_000 + (i % 2000) as u16).to_be_bytes()).collect();
    png(width, height, (png::ColorType::Grayscale, png::BitDepth::Sixteen), &bytes)
}

const L8: (png::ColorType, png::BitDepth) = (png::ColorType::Grayscale, png::BitDepth::Eight);
const DEEP: (png::ColorType, png::BitDepth) = (png::ColorType::Rgb, png::BitDepth::Sixteen);
const ALPHA: (png::ColorType, png::BitDepth) = (png::ColorType::GrayscaleAlpha, png::BitDepth::Eight);
const RGB8: (png::ColorType, png::BitDepth) = (png::ColorType::Rgb, png::BitDepth::Eight);

fn png(width: u32, height: u32, (colour, depth): (png::ColorType, png::BitDepth), bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(bytes).unwrap();
    writer.finish().unwrap();
    out
}

fn png_palette() -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, 80, 60);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette((0..=255u8).flat_map(|i| [i, 0, 255 - i]).collect::<Vec<u8>>());
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[200; 4800]).unwrap();
    writer.finish().unwrap();
    out
}

fn tiff_palette() -> Vec<u8> {
    use tiff::tags::Tag;
    let mut out = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut out).unwrap();
    let mut page = encoder.image_directory().unwrap();
    let offset = page.write_data(&[200u8; 4800][..]).unwrap();
    let table: Vec<u16> =
        [|i: u16| i * 257, |_| 0, |i: u16| (255 - i) * 257].iter().flat_map(|f| (0..256).map(f)).collect();
    page.write_tag(Tag::ImageWidth, 80u32).unwrap();
    page.write_tag(Tag::ImageLength, 60u32).unwrap();
    page.write_tag(Tag::BitsPerSample, 8u16).unwrap();
    page.write_tag(Tag::Compression, 1u16).unwrap();
    page.write_tag(Tag::PhotometricInterpretation, 3u16).unwrap();
    page.write_tag(Tag::StripOffsets, offset as u32).unwrap();
    page.write_tag(Tag::SamplesPerPixel, 1u16).unwrap();
    page.write_tag(Tag::RowsPerStrip, 60u32).unwrap();
    page.write_tag(Tag::StripByteCounts, 4800u32).unwrap();
    page.write_tag(Tag::ColorMap, &table[..]).unwrap();
    page.finish().unwrap();
    out.into_inner()
}

fn tiff16(pages: u16) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut out).unwrap();
    for page in 0..pages {
        let counts: Vec<u16> = (0..4800).map(|i| i + page).collect();
        encoder.write_image::<tiff::encoder::colortype::Gray16>(80, 60, &counts).unwrap();
    }
    out.into_inner()
}

fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut out, 95);
    let grey = vec![120; usize::from(width) * usize::from(height)];
    encoder.encode(&grey, width, height, jpeg_encoder::ColorType::Luma).unwrap();
    out
}

#[test]
fn pictures_keep_counts_or_become_grey_and_say_so() {
    let rgb = [255u8, 0, 0].repeat(4800);
    let red = 76;
    let palette = 66;
    let cases = [
        ("16-bit PNG", png16(80, 60), Signal::Counts, 29_000, "unknown unit"),
        ("16-bit TIFF", tiff16(1), Signal::Counts, 0, "unknown unit"),
        ("8-bit PNG", png(80, 60, L8, &[9; 4800]), Signal::Grey8, 9, "8-bit"),
        ("colour PNG", png(80, 60, RGB8, &rgb), Signal::Grey8, red, "colour"),
        ("deep colour PNG", png(80, 60, DEEP, &[255u8, 255, 0, 0, 0, 0].repeat(4800)), Signal::Grey8, red, "colour"),
        ("grey and alpha PNG", png(80, 60, ALPHA, &[9, 255].repeat(4800)), Signal::Grey8, 9, "8-bit"),
        ("palette PNG", png_palette(), Signal::Grey8, palette, "palette"),
        ("palette TIFF", tiff_palette(), Signal::Grey8, palette, "palette"),
        ("JPEG", jpeg(80, 60), Signal::Grey8, 120, "8-bit"),
    ];
    for (name, bytes, signal, first, note) in cases {
        let picture = still::decode(name, bytes.clone(), &settings()).unwrap();
        let format = picture.frame.format;
        assert_eq!((format.width, format.height, format.signal), (80, 60, signal), "{name}");
        assert_eq!(picture.frame.pixels[0], first, "{name}");
        assert!(picture.note.unwrap().contains(note), "{name}: {:?}", picture.note);
        let stated = Settings { signal: Some(Unit::Centikelvin), ..settings() };
        match still::decode(name, bytes, &stated) {
            Ok(picture) => {
                assert_eq!((picture.frame.format.signal, picture.note), (Signal::CENTIKELVIN, None), "{name}");
                assert_eq!(signal, Signal::Counts, "{name}: 8 bits became temperatures");
            }
            Err(e) => assert!(signal == Signal::Grey8 && e.to_string().contains("8-bit pixels"), "{name}: {e}"),
        }
    }
}

#[test]
fn only_sizes_within_the_limits_are_taken() {
    for (width, height, fits) in
        [(80, 60, true), (1280, 1024, true), (79, 60, false), (80, 59, false), (1281, 1024, false), (1280, 1025, false)]
    {
        for (name, bytes) in [("a.png", png16(width, height)), ("a.jpg", jpeg(width as u16, height as u16))] {
            let read = still::decode(name, bytes, &settings());
            assert_eq!(read.is_ok(), fits, "{name} {width}x{height}");
            if let Err(e) = read {
                let wanted =
                    format!("{name}: is {width}x{height} pixels; supported are 80x60 (columns x rows) to 1280x1024");
                assert_eq!((e.to_string(), e.remedy()), (wanted, Remedy::Fix));
            }
        }
    }
}

#[test]
fn bombs_and_cut_pictures_are_errors() {
    // The size in IHDR is changed to 65535x65535; its CRC with it.
    let mut bomb = png16(80, 60);
    bomb[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let mut crc = Crc::new();
    crc.update(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let error = still::decode("bomb.png", bomb, &settings()).unwrap_err().to_string();
    assert!(error.contains("65535x65535"), "{error}");
    for (name, bytes) in [("cut.png", png16(160, 120)), ("cut.tiff", tiff16(1)), ("cut.png", png_palette())] {
        for keep in [0, 1, 9, 20, 40, bytes.len() / 2, bytes.len() * 3 / 4] {
            let e = still::decode(name, bytes[..keep.min(bytes.len())].to_vec(), &settings()).unwrap_err();
            assert_eq!((e.subject(), e.remedy()), (name, Remedy::Fix), "{keep}: {e}");
        }
    }
}

#[test]
fn real_face_pictures_are_read() {
    let Some(clips) = clips() else { return };
    let faces = clips.with_file_name("faces");
    let mut seen = 0;
    for entry in fs::read_dir(faces).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "png" || e == "jpg" || e == "jpeg") {
            let frame = still::still(&path, &settings()).unwrap();
            assert_eq!((frame.format.width, frame.format.height, frame.format.signal), (464, 348, Signal::Grey8));
            seen += 1;
        }
    }
    assert_eq!(seen, 3);
}

/// A source's frames as number, microseconds and first count, up to `most`.
fn drain(source: &mut dyn Source, most: usize) -> Vec<(u64, u64, u16)> {
    let mut frame = Frame::new(source.format());
    let mut seen = Vec::new();
    while seen.len() < most && source.read(&mut frame, NOW).unwrap() == Read::Frame {
        seen.push((frame.meta.seq, frame.meta.captured.0 / 1000, frame.pixels[0]));
    }
    seen
}

#[test]
fn a_folder_plays_in_order_and_passes_over_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    for n in [1u8, 2, 10] {
        let name = dir.path().join(format!("frame{n}.PNG"));
        fs::write(name, png(80, 60, L8, &[n; 4800])).unwrap();
    }
    fs::write(dir.path().join("frame3.png"), b"\x89PNG\r\n\x1a\nno").unwrap();
    fs::write(dir.path().join("notes.txt"), "not a picture").unwrap();
    let spec = dir.path().to_str().unwrap();
    let every_100_ms = Settings { rate_hz: 10.0, ..settings() };
    let mut source = open(spec, &every_100_ms, &clock()).unwrap();
    assert_eq!(drain(&mut *source, 9), [(0, 0, 1), (1, 100_000, 2), (3, 300_000, 10)]);
    let mut source = open(spec, &Settings { repeat: true, ..every_100_ms }, &clock()).unwrap();
    assert_eq!(drain(&mut *source, 5)[3..], [(4, 400_000, 1), (5, 500_000, 2)]);
    let mut single = open(&format!("{spec}/frame10.PNG"), &settings(), &clock()).unwrap();
    assert_eq!(single.name(), "replay:frame10.PNG");
    assert_eq!(drain(&mut *single, 9).len(), 1);
}

#[test]
fn a_repeated_recording_goes_on_in_number_and_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.tiff");
    let mut writer = Writer::new("clip", fs::File::create(&path).unwrap(), CameraInfo::default(), 1).unwrap();
    let mut frame = Frame::new(FrameFormat { width: 80, height: 60, signal: Signal::CENTIKELVIN, rate_hz: 10.0 });
    for i in 0..3u16 {
        frame.meta.seq = 40 + u64::from(i);
        frame.meta.captured = Nanos(7_000_000_000 + u64::from(i) * 100_000_000);
        frame.pixels.fill(i);
        writer.put(&frame, None, 0).unwrap();
    }
    writer.finish().unwrap();
    let spec = path.to_str().unwrap();
    let once = [(40, 7_000_000, 0), (41, 7_100_000, 1), (42, 7_200_000, 2)];
    let mut source = open(spec, &settings(), &clock()).unwrap();
    assert_eq!((source.name(), source.format()), ("replay:clip.tiff", frame.format));
    assert_eq!(drain(&mut *source, 99), once);
    let mut source = open(spec, &Settings { repeat: true, ..settings() }, &clock()).unwrap();
    let twice: Vec<_> = (0..8u64).map(|i| (40 + i, 7_000_000 + i * 100_000, (i % 3) as u16)).collect();
    assert_eq!(drain(&mut *source, 8), twice);
}

#[test]
fn a_plain_tiff_stack_is_a_clip_of_counts() {
    let bytes = tiff16(3);
    let mut pages = Pages::open("stack.tif", Cursor::new(&bytes[..]), None, 10.0).unwrap();
    let mut frame = Frame::new(pages.format());
    let mut seen = Vec::new();
    while pages.read(&mut frame) {
        seen.push((frame.meta.seq, frame.meta.captured.0, frame.pixels[0], frame.format.signal));
    }
    let wanted = [0, 1, 2].map(|i| (i, i * 100_000_000, i as u16, Signal::Counts));
    assert_eq!(seen, wanted);
}

#[test]
fn the_built_in_clip_plays_and_repeats() {
    let mut source = open("demo", &Settings { repeat: true, ..settings() }, &clock()).unwrap();
    assert!(source.format().signal.is_radiometric());
    let seen = drain(&mut *source, 1000);
    assert_eq!(seen.len(), 1000);
    assert!(seen.windows(2).all(|w| w[1].0 == w[0].0 + 1 && w[1].1 > w[0].1));
}

#[test]
fn files_are_told_by_content_and_errors_name_what_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_string()
    };
    let disguised = gzip(&[cptv_header(1, 80, 60, 1), cptv_frame(5, 0, 0, &[])].concat());
    let source = open(&put("holiday.jpg", &disguised), &settings(), &clock()).unwrap();
    assert_eq!(source.format().signal, Signal::Counts);

    let text = error_of(&put("notes.tiff", b"Dear diary"));
    assert!(text.contains("notes.tiff: begins with \"Dear dia\"; supported are Heatmark recordings"), "{text}");
    let other = error_of(&put("data.gz", &gzip(b"tarball")));
    assert!(other.contains("is gzip around \"tarball\"; supported are"), "{other}");
    assert!(error_of(&put("empty.png", b"")).contains("begins with nothing"));
    assert!(error_of("/nowhere/clip.tiff").contains("/nowhere/clip.tiff: cannot be opened"));
    assert!(error_of(&put("cut.tiff", &tiff16(1)[..6])).contains("has no complete TIFF page"));
    let unknown = error_of("lepton9");
    assert!(unknown.starts_with("lepton9: is no known source; known are demo"), "{unknown}");
    fs::create_dir(dir.path().join("empty")).unwrap();
    assert!(error_of(dir.path().join("empty").to_str().unwrap()).contains("holds no picture (png,"));
    let slow = Settings { rate_hz: 0.0, ..settings() };
    assert_eq!(open("demo", &slow, &clock()).err().unwrap().subject(), "source.rate_hz");
}

// Scripts.

/// Reads a source on simulated time until it ends, as one word per event.
fn follow(source: &mut dyn Source, clock: &SimulatedClock, limit: usize) -> Vec<String> {
    let mut frame = Frame::new(FORMAT);
    let mut events = Vec::new();
    let mut last = 0;
    for _ in 0..limit {
        match source.read(&mut frame, Duration::from_millis(500)) {
            Ok(Read::Frame) => {
                let ms = frame.meta.captured.0 / 1_000_000;
                let share = frame.pixels.len() as f32 / frame.format.pixels() as f32;
                let crc = frame.pixels.iter().fold(0u32, |sum, &p| sum.rotate_left(3) ^ u32::from(p));
                let same = if crc == last { "=" } else { "" };
                last = crc;
                events.push(format!("{}{same}@{ms}/{share}/{:?}", frame.meta.seq, frame.meta.ffc));
            }
            Ok(Read::Idle) => events.push(format!("idle@{}", clock.now().0 / 1_000_000)),
            Ok(Read::End) => {
                events.push("end".into());
                break;
            }
            Err(e) => {
                events.push(format!("{:?}", e.remedy()));
                break;
            }
        }
    }
    events
}

#[test]
fn a_script_shows_every_fault_as_a_camera_would() {
    let clock = SimulatedClock::new(Nanos(0));
    let steps = "frames(2),stall(900),short,gap(3),corrupt,freeze(2),ffc(1),error,frames(1),end,frames(9)";
    let script = Script::parse(steps, clock.clone()).unwrap();
    let first = follow(&mut script.open().unwrap(), &clock, 50);
    assert_eq!(
        first,
        [
            "0@111/1/Idle",
            "1@222/1/Idle",
            "idle@722",
            "idle@1222",
            "2@1233/0.5/Idle",
            "6@1677/0/Idle",
            "7@1788/1/Idle",
            "8=@1899/1/Idle",
            "9@2011/1/Imminent",
            "10@2122/1/Running",
            "11@2233/1/Settling",
            "Retry",
        ]
    );
    assert_eq!(follow(&mut script.open().unwrap(), &clock, 50), ["12@2344/1/Idle", "end"]);
    assert!(Script::parse("frames(2),explode", clock).err().unwrap().to_string().contains("explode"));
}

#[test]
fn a_script_changes_format() {
    let clock = SimulatedClock::new(Nanos(0));
    let script = Script::parse("frames(1),format(80x60),frames(1)", clock).unwrap();
    let mut source = script.open().unwrap();
    let mut frame = Frame::new(FORMAT);
    for (width, pixels) in [(160, 19_200), (80, 4_800)] {
        assert_eq!(source.read(&mut frame, Duration::from_secs(1)).unwrap(), Read::Frame);
        assert_eq!((frame.format.width, frame.pixels.len(), source.format().width), (width, pixels, width));
    }
}

/// The numbers of the frames that the pipeline presents.
#[derive(Default)]
struct Numbers(Arc<Mutex<Vec<u64>>>);

impl Sink for Numbers {
    fn name(&self) -> &str {
        "numbers"
    }
    fn wants(&self) -> Wants {
        Wants { raw: true, ..Wants::default() }
    }
    fn put(&mut self, out: &Output<'_>) -> heatmark::error::Result<()> {
        if out.frame.is_some() && out.result.state == StreamState::Live {
            self.0.lock().unwrap().push(out.result.seq);
        }
        Ok(())
    }
}

struct FindsNothing;

impl Infer for FindsNothing {
    fn infer(&mut self, _: &Frame, _: &mut FrameResult) -> heatmark::error::Result<()> {
        Ok(())
    }
}

#[test]
fn a_live_source_comes_back_after_errors_absence_and_stalls() {
    let clock = SimulatedClock::new(Nanos(0));
    let shared: SharedClock = clock.clone();
    let mut limits = settings();
    limits.camera.stall_ms = 2_000;
    let spec = "script:frames(2),error,frames(1),error,away(1000),frames(1),stall(5000),frames(1)";
    let sink = Numbers::default();
    let numbers = Arc::clone(&sink.0);
    let feed = Feed::Opener(live(spec, &limits, &shared).unwrap().unwrap());
    // No frame is superseded, however fast simulated time passes.
    let parts = Parts {
        input: Input::new(feed, Stamps::Live, Policy::Paced, shared),
        engine: Box::new(FindsNothing),
        draw: None,
        serialise: None,
        sinks: vec![Box::new(sink)],
        settings: pipeline::Settings { backoff_min_ms: 100, backoff_max_ms: 400, ..pipeline::Settings::default() },
    };
    let (_stopper, stop) = stop::pair();
    let summary = pipeline::build(parts).unwrap().run(&stop).unwrap();
    assert_eq!(*numbers.lock().unwrap(), [0, 1, 2, 3, 4]);
    // Two errors, one absence and at least one stall.
    assert!(summary.snapshot.reopened >= 3, "{}", summary.snapshot.reopened);
    assert!(clock.now() >= Nanos(6_000_000_000), "{:?}", clock.now());
}

// Damage: any file, cut and flipped anywhere, is read or refused, within bounded memory and time.

fn recording() -> Vec<u8> {
    let mut writer = Writer::new("memory", Cursor::new(Vec::new()), CameraInfo::default(), 1).unwrap();
    for seq in 0..4 {
        let mut frame = Frame::new(FrameFormat { width: 80, height: 60, signal: Signal::CENTIKELVIN, rate_hz: 9.0 });
        frame.pixels.iter_mut().enumerate().for_each(|(i, p)| *p = (29_000 + i % 777) as u16);
        frame.meta.seq = seq;
        writer.put(&frame, Some(r#"{"faces":[]}"#), 0).unwrap();
    }
    writer.finish().unwrap().unwrap().into_inner()
}

fn specimens() -> Vec<(&'static str, Vec<u8>)> {
    let cptv = [cptv_header(2, 80, 60, 1), cptv_frame(3000, 1, 1, &[]), cptv_frame(1, 112, 1, &[])].concat();
    vec![
        ("recording.tiff", recording()),
        ("stack.tiff", tiff16(2)),
        ("palette.tiff", tiff_palette()),
        ("clip.cptv", gzip(&cptv)),
        ("clip.raw.y16.gz", y16(r#"{"width":80,"height":60,"fps":9.0}"#, 80, 60, 2)),
        ("grey.png", png16(80, 60)),
        ("palette.png", png_palette()),
        ("grey.jpg", jpeg(80, 60)),
    ]
}

fn read_anything(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    let _ = still::read(path, &settings());
    let Ok(mut source) = replay::open(path, &settings()) else { return };
    let mut frame = Frame::new(source.format());
    for _ in 0..50 {
        match source.read(&mut frame, NOW) {
            Ok(Read::Frame) => assert_eq!(frame.pixels.len(), frame.format.pixels()),
            _ => break,
        }
    }
}

thread_local! {
    static SPECIMENS: Vec<(&'static str, Vec<u8>)> = specimens();
    static DIR: tempfile::TempDir = tempfile::tempdir().unwrap();
}

fn damage(which: usize, flips: &[(prop::sample::Index, u8)], keep: Option<prop::sample::Index>) {
    let (name, mut bytes) = SPECIMENS.with(|all| all[which % all.len()].clone());
    for (at, value) in flips {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
    if let Some(keep) = keep {
        bytes.truncate(keep.index(bytes.len()));
    }
    DIR.with(|dir| read_anything(&dir.path().join(name), &bytes));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "run by damaged_files_are_read_or_refused_within_64_mib"]
    fn damage_anywhere(
        which in 0usize..8,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        damage(which, &flips, keep);
    }

    #[test]
    #[ignore = "run by damaged_files_are_read_or_refused_within_64_mib"]
    fn damage_to_headers(
        which in 0usize..8,
        flips in prop::collection::vec((0usize..400, any::<u8>()), 1..6),
    ) {
        damage_at(which, &flips);
    }
}

/// Damage near the beginning, and near the end, where TIFF keeps its directories; inside gzip, too.
fn damage_at(which: usize, flips: &[(usize, u8)]) {
    let (name, whole) = SPECIMENS.with(|all| all[which].clone());
    let path = DIR.with(|dir| dir.path().join(name));
    let flip = |bytes: &mut [u8], from_end: bool| {
        for &(at, value) in flips {
            let len = bytes.len();
            let at = if from_end { len - 1 - at % len } else { at % len };
            bytes[at] = value;
        }
    };
    for from_end in [false, true] {
        let mut bytes = whole.clone();
        flip(&mut bytes, from_end);
        read_anything(&path, &bytes);
    }
    if whole.starts_with(b"\x1f\x8b") {
        let mut inside = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&whole[..]), &mut inside).unwrap();
        flip(&mut inside, false);
        read_anything(&path, &gzip(&inside));
    }
}

#[test]
fn damaged_files_are_read_or_refused_within_64_mib() {
    // The limit is on address space: what the idle test program maps, and 64 MiB for the reading.
    let limit_kib = idle_kib() + (64 << 10);
    let done = Command::new("sh")
        .args(["-c", "ulimit -v \"$0\" && exec \"$@\""])
        .arg(limit_kib.to_string())
        .arg(std::env::current_exe().unwrap())
        .args(["damage_", "--ignored", "--test-threads=1"])
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && told.contains("2 passed"), "{told}");
}

/// Address space of this program with one test running and nothing read, KiB.
fn idle_kib() -> u64 {
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "print_address_space", "--ignored", "--nocapture", "--test-threads=1"])
        .env("MALLOC_ARENA_MAX", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("VmPeak")).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "run by damaged_files_are_read_or_refused_within_64_mib"]
fn print_address_space() {
    println!("\n{}", fs::read_to_string("/proc/self/status").unwrap());
}
