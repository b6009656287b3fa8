//! Whole evaluations of small sequences made here.

use std::path::Path;

use super::follow::Still;
use super::presence::Answer;
use super::*;
use crate::error::Remedy;
use crate::frame::Frame;
use crate::geometry::Rect;
use crate::npy::header;
use crate::result::TargetState;

/// A sequence of `n` frames of 4 x 2 pixels in both modalities, whose target moves right by 1 px a frame and is out of
/// view in frames 3 and 4. Thermal counts and the red of a pixel are the frame's number.
fn sequence(folder: &Path, n: u8) {
    std::fs::create_dir_all(folder).unwrap();
    let thermal: Vec<u8> = (0..n).flat_map(|i| [[i, 0]; 8]).flatten().collect();
    let visible: Vec<u8> = (0..n).flat_map(|i| [[i, 9, 9]; 8]).flatten().collect();
    let count = usize::from(n);
    std::fs::write(folder.join("thermal.npy"), [header("<u2", &[count, 2, 4]), thermal].concat()).unwrap();
    std::fs::write(folder.join("visible.npy"), [header("|u1", &[count, 2, 4, 3]), visible].concat()).unwrap();
    let csv = |scale: u8| {
        let row = |i: u8| match i {
            3 | 4 => format!("{i},,,,,\n"),
            _ => format!("{i},{},10,{s},{s},{}\n", i * scale, if i == 1 { 0.3 } else { 1.0 }, s = 10 * scale),
        };
        format!("frame,x,y,w,h,seen\n{}", (0..n).map(row).collect::<String>())
    };
    std::fs::write(folder.join("boxes.csv"), csv(1)).unwrap();
    std::fs::write(folder.join("visible-boxes.csv"), csv(2)).unwrap();
    let about = r#"{"signal":"centikelvin","fps":10.0,"class":"dog","attributes":["dark"]}"#;
    std::fs::write(folder.join("sequence.json"), about).unwrap();
}

/// Reads the frame's number from its pixels and answers the truth, but is blind in frame 5.
#[derive(Default)]
struct Oracle {
    scale: f64,
    modality: Modality,
    started: Vec<(u16, Rect)>,
}

impl Oracle {
    fn number(&self, frame: &Frame) -> u16 {
        let red = frame.visible.as_ref().map(|v| u16::from(v.rgb[0]));
        match self.modality {
            Modality::Thermal => {
                assert!(red.is_none());
                frame.pixels[0]
            }
            Modality::Visible => red.unwrap(),
            Modality::Both => {
                assert_eq!((red, frame.meta.seq), (Some(frame.pixels[0]), u64::from(frame.pixels[0])));
                frame.pixels[0]
            }
        }
    }
}

impl Follow for Oracle {
    fn name(&self) -> String {
        "oracle".into()
    }

    fn start(&mut self, frame: &Frame, modality: Modality, bbox: Rect) -> Result<()> {
        self.modality = modality;
        self.scale = f64::from(bbox.width()) / 10.0;
        self.started.push((self.number(frame), bbox));
        Ok(())
    }

    fn follow(&mut self, frame: &Frame) -> Result<Answer> {
        let i = self.number(frame);
        let bbox = Xywh::new(f64::from(i) * self.scale, 10.0, 10.0 * self.scale, 10.0 * self.scale);
        let presence = if (3..=5).contains(&i) { 0.1 } else { 0.9 };
        let state = if presence > 0.5 { TargetState::Tracked } else { TargetState::Lost };
        Ok(Answer { bbox, presence: Some(presence), state })
    }
}

fn run_on(path: &Path, tracker: &mut dyn Follow, options: &Options) -> Result<Report> {
    run(&[path.to_path_buf()], Follower::Live(tracker), options)
}

#[test]
fn a_faithful_tracker_scores_full_marks_in_every_modality() {
    let dir = tempfile::tempdir().unwrap();
    sequence(&dir.path().join("a"), 8);
    sequence(&dir.path().join("b"), 8);
    for modality in Modality::ALL {
        let mut oracle = Oracle::default();
        let report = run_on(dir.path(), &mut oracle, &Options { modality, ..Options::default() }).unwrap();
        let set = &report.sets[0];
        let side = if modality == Modality::Visible { 20.0 } else { 10.0 };
        assert_eq!(oracle.started, [(0, Rect::new(0.0, 10.0, side, 10.0 + side)); 2], "{modality:?}");
        assert_eq!((set.rule, set.overall.sequences, set.overall.frames), (Rule::Plain, 2, 12));
        assert_eq!((set.overall.pr, set.overall.pr_5, set.overall.npr), (1.0, 1.0, 1.0));
        assert!((set.overall.sr - 20.0 / 21.0).abs() < 1e-12);
        assert_eq!(set.by_modality[0].0, modality.name());
        assert_eq!((set.by_class[0].0.as_str(), set.by_attribute[0].0.as_str()), ("dog", "dark"));
        assert_eq!((set.by_part[0].0.as_str(), set.by_part[0].1.frames), ("occluded", 2));
        // Of the frames with the target only frame 5 is like those without it; found again one frame late.
        let p = set.presence;
        assert_eq!((p.present_frames, p.absent_frames, p.auroc), (10, 4, Some(0.9)));
        assert_eq!((p.false_hold, p.dropped, p.returns, p.find_again_s), (Some(0.0), Some(0.2), 2, Some(0.1)));
    }
}

