//! Evaluation with the usual metrics, on synthetic data sets or on annotated pictures.
//!
//! Landmarks are measured twice: *given the box*, as papers report them, and *found*, end to end from the
//! picture; there a missed face counts as a failure. The report gives the number of synthetic pictures.

pub mod detections;
pub mod mean;
pub mod metrics;
pub mod read;
mod report;
pub mod sample;
mod synthetic;
pub mod temperatures;
pub mod track;

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use self::detections::{DetectionScores, Detections, Target};
use self::metrics::{Calibration, CalibrationScores, LandmarkScores, Landmarks};
use self::read::Flow;
use self::sample::{Sample, Truth};
use self::temperatures::{TemperatureReport, Temperatures};
use crate::error::Result;
use crate::face::Engine;
use crate::frame::{Frame, Signal};
use crate::geometry::iou;
use crate::landmarks::COUNT;
use crate::preprocess::bilinear;
use crate::result::{Face, FrameResult};

/// What to evaluate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// What 16-bit pictures hold; temperatures need [`Signal::Radiometric`]. Not used for synthetic data sets.
    pub signal: Signal,
    /// Stop after this many pictures.
    pub limit: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self { signal: Signal::Counts, limit: None }
    }
}

/// Results of one evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Files and folders that were read.
    pub paths: Vec<String>,
    /// Number of pictures.
    pub pictures: usize,
    /// Pictures of these from synthetic data sets.
    pub synthetic: usize,
    /// Annotated faces.
    pub faces: usize,
    /// Landmarks given the box; `None` if no landmarks are annotated.
    pub given_box: Option<LandmarkScores>,
    /// Landmarks found end to end.
    pub found: Option<LandmarkScores>,
    /// The detector alone, against the annotated boxes.
    pub detector: DetectionScores,
    /// The same for faces of [`LARGE`] px and more.
    pub detector_large: DetectionScores,
    /// Detector and landmark network together, against the same boxes.
    pub together: DetectionScores,
    /// Pictures without faces, and the faces that detector and landmark network find in them.
    pub empty: Empty,
    /// Predicted against true landmark errors, given the box.
    pub calibration: Option<CalibrationScores>,
    /// Errors of temperatures, given the box, in radiometric pictures.
    pub temperature: Option<TemperatureReport>,
}

/// Smallest face that counts, square root of the box area in pixels.
pub const SMALL: f32 = 12.0;

/// Faces of this size and more must not be missed, square root of the box area in pixels.
pub const LARGE: f32 = 16.0;

/// Minimum score of a candidate for the average precision, which uses all ranks. Recall, precision and false
/// positives use the detector's own threshold.
pub const CANDIDATE: f32 = 0.05;

/// A face with a larger share of its points behind objects or outside the picture does not count.
pub const HIDDEN: f32 = 0.7;

/// Faces found in pictures without faces.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Empty {
    /// Pictures without faces.
    pub pictures: usize,
    /// Faces found in them.
    pub faces: usize,
}

/// Runs `engine` over every annotated picture under `paths` ([`read`] lists the formats).
///
/// # Errors
/// Fix errors name a file that cannot be read; errors of `engine` are passed on.
pub fn run(paths: &[PathBuf], engine: &mut Engine, options: &Options) -> Result<Report> {
    let mut tally = Tally::default();
    let mut result = FrameResult::new(Arc::from("eval"), 16);
    let full = |pictures: usize| options.limit.is_some_and(|limit| pictures >= limit);
    for path in paths {
        if full(tally.pictures) {
            break;
        }
        let synthetic = path.join("thermal.npy").is_file();
        let _ = read::each(path, options.signal, |sample| {
            tally.synthetic += usize::from(synthetic);
            tally.add(&sample, engine, &mut result)?;
            Ok(if full(tally.pictures) { Flow::Break(()) } else { Flow::Continue(()) })
        })?;
        log::info!("{}: {} pictures so far", path.display(), tally.pictures);
    }
    Ok(tally.report(paths))
}

