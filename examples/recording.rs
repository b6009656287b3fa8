//! Writes a recording and reads it back, frame by frame: `cargo run --release --example recording -- FOLDER`

use std::time::Duration;

use heatmark::{CameraInfo, Engine, Frame, Read, Recorder, RecorderSettings};

/// A file answers at once; a camera would need longer.
const WAIT: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).ok_or("usage: recording FOLDER")?.into();
    let mut recorder = Recorder::new(RecorderSettings { dir, ..Default::default() }, CameraInfo::default())?;
    let mut demo = heatmark::open("demo")?;
    let mut frame = Frame::new(demo.format());
    for _ in 0..27 {
        if demo.read(&mut frame, WAIT)? == Read::Frame {
            recorder.put(&frame, None, 0)?;
        }
    }
    recorder.finish()?;

    let path = recorder.path().display().to_string();
    let mut recording = heatmark::open(&path)?;
    let mut engine = Engine::builder().signal(recording.format().signal).build()?;
    let mut faces = 0;
    while recording.read(&mut frame, WAIT)? == Read::Frame {
        let captured = Duration::from_nanos(frame.meta.captured.0);
        faces += engine.process(frame.view(), captured)?.len();
    }
    println!("{path}: {faces} faces in 27 frames");
    Ok(())
}
