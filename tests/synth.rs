//! The renderer: the same bytes everywhere, truth that is true, and face models of every kind of broken.

mod studio;

use std::io::Cursor;
use std::path::{Path, PathBuf};

use heatmark::frame::{Frame, FrameFormat, Signal};
use heatmark::landmarks::{COUNT, MIRROR, REGIONS};
use heatmark::nn::card::Input;
use heatmark::npy::{Array, Values};
use heatmark::preprocess::{Crop, Preprocessor};
use heatmark::recording::Clip as _;
use heatmark::recording::pages::Pages;
use heatmark::source::cameras::lepton::Telemetry;
use heatmark::synth::backdrop::Place;
use heatmark::synth::climate::Climate;
use heatmark::synth::clip;
use heatmark::synth::dataset::{self, Kind};
use heatmark::synth::head::HeadModel;
use heatmark::synth::npz;
use heatmark::synth::person::{Identity, Moment, Person};
use heatmark::synth::random::Random;
use heatmark::synth::raster::{Camera, Light};
use heatmark::synth::readout::{self, Readout};
use heatmark::synth::scene::{self, Rendering, Scene};
use heatmark::synth::sensor::{Faults, SUPERSAMPLING, Sensor};
use heatmark::synth::sequence::{Demo, FRAMES};
use heatmark::synth::studio::Studio;
use heatmark::synth::truth::{FaceTruth, Visibility};
use heatmark::synth::vector::V3;
use heatmark::synth::wear::{Cover, Neck, Outfit};
use studio::studio;

/// A room; surfaces are black.
fn climate() -> Climate {
    let light = Light {
        emissivity: 1.0,
        grazing: 0.0,
        reflected_c: 22.0,
        direction: V3::new(0.0, 0.0, -1.0),
        lamp: [0.7; 3],
        ambient: [0.3; 3],
    };
    Climate { ambient_c: 22.0, outdoor: false, chill: 0.1, sun_k: 0.0, light }
}

const SIZE: f32 = 128.0;
const FOCAL: f32 = 500.0;

/// One bald, uncovered person of average shape, seen by an ideal sensor.
fn portrait(studio: &Studio, at: [f32; 3], pose: [f32; 3]) -> Rendering {
    let climate = climate();
    let outfit =
        Outfit { hair: false, beard: false, cover: Cover::None, mask: false, spectacles: false, neck: Neck::Bare };
    let shape = Identity::of(&studio.model, studio.model.neutral.clone());
    let person = Person::wearing(outfit, 34.0, studio, &shape, &climate, false, &mut Random::new(5, 5));
    let ss = SUPERSAMPLING as f32;
    let scene = Scene {
        climate,
        camera: Camera { focal: FOCAL * ss, centre: [0.5 * SIZE * ss; 2] },
        sensor: Sensor::ideal(),
        people: vec![person],
        place: Place::Office,
        backdrop: 1,
        texture_k: [0.0; 2],
        size: (SIZE as usize, SIZE as usize),
    };
    let moment = Moment { at: V3(at), pose, body_yaw: 0.0, expression: Vec::new(), breath: 0.0 };
    scene.render(studio, &[moment], false, &mut Random::new(0, 0))
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(dir)
        .expect("listed")
        .map(|e| e.expect("entry").path())
        .map(|p| (p.file_name().expect("a name").into(), std::fs::read(&p).expect("read")))
        .collect();
    all.sort();
    all
}