#[derive(Default)]
struct Tally {
    pictures: usize,
    synthetic: usize,
    given: Landmarks,
    found: Landmarks,
    annotated: usize,
    detections: Detections,
    large: Detections,
    together: Detections,
    empty: Empty,
    calibration: Calibration,
    temperature: Temperatures,
}

impl Tally {
    fn add(&mut self, sample: &Sample, engine: &mut Engine, result: &mut FrameResult) -> Result<()> {
        self.pictures += 1;
        let shares: Vec<f32> = sample.faces.iter().map(|f| hidden(f, &sample.frame)).collect();
        // A hidden face does not count, like one of size 0.
        let seen_size = |(f, &share): (&Truth, &f32)| if share <= HIDDEN { f.bbox.size() } else { 0.0 };
        let sizes: Vec<f32> = sample.faces.iter().zip(&shares).map(seen_size).collect();
        let above = |least: f32| -> Vec<Target> {
            let faces = sample.faces.iter().zip(&sizes).zip(&shares);
            faces.map(|((f, &size), &hidden)| Target { bbox: f.bbox, counts: size >= least, hidden }).collect()
        };
        let threshold = engine.detector_threshold();
        let candidates = engine.candidates(&sample.frame, CANDIDATE.min(threshold))?;
        let seen: Vec<_> = candidates.iter().map(|d| (d.bbox, d.score)).collect();
        let asked = above(SMALL);
        self.detections.add(&asked, &seen, threshold);
        self.large.add(&above(LARGE), &seen, threshold);
        engine.process_still_frame(&sample.frame, result)?;
        let faces: Vec<_> = result.faces.iter().map(|f| (f.bbox, f.score)).collect();
        self.together.add(&asked, &faces, 0.0);
        if sample.faces.is_empty() {
            self.empty.pictures += 1;
            self.empty.faces += result.faces.len();
        }
        let mut taken = vec![false; result.faces.len()];
        let counted = sample.faces.iter().zip(&sizes).zip(&shares).filter(|((_, size), _)| **size >= SMALL);
        for ((truth, &size), &hidden) in counted {
            if truth.five.is_none() {
                continue;
            }
            self.annotated += 1;
            let best = (0..taken.len()).filter(|&i| !taken[i] && iou(result.faces[i].bbox, truth.bbox) >= 0.3).max_by(
                |&a, &b| {
                    let shared = |i: usize| iou(result.faces[i].bbox, truth.bbox);
                    shared(a).total_cmp(&shared(b))
                },
            );
            if let Some(i) = best {
                taken[i] = true;
            }
            let found = best.map(|i| positions(&result.faces[i]));
            self.found.add(truth, hidden, found.as_ref());
            let given = engine.infer_box(&sample.frame, truth.bbox)?;
            self.given.add(truth, hidden, given.as_ref().map(|(_, shape)| &shape.points));
            if let (Some(points), Some((face, shape))) = (&truth.points, &given) {
                for i in 0..COUNT {
                    let (p, q) = (points[i], shape.points[i]);
                    let error = (p[0] - q[0]).hypot(p[1] - q[1]);
                    self.calibration.add(error, shape.spread[i], shape.confidence[i], size);
                }
                self.temperatures(sample, truth, points, face, engine);
            }
        }
        Ok(())
    }

    fn temperatures(
        &mut self,
        sample: &Sample,
        truth: &Truth,
        points: &[[f32; 2]; COUNT],
        face: &Face,
        engine: &Engine,
    ) {
        let Some(thermometer) = engine.thermometer(sample.frame.format.signal) else { return };
        let visible = truth.visibility.map(|v| v == 0);
        if let Some(heat) = &truth.heat {
            self.temperature.add(face, heat, &visible, truth.bbox.size(), &thermometer);
        }
        let (w, h) = (sample.frame.width(), sample.frame.height());
        for i in (0..COUNT).filter(|&i| visible[i] && points[i][0].is_finite() && face.landmark_c.at(i).is_ok()) {
            let read = |p| thermometer.apparent(bilinear(&sample.frame.pixels, w, h, p)).0;
            self.temperature.displaced(read([face.landmarks[i].x, face.landmarks[i].y]), read(points[i]));
        }
    }

