//! Our own layouts: plain folders, thermal clips with a CSV file, and the labelled M3SVD pairs.
//!
//! | layout | pictures | truth |
//! |---|---|---|
//! | plain folder | `thermal` and `visible`, or one of them: `.npy`, a folder of pictures, a recording or a video | `boxes.csv` in thermal pixels, `visible-boxes.csv` in visible ones: `frame,x,y,w,h[,seen][,ffc]`, empty where the target is not in view; `sequence.json` |
//! | clips | `NAME.mp4`, thermal | `NAME.csv`: `frame,x,y,w,h` |
//! | pairs | `Video/test/infrared/NAME.mp4`, `Video/test/visible/NAME.mp4` | `labels.json`: key frames, absent and occluded spans |

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::follow::FROZEN;
use super::lines::text;
use super::measure::Xywh;
use super::reel::Reel;
use super::rules::Rule;
use super::sequence::{RATE, Sequence};
use crate::error::{Error, Result};
use crate::frame::Signal;
use crate::recording::Unit;

/// Below this visible share a target counts as occluded.
const HALF: f64 = 0.5;

/// What `sequence.json` tells; all of it may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct About {
    signal: Option<String>,
    fps: Option<f64>,
    class: Option<String>,
    attributes: Vec<String>,
    /// First and last labelled frame.
    frames: Option<[usize; 2]>,
}

/// Whether `folder` is a plain folder.
pub(super) fn is_plain(folder: &Path) -> bool {
    ["boxes.csv", "visible-boxes.csv"].iter().any(|file| folder.join(file).is_file())
}

/// Reads a plain folder.
///
/// # Errors
/// Fix: names the file and what is wrong in it.
pub(super) fn folder(folder: &Path, name: &str) -> Result<Sequence> {
    let table = |file: &str| {
        let path = folder.join(file);
        path.is_file().then(|| Table::read(&path)).transpose()
    };
    let (thermal, visible) = (table("boxes.csv")?, table("visible-boxes.csv")?);
    let path = folder.join("sequence.json");
    let about: About = if path.is_file() {
        serde_json::from_str(&text(&path)?).map_err(|e| Error::fix(path.display(), "is not as wanted").because(e))?
    } else {
        About::default()
    };
    let signal = about.signal.as_deref().map(|unit| {
        let units =
            [Unit::Centikelvin, Unit::Decikelvin, Unit::Counts].map(|u| (format!("{u:?}").to_lowercase(), u.signal()));
        let known = units.into_iter().chain([("grey8".into(), Signal::Grey8)]).find(|(name, _)| name == unit);
        let wanted = "wanted centikelvin, decikelvin, counts or grey8";
        known.map(|k| k.1).ok_or_else(|| Error::fix(path.display(), format!("signal {unit:?}, {wanted}")))
    });
    let mut s = Sequence::new(name, Rule::Plain, Vec::new());
    s.signal = signal.transpose()?;
    s.rate = about.fps.filter(|fps| *fps > 0.0).unwrap_or(RATE);
    (s.class, s.attributes) = (about.class.filter(|c| !c.is_empty()), about.attributes);
    (s.thermal, s.visible) = (Reel::of(folder, "thermal"), Reel::of(folder, "visible"));
    if let Some(table) = thermal {
        (s.thermal_truth, s.parts) = (table.boxes, table.parts);
    }
    if let Some(table) = visible {
        s.visible_truth = table.boxes;
        if s.parts.is_empty() {
            s.parts = table.parts;
        }
    }
    let rows = s.thermal_truth.len().max(s.visible_truth.len());
    s.labelled = match about.frames {
        Some([first, last]) if first <= last && last < rows => first..last + 1,
        Some([first, last]) => {
            let what = format!("frames {first} to {last}, wanted within 0 to {}", rows.saturating_sub(1));
            return Err(Error::fix(path.display(), what));
        }
        None => 0..rows,
    };
    Ok(s)
}

