//! A live camera, or whatever is named: `cargo run --release --example camera -- demo`

use std::ops::ControlFlow;

use heatmark::{Engine, Stream};

/// Frames after which the example ends.
const FRAMES: u64 = 100;

fn main() -> heatmark::Result<()> {
    let spec = std::env::args().nth(1).unwrap_or_else(|| "auto".into());
    let engine = Engine::builder().max_faces(4).build()?;
    let mut seen = 0;
    let summary = Stream::open(&spec)?.run(engine, move |frame, result| {
        for face in &result.faces {
            let nose = face.points().row(30).to_vec();
            println!(
                "frame {}: face {} looks {:+.0} deg, nose tip at {nose:.1?}",
                frame.meta.seq, face.track, face.pose.yaw
            );
        }
        seen += 1;
        if seen < FRAMES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    println!(
        "{} frames presented, {} dropped",
        summary.snapshot.counts.presented,
        summary.snapshot.counts.dropped.sum()
    );
    Ok(())
}
