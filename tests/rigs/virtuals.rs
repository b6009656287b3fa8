//! Cameras that are none: the kernel's test driver, and nodes that another program feeds.

use std::thread;
use std::time::{Duration, Instant};

use crate::Rig;
use crate::loopback::{Feed, Feeder};
use crate::program::{BACKOFF_MS, Line, Run, SLACK, STALL_MS, number, page, program, shown, text};

/// Where the page is.
const PORT: u16 = 8790;

pub fn vivid(rig: &mut Rig) {
    let there = |path: &String| std::path::Path::new(path).exists();
    let mut nodes = (0..8).map(|i| format!("/dev/video{i}")).filter(there);
    let (Some(node), Some(webcam)) = (nodes.next(), nodes.next()) else { return rig.check("vivid", "no node", false) };
    let run = Run::start(&[&node], &["source.camera.size=322x120", "source.camera.frozen_ms=0"]);
    run.lives();
    // Faces are looked for in every frame of such a picture, which may take seconds on an emulated CPU
    // and then leaves most frames out: what counts is that frames arrive whole, with their odd width and padded rows.
    let (mut results, mut arrived, mut corrupt, mut counts) = (0, 0, u64::MAX, true);
    run.wait(Duration::from_secs(20), |line| {
        if let Line::Result(text) = line {
            results += 1;
            arrived = results + number(text, "\"superseded\":").unwrap_or(0);
            corrupt = number(text, "\"corrupt\":").unwrap_or(u64::MAX);
            counts &= text.contains("\"width\":322,\"height\":120,\"radiometric\":false");
        }
        arrived > 10
    });
    let said = format!("more than {arrived} frames of 322x120 Y16, {corrupt} corrupt");
    rig.check("vivid", said, arrived > 10 && corrupt == 0 && counts);
    drop(run);
    // The nearest size that it has.
    colour(rig, &webcam, "300x170", "320x180", "YUYV");
}

/// A colour camera, through nokhwa.
fn colour(rig: &mut Rig, node: &str, asked: &str, size: &str, coding: &str) {
    let camera = ["camera", "--source", node, "colour"];
    let out = program(&[&camera[..], &["--size", asked, "--pictures", "20", "--png", "/tmp/p.png"]].concat());
    let said = text(&out);
    let bytes = std::fs::metadata("/tmp/p.png").map_or(0, |m| m.len());
    let wanted = [coding, &format!("20 pictures of {size}")];
    let ok = out.status.success() && wanted.iter().all(|w| said.contains(w)) && bytes > 1_000;
    let said = format!("{} (PNG of {bytes} bytes)", said.lines().last().unwrap_or("nothing said").replace(" | ", " "));
    rig.check(&format!("colour camera, {coding}"), said, ok);
    let _ = std::fs::remove_file("/tmp/p.png");
}

/// A node that another program feeds, or does not.
pub fn loopback(rig: &mut Rig) {
    let node = "/dev/video20";
    let listen = format!("sink.http.listen=127.0.0.1:{PORT}");
    let run = Run::start(&[node], &["source.camera.frozen_ms=0", "sink.http.enabled=true", &listen]);
    // What this driver does without a writer: it opens, and refuses to stream.
    let told = run.wait(Duration::from_secs(20), |line| line.says(node));
    rig.check("loopback, never fed", "told, and tried again", told.is_some());
    let began = Instant::now();
    let feeder = match Feeder::start(node, Feed::counts(160, 120)) {
        Ok(feeder) => feeder,
        Err(e) => return rig.check("loopback, fed", e, false),
    };
    let first = run.lives().then(|| began.elapsed());
    rig.check("loopback, fed", format!("live after {}", shown(first)), first.is_some());
    let seen = run.frames(Duration::from_secs(10));
    let fps = seen.fps();
    // The driver numbers frames since it was loaded, and hands out old ones first.
    let said = format!("{} frames, {fps:.2} fps, {} superseded, degC: {}", seen.frames, seen.lost, seen.radiometric);
    let ok = (7.5..9.5).contains(&fps) && seen.lost * 20 <= seen.frames && !seen.radiometric;
    rig.check("loopback, its frames", said, ok);
    let began = Instant::now();
    feeder.silence(true);
    let seen = run.wait(Duration::from_secs(20), |line| line.says("opening again"));
    let seen = seen.map(|at| at - began);
    let in_time = |d: Duration| d <= Duration::from_millis(STALL_MS) + SLACK;
    rig.check("loopback, fallen silent", format!("seen after {}", shown(seen)), seen.is_some_and(in_time));
    thread::sleep(Duration::from_secs(3));
    feeder.silence(false);
    run.wait(Duration::from_millis(BACKOFF_MS + STALL_MS), |_| false);
    let seen = run.frames(Duration::from_secs(5));
    rig.check("loopback, fed again", format!("{} frames in 5 s", seen.all()), (36..=50).contains(&seen.all()));
    let pictures = jpegs(&page(PORT, "/stream.mjpg", 400_000));
    other_format(rig, &run, node, feeder);
    drop(run);
    webcam(rig, pictures);
}