    fn report(&self, paths: &[PathBuf]) -> Report {
        let landmarks = |l: &Landmarks| (self.annotated > 0).then(|| l.scores());
        Report {
            paths: paths.iter().map(|p| p.display().to_string()).collect(),
            pictures: self.pictures,
            synthetic: self.synthetic,
            faces: self.detections.scores().faces,
            given_box: landmarks(&self.given),
            found: landmarks(&self.found),
            detector: self.detections.scores(),
            detector_large: self.large.scores(),
            together: self.together.scores(),
            empty: self.empty,
            calibration: Some(self.calibration.scores()).filter(|c| c.points > 0),
            temperature: self.temperature.report(),
        }
    }
}

/// Share of a face's points that are behind objects or outside the picture; 0 if only its box is known.
fn hidden(truth: &Truth, frame: &Frame) -> f32 {
    let Some(points) = &truth.points else { return 0.0 };
    let (w, h) = (frame.width() as f32, frame.height() as f32);
    let outside = |p: &[f32; 2]| p[0] < 0.0 || p[1] < 0.0 || p[0] > w || p[1] > h;
    let gone = points.iter().zip(&truth.visibility).filter(|&(p, &v)| v == 2 || outside(p)).count();
    gone as f32 / COUNT as f32
}

fn positions(face: &Face) -> [[f32; 2]; COUNT] {
    std::array::from_fn(|i| [face.landmarks[i].x, face.landmarks[i].y])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::pose::project;
    use crate::face::{Settings, fake};
    use crate::geometry::Rect;
    use crate::npy::{Array, Values};
    use crate::radiometry;
    use crate::result::Pose;

    fn engine(world: &fake::World) -> Engine {
        Engine::with(
            &Settings::default(),
            radiometry::Settings { emissivity: 1.0, reflected_c: 20.0 },
            (&fake::detector_card(), world.detector()),
            (&fake::landmark_card(), world.landmarks()),
        )
        .unwrap()
    }

    /// Synthetic truth of two pictures: one face, then two; the points are those of the fake network.
    fn folder(faces: &[&[([f32; 2], f32)]]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let n = faces.len();
        let (mut thermal, mut points) = (Vec::new(), vec![f32::NAN; n * 4 * COUNT * 2]);
        for (i, squares) in faces.iter().enumerate() {
            thermal.extend(fake::frame(160, 120, squares).pixels);
            for (k, (centre, side)) in squares.iter().enumerate() {
                let head = project(Pose::default(), 1.0, [0.0, 0.0]);
                let b = Rect::around(&head);
                for (j, p) in head.iter().enumerate() {
                    let at = ((i * 4 + k) * COUNT + j) * 2;
                    points[at] = centre[0] + side * ((p[0] - b.x0) / b.width() - 0.5);
                    points[at + 1] = centre[1] + side * ((p[1] - b.y0) / b.height() - 0.5);
                }
            }
        }
        let save = |name: &str, shape: Vec<usize>, values| {
            std::fs::write(dir.path().join(name), Array { shape, values }.to_bytes()).unwrap();
        };
        save("thermal.npy", vec![n, 120, 160], Values::U16(thermal));
        save("points.npy", vec![n, 4, COUNT, 2], Values::F32(points));
        save("visibility.npy", vec![n, 4, COUNT], Values::U8(vec![0; n * 4 * COUNT]));
        save("skin.npy", vec![n, 4, COUNT], Values::F32(vec![34.5; n * 4 * COUNT]));
        save("apparent.npy", vec![n, 4, COUNT], Values::F32(vec![34.0; n * 4 * COUNT]));
        save(
            "regions.npy",
            vec![n, 4, 8],
            Values::F32([34.0, 34.0, 34.0, 33.0, 34.0, 34.0, f32::NAN, 34.0].repeat(n * 4)),
        );
        dir
    }

    #[test]
    fn a_faithful_network_scores_near_perfect_and_a_blind_one_fails() {
        let dir = folder(&[&[([60.0, 60.0], 36.0)], &[([40.0, 40.0], 30.0), ([110.0, 70.0], 50.0)]]);
        let world = fake::World::default();
        let paths = [dir.path().to_path_buf()];
        let r = run(&paths, &mut engine(&world), &Options::default()).unwrap();
        assert_eq!((r.pictures, r.synthetic, r.faces), (2, 2, 3));
        let (given, found) = (r.given_box.clone().unwrap(), r.found.clone().unwrap());
        assert!(given.box_size.nme < 0.02 && found.box_size.nme < 0.02 && found.missed == 0, "{r}");
        assert_eq!((r.detector.ap_50, r.detector.recall), (1.0, 1.0));
        assert_eq!((r.together.recall, r.together.false_per_picture), (1.0, 0.0));
        let t = r.temperature.clone().unwrap();
        let of =
            |list: &[(&str, temperatures::TemperatureScores)], name: &str| list.iter().find(|k| k.0 == name).unwrap().1;
        let skin = of(&t.kinds, "points, skin");
        assert!(skin.median_k > 0.4 && skin.median_k < 0.6, "34.0 in the picture, 34.5 by the truth: {skin:?}");
        assert!(of(&t.kinds, "points, apparent").median_k < 0.05, "{t:?}");
        let nose = of(&t.regions, "nose_tip");
        assert!((0.9..1.1).contains(&nose.bias_k) && nose.readings == 1, "one face is large: {nose:?}");
        assert!(of(&t.regions, "mouth").mean_k < 0.1 && t.regions.iter().all(|r| r.0 != "cheek_right"), "{t:?}");
        let text = r.to_string();
        assert!(text.contains("2 pictures (2 synthetic), 3 faces") && text.contains("AP50 100.00"), "{text}");
        serde_json::to_string(&r).unwrap();

        world.faceless(true);
        let r = run(&paths, &mut engine(&world), &Options::default()).unwrap();
        assert_eq!(
            (r.detector.recall, r.together.recall),
            (1.0, 0.0),
            "what the landmark network refuses is not found"
        );
        world.faceless(false);

        world.blind(true);
        let r = run(&paths, &mut engine(&world), &Options::default()).unwrap();
        assert_eq!((r.detector.recall, r.together.recall, r.found.clone().unwrap().missed), (0.0, 0.0, 3));
        assert_eq!(r.found.unwrap().box_size.failure_10, 1.0);
        assert!(r.given_box.unwrap().box_size.nme < 0.02);
    }

    #[test]
    fn a_limit_stops_and_damage_is_named() {
        let one: &[([f32; 2], f32)] = &[([60.0, 60.0], 36.0)];
        let dir = folder(&[one; 3]);
        let world = fake::World::default();
        let paths = [dir.path().to_path_buf(), dir.path().to_path_buf()];
        let limited = Options { limit: Some(2), ..Options::default() };
        assert_eq!(run(&paths, &mut engine(&world), &limited).unwrap().pictures, 2);
        assert_eq!(run(&paths, &mut engine(&world), &Options::default()).unwrap().pictures, 6);
        let file = dir.path().join("thermal.npy");
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        let e = run(&paths, &mut engine(&world), &Options::default()).unwrap_err().to_string();
        assert!(e.contains("thermal.npy") && e.contains("picture 2"), "{e}");
        assert_eq!(run(&paths, &mut engine(&world), &limited).unwrap().pictures, 2, "the third is not read");
    }

    #[test]
    fn an_error_in_the_last_picture_of_a_limit_is_reported() {
        let one: &[([f32; 2], f32)] = &[([60.0, 60.0], 36.0)];
        // The networks run on the second picture only.
        let dir = folder(&[&[], one]);
        let paths = [dir.path().to_path_buf()];
        let world = fake::World::default();
        let mut engine = engine(&world);
        world.break_down(true);
        let limit = |n| Options { limit: Some(n), ..Options::default() };
        assert_eq!(run(&paths, &mut engine, &limit(1)).unwrap().pictures, 1);
        let e = run(&paths, &mut engine, &limit(2)).unwrap_err().to_string();
        assert!(e.contains("broken"), "{e}");
    }
}
