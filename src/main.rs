//! Temporary driver of the renderer.
use heatmark::synth::{dataset::{self, Kind}, head::HeadModel, scene::Studio};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let studio = Studio::new(HeadModel::open(std::path::Path::new(&a[1])).unwrap());
    let kind = if a[2] == "crops" { Kind::Crops } else { Kind::Frames { width: 160, height: 120 } };
    let t = std::time::Instant::now();
    dataset::write(&studio, kind, a[3].parse().unwrap(), a[4].parse().unwrap(), a[6] == "rgb", 2, std::path::Path::new(&a[5])).unwrap();
    println!("{:.1}/s", a[4].parse::<f32>().unwrap() / t.elapsed().as_secs_f32());
}