/// The program that feeds the node ends, and another feeds it with pictures of another size.
fn other_format(rig: &mut Rig, run: &Run, node: &str, feeder: Feeder) {
    let began = Instant::now();
    drop(feeder);
    let seen = run.wait(Duration::from_secs(20), |line| line.says("opening again")).map(|at| at - began);
    let mut feeder = Feeder::start(node, Feed::counts(80, 60));
    while feeder.is_err() && began.elapsed() < Duration::from_secs(15) {
        thread::sleep(Duration::from_millis(100));
        feeder = Feeder::start(node, Feed::counts(80, 60));
    }
    let fed = Instant::now();
    let live = "\"width\":80,\"height\":60";
    let back = run.wait(Duration::from_secs(20), |line| line.has(live) && line.has("\"state\":\"live\""));
    let (back, in_time) = (back.map(|at| at - fed), |d: Duration| d <= Duration::from_millis(BACKOFF_MS) + SLACK);
    let said = format!("silence seen after {}, 80x60 live {} after it was fed", shown(seen), shown(back));
    rig.check("loopback, another format", said, feeder.is_ok() && back.is_some_and(in_time));
}

/// A webcam that sends JPEG pictures, some of them without Huffman tables, as many webcams do.
fn webcam(rig: &mut Rig, mut pictures: Vec<Vec<u8>>) {
    let node = "/dev/video21";
    let Some(size) = pictures.first().and_then(|jpeg| size(jpeg)) else {
        return rig.check("colour camera, MJPG", "the page gave no picture", false);
    };
    let bare: Vec<Vec<u8>> = pictures.iter().map(|jpeg| without_tables(jpeg)).collect();
    pictures.extend(bare);
    let feeder = Feeder::start(node, Feed::pictures(size, pictures));
    let size = format!("{}x{}", size.0, size.1);
    colour(rig, node, "640x480", &size, "MJPEG");
    let listed = text(&program(&["devices"]));
    rig.check("  and listed so", "MJPG", feeder.is_ok() && listed.contains(&format!("MJPG {size}")));
}

/// The segments of a JPEG up to the picture itself: marker, and where it lies.
fn segments(jpeg: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let (mut all, mut at) = (Vec::new(), 2);
    while let Some(&[0xff, marker, high, low]) = jpeg.get(at..at + 4) {
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        all.push((marker, at..end));
        if marker == 0xda {
            break;
        }
        at = end;
    }
    all
}

fn size(jpeg: &[u8]) -> Option<(u32, u32)> {
    let frame = segments(jpeg).into_iter().find(|(marker, _)| *marker == 0xc0)?.1;
    let side = |i: usize| Some(u32::from(u16::from_be_bytes([*jpeg.get(i)?, *jpeg.get(i + 1)?])));
    Some((side(frame.start + 7)?, side(frame.start + 5)?))
}

fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut all = segments(jpeg);
    let rest = all.last().map_or(2, |(_, last)| last.end);
    all.retain(|(marker, _)| *marker != 0xc4);
    let kept = all.into_iter().flat_map(|(_, range)| jpeg.get(range).unwrap_or_default().to_vec());
    [0xff, 0xd8].into_iter().chain(kept).chain(jpeg[rest..].to_vec()).collect()
}

/// The pictures in a stream of the page.
fn jpegs(stream: &[u8]) -> Vec<Vec<u8>> {
    let find =
        |from: usize, mark: [u8; 2]| stream.get(from..)?.windows(2).position(|two| two == mark).map(|at| from + at);
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some(start) = find(at, [0xff, 0xd8])
        && let Some(end) = find(start, [0xff, 0xd9])
    {
        all.push(stream[start..end + 2].to_vec());
        at = end + 2;
    }
    all
}