#[test]
fn the_still_box_is_scored_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    sequence(&dir.path().join("a"), 8);
    let options = Options { each: true, ..Options::default() };
    let report = run_on(dir.path(), &mut Still::default(), &options).unwrap();
    let s = &report.sets[0].overall;
    // Offsets 0, 1, 2, 5, 6, 7 of a box of 10 px.
    assert_eq!((s.frames, s.pr, s.pr_5, s.npr), (6, 1.0, 4.0 / 6.0, 0.5));
    let overlap = |d: f64| (10.0 - d) / (10.0 + d);
    let above: f64 = [0.0, 1.0, 2.0, 5.0, 6.0, 7.0]
        .map(|d| (0..21).filter(|t| overlap(d) > 0.05 * f64::from(*t)).count() as f64)
        .iter()
        .sum();
    assert!((s.sr - above / 21.0 / 6.0).abs() < 1e-12, "{s:?}");
    let text = report.to_string();
    for says in
        ["still: 1 sequences, 6 frames", "PR@5", "66.67", "class dog", "attribute dark", "frames occluded", "    a "]
    {
        assert!(text.contains(says), "{says}: {text}");
    }
    assert!(
        text.contains("AUROC -, false hold 100.00 % of 2") && text.contains("after 1 of 1 returns, median 0.00 s"),
        "{text}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["sets"][0]["rule"], &json["follower"]), (&"plain".into(), &"still".into()));
    assert_eq!(json["sets"][0]["overall"]["success"].as_array().unwrap().len(), 21);
    assert!(json["sets"][0]["sequences"][0]["scores"].get("success").is_none());
}

#[test]
fn saved_boxes_need_no_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let (truths, results) = (dir.path().join("gt"), dir.path().join("ours"));
    std::fs::create_dir(&truths).unwrap();
    std::fs::create_dir(&results).unwrap();
    for name in ["a", "b"] {
        std::fs::write(truths.join(format!("{name}.txt")), "10,10,20,20\n10,10,20,20\n10,10,20,20\n10,10,20,20\n")
            .unwrap();
    }
    std::fs::write(results.join("a.txt"), "1,1,1,1\n13.4 10 20 20\n0 0 0 0\n50 10 20 20\n").unwrap();
    let saved = |options: &Options| run(std::slice::from_ref(&truths), Follower::Saved(&results), options);
    let e = saved(&Options::default()).unwrap_err().to_string();
    assert!(e.contains("no result for b"), "{e}");
    let only =
        |names: &[&str]| Options { only: Some(names.iter().map(|n| n.to_string()).collect()), ..Options::default() };
    let report = saved(&only(&["a"])).unwrap();
    let set = &report.sets[0];
    // Distances 0, 3 (rounded), 3 (repeated), 40.
    assert_eq!((set.rule, set.overall.frames, set.overall.pr, set.overall.npr), (Rule::Single, 4, 0.75, 0.75));
    assert_eq!(set.presence.dropped, Some(1.0 / 3.0));
    assert!(saved(&only(&["a", "c"])).unwrap_err().to_string().contains("c: listed, but there is no such sequence"));
    let plain = Options { rule: Some(Rule::Plain), limit: Some(1), ..Options::default() };
    assert_eq!(saved(&plain).unwrap().sets[0].rule, Rule::Plain);
    let e = run_on(&truths, &mut Still::default(), &Options::default()).unwrap_err();
    assert!(e.to_string().contains("only boxes") && e.remedy() == Remedy::Fix, "{e}");
}

#[test]
fn pictures_that_do_not_fit_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a");
    sequence(&folder, 8);
    let failure = |options: &Options| run_on(dir.path(), &mut Still::default(), options).unwrap_err().to_string();
    std::fs::write(folder.join("visible.npy"), [header("|u1", &[7, 2, 4, 3]), vec![0; 7 * 24]].concat()).unwrap();
    let e = failure(&Options::default());
    assert!(e.contains("8 thermal and 7 visible pictures"), "{e}");
    // Alone, they may end before the boxes do, but not before they begin, and not in the field's sets.
    let alone = Options { modality: Modality::Visible, ..Options::default() };
    let report = run_on(dir.path(), &mut Still::default(), &alone).unwrap();
    assert_eq!(report.sets[0].overall.frames, 5);
    let e = failure(&Options { rule: Some(Rule::Better), ..alone });
    assert!(e.contains("a: ends after 7 pictures, but has boxes up to frame 7"), "{e}");
    std::fs::write(folder.join("visible.npy"), header("|u1", &[0, 2, 4, 3])).unwrap();
    assert!(failure(&Options { modality: Modality::Visible, ..Options::default() }).contains("ends after 0 pictures"));
    std::fs::remove_file(folder.join("visible.npy")).unwrap();
    let e = failure(&Options { modality: Modality::Visible, ..Options::default() });
    assert!(e.contains("a: has no visible pictures"), "{e}");
    assert_eq!(
        run_on(&folder, &mut Still::default(), &Options::default()).unwrap().sets[0].by_modality[0].0,
        "thermal"
    );
    std::fs::create_dir(folder.join("visible")).unwrap();
    assert!(failure(&Options::default()).contains("holds no picture"), "a pair with one empty folder");
}