/// Reads the thermal clip `video` with the CSV file of the same name.
///
/// # Errors
/// Fix: names the file and what is wrong in it.
pub(super) fn clip(video: &Path, name: &str) -> Result<Sequence> {
    let table = Table::read(&video.with_extension("csv"))?;
    let mut s = Sequence::new(name, Rule::Plain, table.boxes);
    s.parts = table.parts;
    s.thermal = Some(Reel::File(video.to_path_buf()));
    // IR_DRONE_001: the kind of camera, the class, a number.
    let words = name.split('_').filter(|word| !["IR", "V"].contains(word) && word.parse::<u32>().is_err());
    s.class = Some(words.collect::<Vec<_>>().join(" ").to_lowercase()).filter(|class| !class.is_empty());
    Ok(s)
}

/// Rows of a CSV file of boxes.
struct Table {
    boxes: Vec<Xywh>,
    parts: Vec<(String, Vec<bool>)>,
}

impl Table {
    fn read(path: &Path) -> Result<Self> {
        let text = text(path)?;
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let first = lines.next().map(|(_, line)| line).unwrap_or_default();
        let names: Vec<&str> = first.split(',').map(str::trim).collect();
        let ["frame", "x", "y", "w", "h", more @ ..] = names.as_slice() else {
            let found: String = first.chars().take(60).collect();
            let what = format!("begins with {found:?}, wanted the columns frame,x,y,w,h, then seen and ffc or none");
            return Err(Error::fix(path.display(), what));
        };
        let column = |name: &str| more.iter().position(|n| *n == name).map(|at| at + 5);
        let (seen, ffc) = (column("seen"), column("ffc"));
        let (mut boxes, mut hidden, mut frozen) = (Vec::new(), Vec::new(), Vec::new());
        for (number, line) in lines {
            let bad = || {
                let wanted =
                    format!("wanted frame {} and x,y,w,h, all four finite or empty, w and h not negative", boxes.len());
                Error::fix(format!("{}:{}", path.display(), number + 1), format!("{line:?}, {wanted}"))
            };
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let number = |at: usize| cells.get(at).and_then(|c| c.parse::<f64>().ok()).filter(|v| v.is_finite());
            if cells.len() < 5 || number(0) != Some(boxes.len() as f64) {
                return Err(bad());
            }
            let none = cells[1..5].iter().all(|cell| cell.is_empty());
            let row = match (none, number(1), number(2), number(3), number(4)) {
                (true, ..) => Xywh::default(),
                (_, Some(x), Some(y), Some(w), Some(h)) if w >= 0.0 && h >= 0.0 => Xywh::new(x, y, w, h),
                _ => return Err(bad()),
            };
            let in_view = !row.is_empty();
            boxes.push(row);
            hidden.push(in_view && seen.and_then(number).is_some_and(|share| share < HALF));
            frozen.push(ffc.and_then(number).is_some_and(|flag| flag != 0.0));
        }
        if boxes.is_empty() {
            return Err(Error::fix(path.display(), "holds no row"));
        }
        let parts = [("occluded", hidden), (FROZEN, frozen)].map(|(name, rows)| (name.to_string(), rows));
        Ok(Self { boxes, parts: parts.into_iter().filter(|(_, rows)| rows.contains(&true)).collect() })
    }
}

/// One target of `labels.json`.
#[derive(Debug, Deserialize)]
struct Label {
    clip: String,
    target: String,
    /// Left, top, width, height by frame number; linear between.
    boxes: BTreeMap<String, [f64; 4]>,
    #[serde(default)]
    absent: Vec<[usize; 2]>,
    #[serde(default)]
    occluded: Vec<[usize; 2]>,
    /// First and last frame, and the modality that shows the target.
    #[serde(default)]
    modality: Vec<(usize, usize, String)>,
    #[serde(default)]
    kind: Option<String>,
}

