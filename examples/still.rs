//! Faces and temperatures of one picture: `cargo run --release --example still -- face.png`

use std::path::PathBuf;

use heatmark::{Engine, landmarks};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path: PathBuf = std::env::args_os().nth(1).ok_or("usage: still PICTURE")?.into();
    let frame = heatmark::read_still(&path)?;
    let mut engine = Engine::builder().signal(frame.format.signal).build_for_stills()?;
    for face in engine.process_still(frame.view())? {
        println!("face {}, score {:.2}, {:?}", face.track, face.score, face.bbox);
        for (region, reading) in landmarks::REGIONS.iter().zip(face.region_c.iter()) {
            match reading {
                Ok(celsius) => println!("  {}: {celsius:.1} degC", region.name),
                Err(reason) => println!("  {}: no temperature, {}", region.name, reason.name()),
            }
        }
    }
    Ok(())
}