#[test]
fn bytes_depend_on_the_seed_alone() {
    let Some(studio) = studio() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let write = |kind, seed, count, threads| {
        let out = dir.path().join(format!("{kind:?}-{seed}-{threads}"));
        let set = dataset::Set { kind, seed, colour: true, faults: Faults::Drawn };
        dataset::write(studio, &set, count, threads, &out).expect("written");
        files(&out)
    };
    for kind in [Kind::Crops, Kind::Frames { width: 160, height: 120 }] {
        let (one, three) = (write(kind, 7, 7, 1), write(kind, 7, 7, 3));
        assert_eq!(one.len(), 10);
        for (a, b) in one.iter().zip(&three) {
            assert!(a == b, "{kind:?}: {} differs between 1 and 3 threads", a.0.display());
        }
        let other = write(kind, 8, 7, 1);
        let thermal = |set: &[(PathBuf, Vec<u8>)]| set.iter().find(|f| f.0 == Path::new("thermal.npy")).cloned();
        assert!(thermal(&one) != thermal(&other), "{kind:?}: two seeds, one picture");
        // What this machine makes, every machine makes. A change of the renderer changes these on purpose.
        let mut sum = hmac_sha256::Hash::new();
        one.iter().filter(|f| f.0 != Path::new("meta.json")).for_each(|f| sum.update(&f.1));
        let sum: String = sum.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
        let golden = if kind == Kind::Crops { GOLDEN[0] } else { GOLDEN[1] };
        assert_eq!(sum, golden, "{kind:?}");
    }
}

/// First eight bytes of the SHA-256 of the arrays of seven records of seed 7: crops, frames.
const GOLDEN: [&str; 2] = ["3410ce3aec3e9985", "99c4f9ab6e0db618"];

#[test]
fn points_are_where_a_pinhole_puts_them() {
    let Some(studio) = studio() else { return };
    let model = &studio.model;
    for (yaw, distance) in [(0.0f32, 100.0f32), (35.0, 120.0), (-50.0, 80.0)] {
        let r = portrait(studio, [0.0, 0.0, distance], [yaw, 0.0, 0.0]);
        let face = &r.faces[0];
        let (s, c) = f64::from(yaw).to_radians().sin_cos();
        for i in 0..COUNT {
            let q = model.neutral[model.landmarks[i]].0.map(f64::from);
            // About the neck, 8.5 cm below and 1.5 cm behind the origin; +x is the subject's left.
            let z0 = q[2] + 1.5;
            let (x, y, z) = (c * q[0] + s * z0, q[1], -s * q[0] + c * z0 - 1.5);
            let depth = f64::from(distance) - z;
            let want = [64.0 + 500.0 * x / depth, 64.0 - 500.0 * y / depth];
            for k in 0..2 {
                let off = (want[k] - f64::from(face.points[i][k])).abs();
                assert!(off < 0.01, "yaw {yaw}, point {i}: {:?}, wanted {want:?}", face.points[i]);
            }
        }
    }
}

#[test]
fn a_mirrored_subject_gives_mirrored_points() {
    let Some(studio) = studio() else { return };
    let a = portrait(studio, [3.0, 1.0, 110.0], [30.0, 8.0, 12.0]);
    let b = portrait(studio, [-3.0, 1.0, 110.0], [-30.0, 8.0, -12.0]);
    for i in 0..COUNT {
        let ([x, y], [u, v]) = (a.faces[0].points[i], b.faces[0].points[usize::from(MIRROR[i])]);
        // The average head is not quite symmetric: its marked vertices differ by up to 2 mm, one pixel here.
        let off = ((SIZE - x) - u).hypot(y - v);
        assert!(off < 1.0, "point {i}: {off} px");
    }
    // And the subject's right is on the left of the picture.
    let front = portrait(studio, [0.0, 0.0, 110.0], [0.0; 3]);
    assert!(front.faces[0].points[36][0] < front.faces[0].points[45][0]);
    assert!(front.faces[0].points[68][0] < front.faces[0].points[69][0]);
}

