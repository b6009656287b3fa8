//! Writes a rendered sequence as a recording of ours, with its truth beside it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::scene::{FaceTruth, Studio, Visibility};
use super::sequence::Demo;
use crate::error::{Error, Result};
use crate::recording::Camera;
use crate::recording::write::Writer;

/// Renders the first `frames` frames of the built-in clip into `path` and their truth into the same name
/// with `.truth.ndjson`.
pub fn write_demo(studio: &Studio, seed: u64, frames: u64, path: &Path) -> Result<()> {
    let io = |p: &Path| {
        let name = p.display().to_string();
        move |e: std::io::Error| Error::fix(name, "cannot be written").because(e)
    };
    let truth_path = path.with_extension("truth.ndjson");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path).map_err(io(path))?;
    let mut truth = BufWriter::new(File::create(&truth_path).map_err(io(&truth_path))?);
    let camera = Camera { name: Some("demo".into()), model: Some("rendered Lepton 3".into()), ..Camera::default() };
    let mut writer = Writer::new(&path.display().to_string(), file, camera, 9)?;
    let mut demo = Demo::new(studio, seed);
    for i in 0..frames {
        let (frame, faces) = demo.frame(studio, i);
        writer.put(&frame, None, 0)?;
        let faces: Vec<_> = faces.iter().map(face).collect();
        writeln!(truth, "{}", serde_json::json!({ "seq": i, "faces": faces })).map_err(io(&truth_path))?;
    }
    writer.finish()?;
    truth.flush().map_err(io(&truth_path))
}

fn face(f: &FaceTruth) -> serde_json::Value {
    let round = |x: f32| (f64::from(x) * 100.0).round() / 100.0;
    let points: Vec<_> = f.points.iter().map(|p| [round(p[0]), round(p[1])]).collect();
    let visible: Vec<u8> = f.visibility.iter().map(|v| u8::from(*v == Visibility::Visible)).collect();
    serde_json::json!({
        "box": f.bbox.map(round),
        "pose_deg": f.pose.map(round),
        "points": points,
        "visible": visible,
        "apparent_c": f.apparent_c.map(round).to_vec(),
        "skin_c": f.skin_c.map(round).to_vec(),
    })
}
