//! `heatmark eval --track` as its users run it: our tracker, a still box, saved boxes, and what cannot be evaluated.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use heatmark::eval::track::follow::Still;
use heatmark::eval::track::{Follower, Options, run};
use heatmark::npy::header;
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;
use serde_json::Value;

/// The built-in pair: its pictures and the boxes of its walker.
const CLIPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/clips");
const FRAMES: usize = 72;

fn heatmark(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_heatmark")).args(["-q", "eval", "--track"]).args(arguments).output().unwrap()
}

#[track_caller]
fn report(arguments: &[&str]) -> Value {
    let out = heatmark(&[arguments, &["--json"]].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[track_caller]
fn failure(arguments: &[&str]) -> String {
    let out = heatmark(arguments);
    assert!(!out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    String::from_utf8(out.stderr).unwrap()
}

/// The built-in pair as a sequence of a set.
fn sequence(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (from, to) in [("pair.tiff", "thermal.tiff"), ("pair.mjpeg", "visible.mjpeg"), ("pair.boxes.csv", "boxes.csv")]
    {
        fs::copy(Path::new(CLIPS).join(from), folder.join(to)).unwrap();
    }
    let about = r#"{"schema":"heatmark.sequence/1","fps":9.0,"class":"person","attributes":["crossover"]}"#;
    fs::write(folder.join("sequence.json"), about).unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn our_tracker_is_scored_on_what_it_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["walk_003", "walk_004"] {
        sequence(&dir.path().join(name));
    }
    let set = text(dir.path());
    let held_out = report(&[set, "--held-out", "--frames", "18"]);
    assert_eq!(held_out["follower"], "track");
    // The form that is faster on this processor.
    assert!(["track-nano", "track-nano-int8"].contains(&held_out["model"].as_str().unwrap()), "{}", held_out["model"]);
    let scores = &held_out["sets"][0];
    assert_eq!((&scores["overall"]["sequences"], &scores["overall"]["frames"]), (&1.into(), &18.into()));
    assert_eq!(scores["sequences"][0]["name"], "walk_003");
    assert_eq!(scores["by_modality"][0][0], "both");
    assert_eq!((&scores["by_class"][0][0], &scores["by_attribute"][0][0]), (&"person".into(), &"crossover".into()));
    let sr = |report: &Value| report["sets"][0]["overall"]["sr"].as_f64().unwrap();
    assert!(sr(&held_out) > 0.5, "in clear view: {}", sr(&held_out));
    assert_eq!(held_out, report(&[set, "--held-out", "--frames", "18", "--follower", "track"]));

    let one = text(&dir.path().join("walk_004")).to_string();
    let thermal = report(&[&one, "--modality", "thermal", "--frames", "30"]);
    assert_eq!(thermal["sets"][0]["by_modality"][0][0], "thermal");
    let still = report(&[&one, "--follower", "still", "--frames", "18"]);
    assert!(still.get("model").is_none() && sr(&still) < sr(&held_out), "{} {}", sr(&still), sr(&held_out));
    let card = concat!(env!("CARGO_MANIFEST_DIR"), "/models/track-nano.toml");
    let out = heatmark(&[&one, "--model", card, "--each", "--frames", "5"]);
    let table = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && table.starts_with("track (track-nano): 1 sequences, 5 frames"), "{table}");
    assert!(table.contains("walk_004") && table.contains("attribute crossover"), "{table}");
}

#[test]
fn saved_boxes_score_as_the_run_that_wrote_them() {
    let dir = tempfile::tempdir().unwrap();
    let (walk, boxes) = (dir.path().join("walk"), dir.path().join("boxes"));
    sequence(&walk);
    fs::create_dir(&boxes).unwrap();
    let [thermal, visible, file] =
        [walk.join("thermal.tiff"), walk.join("visible.mjpeg"), boxes.join("walk.txt")].map(|p| text(&p).to_string());
    let init = heatmark::source::demo::WALKER;
    let track = Command::new(env!("CARGO_BIN_EXE_heatmark"))
        .args(["-q", "track", &thermal, "--rgb", &visible, "--init", init, "--every", "--no-http"])
        .args(["--presence", "--boxes", &file])
        .output()
        .unwrap();
    assert!(track.status.success(), "{}", String::from_utf8_lossy(&track.stderr));
    let (saved, live) = (report(&[text(&walk), "--boxes", text(&boxes)]), report(&[text(&walk)]));
    let of = |report: &Value, key: &str| report["sets"][0]["overall"][key].as_f64().unwrap();
    assert_eq!(of(&live, "frames"), of(&saved, "frames"));
    for key in ["pr", "pr_5", "npr", "sr"] {
        assert!((of(&live, key) - of(&saved, key)).abs() < 0.02, "{key}: {} and {}", of(&live, key), of(&saved, key));
    }
    let presence = |report: &Value| report["sets"][0]["presence"]["present_frames"].as_u64().unwrap();
    assert_eq!(presence(&live), presence(&saved));
    // A result that is cut short, and one that holds something else.
    let good = fs::read_to_string(&file).unwrap();
    let first: Vec<&str> = good.lines().take(FRAMES / 2).collect();
    fs::write(&file, first.join("\n")).unwrap();
    assert!(failure(&[text(&walk), "--boxes", text(&boxes)]).contains("holds 36 boxes, wanted 72"));
    fs::write(&file, good.replacen("0.", "NaN.", 1).replacen(',', ",nan,", 1)).unwrap();
    let e = failure(&[text(&walk), "--boxes", text(&boxes)]);
    assert!(e.contains("walk.txt:1") && e.contains("is not a box"), "{e}");
    fs::remove_file(&file).unwrap();
    assert!(failure(&[text(&walk), "--boxes", text(&boxes)]).contains("no result for walk"));
}

#[test]
fn what_cannot_be_evaluated_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (walk, empty) = (dir.path().join("walk_1"), dir.path().join("empty"));
    sequence(&walk);
    fs::create_dir(&empty).unwrap();
    let (w, e) = (text(&walk), text(&empty));
    let detector = concat!(env!("CARGO_MANIFEST_DIR"), "/models/face-detector.toml");
    let list = dir.path().join("list.txt");
    fs::write(&list, "walk_1 run_2").unwrap();
    for (arguments, says) in [
        (vec![e], "holds no sequence"),
        (vec!["no/such/set"], "does not exist"),
        (vec![w, "--held-out"], "holds no sequence"),
        (vec![w, "--frames", "0"], "--frames"),
        (vec![w, "--boxes", "no/such/boxes"], "is no folder of results"),
        (vec![w, "--boxes", e, "--model", "track-nano"], "cannot be used with"),
        (vec![w, "--follower", "still", "--model", "track-nano"], "belongs to --follower track"),
        (vec![w, "--model", "track-huge"], "no such model"),
        (vec![w, "--model", detector], "tracker"),
        (vec![w, "--list", text(&list)], "run_2: listed"),
    ] {
        let said = failure(&arguments);
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    let boxes = walk.join("boxes.csv");
    let good = fs::read_to_string(&boxes).unwrap();
    let row = good.lines().nth(1).unwrap();
    for (first, says) in [
        ("0,500,10,20,30", "walk_1: the tracker cannot start with x 500 y 10 w 20 h 30 in frame 0"),
        ("0,50,10,1,30", "wanted at least 2"),
        ("0,NaN,10,20,30", "boxes.csv:2"),
        ("0,5,10", "boxes.csv:2"),
        ("7,5,10,20,30", "wanted frame 0"),
    ] {
        fs::write(&boxes, good.replacen(row, first, 1)).unwrap();
        let said = failure(&[w]);
        assert!(said.contains(says), "{first}: {said}");
    }
    fs::write(&boxes, format!("frame,x,y,w,h\n{}", (0..FRAMES).map(|i| format!("{i},,,,\n")).collect::<String>()))
        .unwrap();
    assert!(failure(&[w]).contains("the target is never in view"));
    fs::write(&boxes, good.lines().take(41).collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(report(&[w])["sets"][0]["sequences"][0]["name"], "walk_1", "more pictures than boxes");
    fs::write(walk.join("thermal.tiff"), "no recording").unwrap();
    assert!(failure(&[w]).contains("thermal.tiff"));
    fs::remove_file(walk.join("thermal.tiff")).unwrap();
    assert!(failure(&[w, "--modality", "thermal"]).contains("has no thermal pictures"));
    fs::remove_file(&boxes).unwrap();
    assert!(failure(&[w]).contains("holds no sequence"));
}

/// A set of each layout, and results for all sequences; returns every file.
fn layouts(root: &Path) -> Vec<PathBuf> {
    let pictures = |descr: &str, shape: &[usize], bytes: usize| [header(descr, shape), vec![7; bytes]].concat();
    let table = "frame,x,y,w,h,seen,ffc\n0,1,2,3,4,1,0\n1,,,,,0,0\n2,2,2,3,4,0.2,1\n";
    let lines = "1,2,3,4\n2,2,3,4\n3,2,3,4\n";
    let about = r#"{"signal":"centikelvin","fps":9.0,"class":"dog","attributes":["dark"],"frames":[0,2]}"#;
    let labels = r#"[{"clip":"c","target":"e","boxes":{"0":[1,2,3,4],"2":[2,2,3,4]},"absent":[[1,1]],"occluded":[[2,2]],"modality":[[0,2,"both"]],"kind":"dog"}]"#;
    let text = |path: &str, text: &str| (path.to_string(), text.as_bytes().to_vec());
    let mut files = vec![
        text("plain/a/boxes.csv", table),
        text("plain/a/visible-boxes.csv", table),
        text("plain/a/sequence.json", about),
        ("plain/a/thermal.npy".into(), pictures("<u2", &[3, 2, 4], 48)),
        ("plain/a/visible.npy".into(), pictures("|u1", &[3, 2, 4, 3], 72)),
        text("clips/IR_DOG_3.csv", table),
        text("clips/IR_DOG_3.mp4", "no video"),
        text("pairs/labels.json", labels),
        text("gtot/b/groundTruth_i.txt", "1 2 4 6\n2 2 5 6\n2 2 5 6\n"),
        text("gtot/b/groundTruth_v.txt", "1 2 4 6\n2 2 5 6\n2 2 5 6\n"),
        text("vtuav/bus_1/ir.txt", lines),
        text("vtuav/bus_1/rgb.txt", lines),
        text("field/set/c/infrared.txt", lines),
        text("field/set/c/visible.txt", lines),
        text("field/set/d/init.txt", lines),
        text("field/AttriSeqsTxt/c.txt", "0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1"),
        text("field/attr_txt/SequencesName.txt", "c\nd\n"),
        text("field/attr_txt/FM.txt", "0\n1\n"),
        text("alone/f.txt", lines),
    ];
    for name in ["a", "b", "c", "d", "e", "f", "bus_1", "IR_DOG_3"] {
        files.push(text(&format!("results/{name}.txt"), "1,2,3,4,0.5\n0,0,0,0,0.1\n2,2,3,4,0.9\n"));
    }
    let paths = files.into_iter().map(|(path, bytes)| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    });
    paths.collect()
}

#[test]
fn damaged_labels_are_read_or_refused() {
    const SETS: [&str; 6] = ["plain", "clips", "pairs", "gtot", "vtuav", "field/set"];
    const WORDS: [&[u8]; 8] = [b"NaN", b"-1", b"1e308", b"99999999999999999999", b",", b"\n", b"\0", b"\xff"];
    let dir = tempfile::tempdir().unwrap();
    let files = layouts(dir.path());
    let saved = dir.path().join("results");
    let evaluate = |set: &str, live: bool| {
        let follower = if live { Follower::Live(&mut Still::default()) } else { Follower::Saved(&saved) };
        run(&[dir.path().join(set)], follower, &Options::default())
    };
    for set in SETS {
        evaluate(set, false).unwrap_or_else(|e| panic!("{set}: {e}"));
    }
    evaluate("alone", false).unwrap();
    evaluate("plain", true).unwrap();
    let mut random = Pcg64::seed_from_u64(28);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..600 {
        let mut below = |n: usize| random.next_u32() as usize % n.max(1);
        let path = &files[below(files.len())];
        let good = fs::read(path).unwrap();
        let mut bytes = good.clone();
        for _ in 0..=below(4) {
            let at = below(bytes.len());
            match below(4) {
                0 => bytes.truncate(at),
                1 => drop(bytes.splice(at..at, WORDS[below(WORDS.len())].iter().copied())),
                2 => drop(bytes.splice(at..(at + 2).min(bytes.len()), WORDS[below(WORDS.len())].iter().copied())),
                _ if bytes.is_empty() => {}
                _ => bytes[at] = below(256) as u8,
            }
        }
        fs::write(path, &bytes).unwrap();
        let name = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
        let set = SETS.iter().chain(&["alone"]).find(|set| name.starts_with(set.split('/').next().unwrap()));
        let sets = set.map_or(SETS.to_vec(), |set| vec![*set]);
        for (set, live) in sets.into_iter().flat_map(|set| [(set, false), (set, true)]) {
            match evaluate(set, live) {
                Ok(report) => {
                    read += 1;
                    for s in report.sets {
                        let scores = [s.overall.pr, s.overall.pr_5, s.overall.npr, s.overall.sr];
                        assert!(scores.iter().all(|share| (0.0..=1.0).contains(share)), "{name}: {scores:?}");
                    }
                }
                Err(e) => {
                    refused += 1;
                    assert!(!e.subject().is_empty(), "{name}: {e}");
                }
            }
        }
        fs::write(path, good).unwrap();
    }
    assert!(read > 100 && refused > 100, "{read} read, {refused} refused");
}