#[test]
fn the_far_side_of_a_profile_cannot_be_seen() {
    let Some(studio) = studio() else { return };
    let front = portrait(studio, [0.0, 0.0, 100.0], [0.0; 3]);
    let seen = front.faces[0].visibility.iter().filter(|v| **v == Visibility::Visible).count();
    assert!(seen >= 66, "{seen} of 70 seen from the front");
    // Turned to the picture's right, the subject's right eye is near.
    for (yaw, near, far) in [(85.0, 36..=40, 43..=46), (-85.0, 43..=46, 36..=40)] {
        let r = portrait(studio, [0.0, 0.0, 100.0], [yaw, 0.0, 0.0]);
        let v = &r.faces[0].visibility;
        for i in far.chain([if yaw > 0.0 { 69 } else { 68 }]) {
            assert_eq!(v[i], Visibility::SelfOccluded, "yaw {yaw}: point {i}");
        }
        let outer = if yaw > 0.0 { 36 } else { 45 };
        assert_eq!(v[outer], Visibility::Visible, "yaw {yaw}: the near eye's outer corner, of {near:?}");
        // Jaw from the far ear to below the far eye.
        let jaw = if yaw > 0.0 { 11..=16 } else { 0..=5 };
        assert!(jaw.clone().all(|i| v[i] != Visibility::Visible), "yaw {yaw}: {:?}", &v[jaw]);
    }
    // Outside the picture nothing is seen.
    let out = portrait(studio, [60.0, 0.0, 100.0], [0.0; 3]);
    assert!(out.faces[0].visibility.iter().all(|v| *v == Visibility::Occluded));
}

/// Mean and worst difference between `truth` and the pixels under visible points, how many of how many
/// were compared. Left out are points whose pixel and its eight neighbours span 0.6 K or more: on an edge
/// a pixel averages two surfaces.
fn compare(pictures: &[Rendering], truth: impl Fn(&FaceTruth, usize) -> f32) -> (f32, f32, usize, usize) {
    let (mut sum, mut worst, mut count, mut visible) = (0.0f32, 0.0f32, 0, 0);
    for picture in pictures {
        for face in picture.faces.iter().filter(|f| f.bbox.height() >= 40.0) {
            for k in (0..COUNT).filter(|&k| face.visibility[k] == Visibility::Visible) {
                visible += 1;
                let [x, y] = face.points[k].map(|p| p as usize);
                if !(1..127).contains(&x) || !(1..127).contains(&y) {
                    continue;
                }
                let around = (y - 1..=y + 1).flat_map(|y| (x - 1..=x + 1).map(move |x| y * 128 + x));
                let (lo, hi) = around.fold((f32::MAX, f32::MIN), |(lo, hi), i| {
                    (lo.min(picture.thermal_c[i]), hi.max(picture.thermal_c[i]))
                });
                if hi - lo < 0.6 {
                    let off = (picture.thermal_c[y * 128 + x] - truth(face, k)).abs();
                    (sum, worst, count) = (sum + off, worst.max(off), count + 1);
                }
            }
        }
    }
    (sum / count as f32, worst, count, visible)
}

/// A hundred drawn scenes without blur, noise and fine texture, faces of at least 40 px.
#[test]
fn pixels_under_visible_points_read_the_apparent_temperature() {
    let Some(studio) = studio() else { return };
    let render = |i| {
        let mut r = Random::new(21, i);
        let shape = Identity::draw(&studio.model, &mut r);
        let (mut scene, moments) = scene::crop(studio, &shape, 128, false, &mut r);
        scene.sensor = Sensor::ideal();
        scene.texture_k = [0.0; 2];
        scene.render(studio, &moments, false, &mut r)
    };
    let pictures: Vec<Rendering> = (0..100).map(render).collect();
    let (mean, worst, count, visible) = compare(&pictures, |f, k| f.apparent_c[k]);
    println!("apparent: {count} of {visible} visible points: mean {mean:.3} K, worst {worst:.2} K");
    assert!(count > 800 && mean < 0.15 && worst < 0.6, "{count} of {visible}: mean {mean} K, worst {worst} K");
}