/// Reads the targets of `labels.json` in `folder`, whose videos are in `Video/test` or beside it.
///
/// # Errors
/// Fix: names the file and what is wrong in it.
pub(super) fn pairs(folder: &Path) -> Result<Vec<Sequence>> {
    let path = folder.join("labels.json");
    let wrong = |what: String| Error::fix(path.display(), what);
    let labels: Vec<Label> = serde_json::from_str(&text(&path)?)
        .map_err(|e| Error::fix(path.display(), "is not a list of clip, target, boxes").because(e))?;
    let videos = folder.join("Video/test");
    let videos = if videos.is_dir() { videos } else { folder.to_path_buf() };
    let mut all = Vec::new();
    for label in labels {
        let mut keys = Vec::new();
        for (frame, b) in &label.boxes {
            let frame: usize = frame.parse().map_err(|_| wrong(format!("{}: frame {frame:?}", label.target)))?;
            keys.push((frame, *b));
        }
        keys.sort_by_key(|key| key.0);
        let (Some(&(first, _)), Some(&(last, _))) = (keys.first(), keys.last()) else {
            return Err(wrong(format!("{}: no box", label.target)));
        };
        if last > 1_000_000 {
            return Err(wrong(format!("{}: frame {last}, wanted less than a million", label.target)));
        }
        let within = |spans: &[[usize; 2]], i: usize| spans.iter().any(|[a, b]| (*a..=*b).contains(&i));
        let boxes: Vec<Xywh> = (0..=last)
            .map(|i| if i < first || within(&label.absent, i) { Xywh::default() } else { between(&keys, i) })
            .collect();
        let mut s = Sequence::new(&label.target, Rule::Plain, boxes.clone());
        let mut part = |name: String, inside: &dyn Fn(usize) -> bool| {
            let rows: Vec<bool> = (0..=last).map(|i| !boxes[i].is_empty() && inside(i)).collect();
            if rows.contains(&true) {
                s.parts.push((name, rows));
            }
        };
        part("occluded".into(), &|i| within(&label.occluded, i));
        for shown in ["both", "thermal", "visible"] {
            let inside = |i| label.modality.iter().any(|(a, b, m)| m == shown && (*a..=*b).contains(&i));
            part(format!("seen in {shown}"), &inside);
        }
        s.visible_truth = boxes;
        s.labelled = first..last + 1;
        s.class = label.kind;
        let file = format!("{}.mp4", label.clip);
        let video = |kind: &str| Some(videos.join(kind).join(&file)).filter(|p| p.is_file()).map(Reel::File);
        (s.thermal, s.visible) = (video("infrared"), video("visible"));
        all.push(s);
    }
    Ok(all)
}