/// What a region's truth is: the mean of the picture's pixels in its disc, and none where the head hides it.
#[test]
fn regions_tell_what_an_ideal_camera_sees_of_them() {
    let Some(studio) = studio() else { return };
    for yaw in [0.0, 60.0, -60.0] {
        let r = portrait(studio, [0.0, 0.0, 95.0], [yaw, 0.0, 0.0]);
        let face = &r.faces[0];
        let size = face.bbox.size();
        for (region, truth) in REGIONS.iter().zip(face.regions_c) {
            let name = format!("{} at {yaw}", region.name);
            let far = if yaw > 0.0 { "left" } else { "right" };
            assert!(yaw == 0.0 || !name.contains(far) || truth.is_nan(), "{name}: {truth}");
            let near = match yaw {
                0.0 => region.name != "mouth",
                60.0 => region.name == "cheek_right",
                _ => region.name == "cheek_left",
            };
            assert!(!near || truth.is_finite(), "{name} is seen");
            if truth.is_nan() {
                continue;
            }
            let centre = |k: usize| region.centre.iter().map(|&(i, w)| w * face.points[usize::from(i)][k]).sum::<f32>();
            let (cx, cy, radius) = (centre(0), centre(1), region.radius * size);
            let within = |i: &usize| {
                let (dx, dy) = ((i % r.width) as f32 + 0.5 - cx, (i / r.width) as f32 + 0.5 - cy);
                dx * dx + dy * dy <= radius * radius
            };
            let pixels: Vec<f32> = (0..r.thermal_c.len()).filter(within).map(|i| r.thermal_c[i]).collect();
            let mean = pixels.iter().sum::<f32>() / pixels.len() as f32;
            assert!(pixels.len() > 4 && (mean - truth).abs() < 0.15, "{name}: {mean} of {}, {truth}", pixels.len());
        }
    }
}

/// Skin as black as it gets shows its own temperature: pixels against the truth of the field itself,
/// which never passed through the picture.
#[test]
fn black_skin_shows_its_true_temperature() {
    let Some(studio) = studio() else { return };
    let mut pictures = Vec::new();
    let poses = [(0.0, 0.0), (25.0, 10.0), (-40.0, -8.0), (60.0, 0.0), (15.0, -12.0), (-20.0, 4.0), (40.0, 5.0)];
    for (yaw, pitch) in poses {
        pictures.push(portrait(studio, [0.0, 0.0, 95.0], [yaw, pitch, 5.0]));
    }
    let (mean, worst, count, visible) = compare(&pictures, |f, k| f.skin_c[k]);
    println!("skin: {count} of {visible} visible points: mean {mean:.3} K, worst {worst:.2} K");
    assert!(count > 80 && mean < 0.15 && worst < 1.0, "{count} of {visible}: mean {mean} K, worst {worst} K");
}

#[test]
fn every_sensor_size_and_any_number_of_people() {
    let Some(studio) = studio() else { return };
    let mut seen = [0; dataset::FACES + 1];
    for (width, height, records) in [(80, 60, 60), (160, 120, 12), (640, 512, 3)] {
        for i in 0..records {
            let r = Kind::Frames { width, height }.render(studio, 3, i, false);
            assert_eq!((r.width, r.height, r.thermal_c.len()), (width, height, width * height));
            assert!(r.thermal_c.iter().all(|t| (-120.0..250.0).contains(t)), "{width}x{height} record {i}");
            for f in &r.faces {
                assert!(f.points.as_flattened().iter().chain(&f.skin_c).chain(&f.apparent_c).all(|x| x.is_finite()));
                assert!(f.skin_c.iter().all(|t| (10.0..45.0).contains(t)), "{:?}", f.skin_c);
            }
            seen[r.faces.len()] += 1;
        }
    }
    assert!(seen[..4].iter().all(|n| *n > 0), "faces per record: {seen:?}");
}

#[test]
fn the_shipped_clip_is_what_its_recipe_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/clips");
    let clip = std::fs::read(folder.join("demo.tiff")).expect("the clip");
    assert!(clip.len() < 6_000_000, "{} bytes", clip.len());
    let truth = std::fs::read_to_string(folder.join("demo.truth.ndjson")).expect("its truth");
    let lines: Vec<serde_json::Value> = truth.lines().map(|l| serde_json::from_str(l).expect("a line")).collect();
    assert_eq!(lines.len() as u64, FRAMES);
    let faces = |i: usize| lines[i]["faces"].as_array().expect("faces");
    assert!(lines.iter().enumerate().all(|(i, l)| l["seq"] == i && (1..=2).contains(&faces(i).len())));
    assert!(faces(0).len() == 2 && faces(140).len() == 1, "two people, then one");
    let Some(studio) = studio() else { return };
    let mut shipped = Pages::open("demo", Cursor::new(clip), None, 9.0).expect("a recording");
    let mut demo = Demo::new(studio, 9);
    let mut frame = heatmark::frame::Frame::new(demo.format());
    for i in 0..3 {
        assert!(shipped.read(&mut frame), "frame {i}");
        let (want, truth) = demo.frame(studio, i);
        assert!(frame.pixels == want.pixels, "frame {i} differs: was the clip rendered again?");
        let x = faces(i as usize)[0]["points"][30][0].as_f64().expect("a number");
        assert!((x - f64::from(truth[0].points[30][0])).abs() < 0.006, "frame {i}: {x}");
    }
}

/// Network inputs that the definition of training made of one frame (models/training/tests/test_parity.py).
#[test]
fn training_and_runtime_see_the_same() {
    let bytes = include_bytes!("data/preprocess.npy");
    let mut rest = &bytes[..];
    let mut next = || {
        let (array, after) = Array::parse(rest, "preprocess.npy").expect("an array");
        rest = after;
        array
    };
    let (picture, places, crops, whole) = (next(), next(), next(), next());
    let counts = |a: Array| match a.values {
        Values::U16(v) => v,
        other => panic!("{other:?}"),
    };
    let wanted = |a: Array| counts(a).into_iter().map(|v| (f32::from(v) / 32767.5 - 1.0) * 1.5).collect::<Vec<f32>>();
    let format = FrameFormat { width: 160, height: 120, signal: Signal::CENTIKELVIN, rate_hz: 9.0 };
    let mut frame = Frame::new(format);
    frame.pixels = counts(picture);
    let Values::F32(places) = places.values else { panic!("places are f32") };
    let mut spec = Input {
        name: "image".into(),
        channels: 2,
        height: 96,
        width: 96,
        percentiles: [1.0, 99.0],
        contrast_window: Some(25),
        crop_factor: Some(1.4),
    };
    let worst = |got: &[f32], want: &[f32]| {
        assert_eq!(got.len(), want.len());
        got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max)
    };
    let mut maker = Preprocessor::default();
    let mut got = vec![0.0; 2 * 96 * 96];
    for (place, want) in places.chunks_exact(4).zip(wanted(crops).chunks_exact(2 * 96 * 96)) {
        let crop = Crop { centre: [place[0], place[1]], half: place[2], roll: place[3] };
        maker.crop(&frame, &crop, &spec, &mut got);
        assert!(worst(&got, want) < 1e-3, "{crop:?}: off by {}", worst(&got, want));
    }
    (spec.width, spec.height, spec.percentiles) = (160, 128, [0.5, 99.5]);
    let mut got = vec![0.0; 2 * 160 * 128];
    maker.letterbox(&frame, &spec, 160, 1.0, &mut got);
    let off = worst(&got, &wanted(whole));
    assert!(off < 1e-3, "detector input: off by {off}");
}

/// What a rendered PureThermal sends is what the decoder of cameras reads.
#[test]
fn a_rendered_camera_tells_its_telemetry() {
    let Some(studio) = studio() else { return };
    for readout in [Readout::default(), Readout { raw: true, gain: readout::Gain::Low }] {
        let (mut demo, mut transfers) = (Demo::with(studio, 24, readout), clip::Transfers::default());
        let mut states = Vec::new();
        for i in [0, 94, 103, 110, 119, 213] {
            let (frame, _) = demo.frame(studio, i);
            let words = transfers.next(&frame, readout);
            assert_eq!(words.len(), 160 * 122);
            assert_eq!(words[..160 * 120], frame.pixels);
            let bytes: Vec<u8> = words[160 * 120..].iter().flat_map(|w| w.to_le_bytes()).collect();
            let said = Telemetry::read(&bytes).expect("telemetry");
            assert_eq!((said.counter, said.signal()), (3 * i as u32, readout.signal()), "frame {i}");
            states.push(said.ffc);
        }
        use heatmark::frame::FfcState::{Idle, Imminent, Running, Settling};
        // A Lepton calls its offsets unsettled for ten seconds.
        assert_eq!(states, [Idle, Imminent, Running, Settling, Settling, Idle]);
    }
}