/// The box at frame `i` of key frames in rising order, linear between.
fn between(keys: &[(usize, [f64; 4])], i: usize) -> Xywh {
    let after = keys.partition_point(|key| key.0 < i).min(keys.len() - 1);
    let ((a, from), (b, to)) = (keys[after.saturating_sub(1)], keys[after]);
    let t = if b > a { (i as f64 - a as f64) / (b - a) as f64 } else { 1.0 };
    let [x, y, w, h] = std::array::from_fn(|k| from[k] + t * (to[k] - from[k]));
    Xywh::new(x, y, w, h)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, text: &str) {
        std::fs::write(dir.join(name), text).unwrap();
    }

    #[test]
    fn a_plain_folder_tells_boxes_marks_and_what_it_shows() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            "boxes.csv",
            "frame,x,y,w,h,seen,ffc\n0,1,2,3,4,1,0\n1,,,,,,1\n2,1.5,2,3,4,0.2,0\n3,1,2,3,4,1,0\n",
        );
        write(dir.path(), "visible-boxes.csv", "frame,x,y,w,h\n0,2,4,6,8\n1,,,,\n2,3,4,6,8\n3,3,4,6,8\n");
        let about = r#"{"schema":"heatmark.sequence/1","signal":"centikelvin","fps":9.0,"class":"dog","attributes":["dark"],"frames":[0,2],"x":1}"#;
        write(dir.path(), "sequence.json", about);
        let s = folder(dir.path(), "00001").unwrap();
        assert_eq!(
            (s.name.as_str(), s.class.as_deref(), s.rate, s.labelled.clone()),
            ("00001", Some("dog"), 9.0, 0..3)
        );
        assert_eq!((s.signal, s.attributes.as_slice()), (Some(Signal::CENTIKELVIN), &["dark".to_string()][..]));
        assert_eq!(
            (s.thermal_truth[0], s.visible_truth[0]),
            (Xywh::new(1.0, 2.0, 3.0, 4.0), Xywh::new(2.0, 4.0, 6.0, 8.0))
        );
        assert!(s.thermal_truth[1].is_empty() && s.thermal.is_none());
        let parts: Vec<_> = s.parts.iter().map(|(name, rows)| (name.as_str(), rows.as_slice())).collect();
        let (t, f) = (true, false);
        assert_eq!(parts, [("occluded", &[f, f, t, f][..]), ("thermal frozen", &[f, t, f, f])]);
    }

    #[test]
    fn what_is_wrong_in_a_plain_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for (csv, says) in [
            ("x,y,w,h\n1,2,3,4\n", "wanted the columns frame,x,y,w,h"),
            ("frame,x,y,w,h\n", "holds no row"),
            ("", "wanted the columns"),
            ("frame,x,y,w,h\n0,1,2,-3,4\n", "not negative"),
            ("frame,x,y,w,h\n1,1,2,3,4\n", "boxes.csv:2"),
            ("frame,x,y,w,h\n0,1,2,3,4\n1,1,2,nan,4\n", "boxes.csv:3"),
            ("frame,x,y,w,h\n0,1,2,,4\n", "wanted frame 0"),
        ] {
            write(dir.path(), "boxes.csv", csv);
            let e = folder(dir.path(), "a").unwrap_err().to_string();
            assert!(e.contains(says), "{csv:?}: {e}");
        }
        write(dir.path(), "boxes.csv", "frame,x,y,w,h\n0,1,2,3,4\n");
        for (json, says) in [
            (r#"{"signal":"volts"}"#, "wanted centikelvin"),
            (r#"{"frames":[0,1]}"#, "frames 0 to 1, wanted within 0 to 0"),
            (r#"{"fps":"fast"}"#, "is not as wanted"),
        ] {
            write(dir.path(), "sequence.json", json);
            let e = folder(dir.path(), "a").unwrap_err().to_string();
            assert!(e.contains(says) && e.contains("sequence.json"), "{e}");
        }
    }

    #[test]
    fn pairs_are_linear_between_key_frames() {
        let dir = tempfile::tempdir().unwrap();
        let labels = r#"[{"clip":"c","target":"c-red","first_frame":2,"boxes":{"10":[8,0,4,4],"2":[0,0,2,4]},"absent":[[4,5]],"occluded":[[6,6]],"modality":[[2,6,"thermal"],[7,10,"both"]],"kind":"person"}]"#;
        write(dir.path(), "labels.json", labels);
        let s = pairs(dir.path()).unwrap().remove(0);
        assert_eq!((s.name.as_str(), s.labelled.clone(), s.thermal_truth.len()), ("c-red", 2..11, 11));
        assert_eq!((s.thermal_truth[2], s.thermal_truth[10].x), (Xywh::new(0.0, 0.0, 2.0, 4.0), 8.0));
        assert_eq!(s.thermal_truth[6], Xywh::new(4.0, 0.0, 3.0, 4.0));
        assert!(s.thermal_truth[4].is_empty() && s.thermal_truth[1].is_empty() && s.thermal_truth == s.visible_truth);
        let count = |name: &str| s.parts.iter().find(|p| p.0 == name).map_or(0, |p| p.1.iter().filter(|y| **y).count());
        assert_eq!((count("occluded"), count("seen in thermal"), count("seen in both")), (1, 3, 4));
        write(dir.path(), "labels.json", r#"[{"clip":"c","target":"t","boxes":{}}]"#);
        assert!(pairs(dir.path()).unwrap_err().to_string().contains("t: no box"));
        write(dir.path(), "labels.json", "{}");
        assert!(pairs(dir.path()).is_err());
    }

    #[test]
    fn clips_take_their_class_from_the_name() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "IR_DRONE_001.csv", "frame,x,y,w,h\n0,,,,\n1,138.0,81.0,24.0,15.0\n");
        let s = clip(&dir.path().join("IR_DRONE_001.mp4"), "IR_DRONE_001").unwrap();
        assert_eq!((s.class.as_deref(), s.thermal_truth.len(), s.labelled), (Some("drone"), 2, 0..2));
    }
}