/// The colour camera of the demo sees the same people from beside, at other moments.
#[test]
fn the_colour_camera_sees_the_same_people() {
    let Some(studio) = studio() else { return };
    let mut demo = Demo::new(studio, 2);
    let (_, thermal) = demo.frame(studio, 0);
    let colour = demo.colour(studio, 0);
    assert_eq!((colour.rgb.len(), colour.faces.len(), thermal.len()), (320 * 240, 2, 2));
    assert!(colour.stamped.0 > colour.exposed.0, "drivers stamp late");
    let mean = |f: &FaceTruth| f.points.iter().map(|p| p[0]).sum::<f32>() / COUNT as f32;
    for (t, c) in thermal.iter().zip(&colour.faces) {
        // From 57 degrees and 160 px to 66 degrees and 320 px, and parallax to the left that shrinks with distance.
        let focal = [80.0 / 28.5f32.to_radians().tan(), 160.0 / 33f32.to_radians().tan()];
        let shift = (mean(t) - 80.0) / focal[0] * focal[1] + 160.0 - mean(c);
        assert!((8.0..25.0).contains(&shift), "parallax {shift} px");
    }
    // The thermal side is the same with and without it.
    let (again, _) = demo.frame(studio, 1);
    assert!(again.pixels == Demo::new(studio, 2).frame(studio, 1).0.pixels);
    // Skin is seen in colour, not grey.
    let [x, y] = colour.faces[0].points[30].map(|p| p as usize);
    let [r, g, b] = colour.rgb[y * 320 + x];
    assert!(r > g && g > b, "{:?} at the tip of the nose", [r, g, b]);
}

/// An array of a face model: name, type, shape, bytes.
type Member = (&'static str, String, Vec<usize>, Vec<u8>);
type Arrays = Vec<Member>;

/// The smallest model that opens: a tetrahedron with every part and one mode and expression.
fn tiny() -> Arrays {
    let floats = |v: &[f32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let ints = |v: &[u32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let name: Vec<u32> = "jawOpen".chars().map(u32::from).collect();
    vec![
        ("neutral", "<f4".into(), vec![4, 3], floats(&[0., 8., 0., -7., -6., 0., 7., -6., 0., 0., 0., 9.])),
        ("triangles", "<u4".into(), vec![4, 3], ints(&[0, 1, 3, 1, 2, 3, 2, 0, 3, 0, 2, 1])),
        ("identity", "<f2".into(), vec![1, 4, 3], vec![0; 24]),
        ("expression", "<f2".into(), vec![1, 4, 3], vec![0; 24]),
        ("expression_names", "<U7".into(), vec![1], ints(&name)),
        ("part", "|u1".into(), vec![4], vec![0, 1, 2, 6]),
        ("landmarks68", "<u4".into(), vec![68], ints(&[3; 68])),
        ("pupils", "<u4".into(), vec![2], ints(&[1, 2])),
    ]
}

fn pack(arrays: &Arrays) -> Vec<u8> {
    let mut out = npz::Writer::new(Cursor::new(Vec::new()));
    for (name, kind, shape, bytes) in arrays {
        out.put(name, kind, shape, bytes).expect("written");
    }
    out.finish().expect("finished").into_inner()
}

fn opened(bytes: &[u8]) -> Result<HeadModel, String> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("head.npz");
    std::fs::write(&path, bytes).expect("written");
    HeadModel::open(&path).map_err(|e| {
        let text = e.to_string();
        assert!(text.contains("head.npz"), "the error does not name the file: {text}");
        text
    })
}

#[test]
fn a_model_of_any_shape_renders() {
    let studio = Studio::new(opened(&pack(&tiny())).expect("opens"));
    for i in 0..20 {
        let r = Kind::Crops.render(&studio, 1, i, true);
        assert!(r.thermal_c.iter().all(|t| t.is_finite()) && r.rgb.len() == 128 * 128, "record {i}");
    }
}

#[test]
fn broken_face_models_are_errors_that_say_why() {
    let gone = HeadModel::open(Path::new("no/such.npz")).err().expect("must fail").to_string();
    assert!(gone.contains("no/such.npz") && gone.contains("convert"), "{gone}");
    let huge = |shape: &[usize]| -> Arrays {
        let mut a = tiny();
        a[0].2 = shape.to_vec();
        a
    };
    let with = |i: usize, change: &dyn Fn(&mut Member)| -> Arrays {
        let mut a = tiny();
        change(&mut a[i]);
        a
    };
    let cases: Vec<(Arrays, &str)> = vec![
        (huge(&[1 << 40, 3]), "cut short"),
        (huge(&[usize::MAX, 3]), "impossible size"),
        (huge(&[0, 3]), "no vertices"),
        (huge(&[6, 2]), "shape"),
        (huge(&[12]), "shape"),
        (with(0, &|a| a.1 = "<i4".into()), "<i4"),
        (with(0, &|a| a.1 = "<f8".into()), "<f8"),
        (with(0, &|a| a.1 = "<U9999999999999999999".into()), "type"),
        (with(0, &|a| a.3[..4].copy_from_slice(&f32::NAN.to_le_bytes())), "not a length"),
        (with(0, &|a| a.3[..4].copy_from_slice(&1e30f32.to_le_bytes())), "not a length"),
        (with(1, &|a| a.3[0] = 4), "beyond"),
        (with(1, &|a| a.3[..4].fill(255)), "beyond"),
        (with(2, &|a| a.2 = vec![1, 3, 4]), "shape"),
        (with(2, &|a| a.3[1] = 0x7c), "not a length"),
        (with(4, &|a| a.2 = vec![7]), "cut short"),
        (with(4, &|a| (a.1, a.2) = ("<U1".into(), vec![7])), "expression"),
        (with(5, &|a| a.3[2] = 7), "part number 7"),
        (with(6, &|a| a.2 = vec![67]), "shape"),
        (with(7, &|a| a.3[0] = 200), "beyond"),
    ];
    for (arrays, word) in cases {
        let e = opened(&pack(&arrays)).err().expect(word);
        assert!(e.contains(word), "wanted `{word}`: {e}");
    }
    for i in 0..8 {
        let mut arrays = tiny();
        let name = arrays.remove(i).0;
        let e = opened(&pack(&arrays)).err().expect(name);
        assert!(e.contains(name) && e.contains("missing"), "{e}");
    }
    let mut foreign = zip::ZipWriter::new(Cursor::new(Vec::new()));
    foreign.start_file("readme.txt", zip::write::SimpleFileOptions::default()).expect("started");
    assert!(opened(&foreign.finish().expect("finished").into_inner()).is_err_and(|e| e.contains("missing")));
    assert!(opened(b"").is_err() && opened(b"P5 1 1 255 x").is_err());
}

#[test]
fn damage_is_never_a_panic() {
    let whole = pack(&tiny());
    for cut in 0..whole.len() {
        assert!(opened(&whole[..cut]).is_err(), "cut at {cut} of {}", whole.len());
    }
    // Flipped bits may be harmless; then the model must still be usable.
    let mut r = Random::new(11, 0);
    for _ in 0..1500 {
        let mut bytes = whole.clone();
        for _ in 0..1 + r.below(3) {
            let at = r.below(bytes.len());
            bytes[at] ^= 1 << r.below(8);
        }
        if let Ok(model) = opened(&bytes) {
            let shape = model.identity(&[1.0; 4]);
            assert_eq!(shape.len(), model.neutral.len());
        }
    }
}
