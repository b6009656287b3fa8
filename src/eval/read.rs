//! Annotated pictures: synthetic truth, `.pts`, CSV points, YOLO boxes.
//!
//! | given | read as |
//! |---|---|
//! | folder with `thermal.npy` | synthetic truth: `points.npy` f32 `[n, (faces,) 70, 2]` (NaN where absent), `visibility.npy` u8 `[n, (faces,) 70]` (0 visible, 1 self-occluded, 2 occluded), optional `box.npy` f32 `[n, (faces,) 4]`, and in degC, NaN where not known, `apparent.npy` and `skin.npy` f32 `[n, (faces,) 70]` and `regions.npy` f32 `[n, (faces,) 8]` |
//! | folder with `images` and `labels` | YOLO: one `labels/NAME.txt` for each picture, a line per face: `class cx cy w h`, optionally followed by x, y (or x, y, visibility) of 5, 68 or 70 points, all as fractions of the picture's size |
//! | any other folder | every picture with `NAME.pts` (68 or 70 points, the first pixel's centre at 1, 1) or `NAME.txt` (YOLO) beside it |
//! | `.csv` | a line per face: picture, then x, y of 68 or 70 points in pixels (the first pixel's centre at 0.5, 0.5) |
//! | picture | the same as in a folder |

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::sample::{Sample, Truth};
use super::synthetic;
use crate::error::{Error, Result};
use crate::frame::{Frame, Signal};
use crate::geometry::Rect;
use crate::landmarks::{COUNT, FIVE};
use crate::source::still;

/// Extensions of pictures.
const PICTURES: [&str; 5] = ["png", "tif", "tiff", "jpg", "jpeg"];

/// Whether to go on to the next sample.
pub type Flow = ControlFlow<()>;

/// Calls `each` for every sample under `path` until it breaks. `signal` is what 16-bit pictures hold.
///
/// # Errors
/// Fix errors name the file that cannot be read or holds something unexpected. An error of `each` ends the reading.
pub fn each(path: &Path, signal: Signal, mut each: impl FnMut(Sample) -> Result<Flow>) -> Result<Flow> {
    if path.join("thermal.npy").is_file() {
        return synthetic::each(path, each);
    }
    if extension(path) == "csv" {
        return table(path, signal, each);
    }
    if !path.is_dir() {
        return each(annotated(path, None, signal)?);
    }
    let (folder, labels) = match (path.join("images"), path.join("labels")) {
        (images, labels) if images.is_dir() && labels.is_dir() => (images, Some(labels)),
        _ => (path.to_path_buf(), None),
    };
    let entries = std::fs::read_dir(&folder).map_err(|e| Error::fix(folder.display(), "cannot be read").because(e))?;
    let mut pictures: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    pictures.retain(|p| PICTURES.contains(&extension(p).as_str()));
    pictures.sort();
    if pictures.is_empty() {
        return Err(Error::fix(path.display(), "holds no thermal.npy and no pictures"));
    }
    for picture in &pictures {
        if each(annotated(picture, labels.as_deref(), signal)?)?.is_break() {
            return Ok(Flow::Break(()));
        }
    }
    Ok(Flow::Continue(()))
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

/// A picture as a frame: 16-bit grey as `signal`, anything else as 8-bit grey.
///
/// # Errors
/// Fix: the file cannot be read as a picture.
pub fn picture(path: &Path, signal: Signal) -> Result<Frame> {
    let mut frame = still::read(path, &Default::default())?.frame;
    if frame.format.signal == Signal::Counts {
        frame.format.signal = signal;
    }
    Ok(frame)
}

/// A picture with the annotation that belongs to it.
fn annotated(path: &Path, labels: Option<&Path>, signal: Signal) -> Result<Sample> {
    let frame = picture(path, signal)?;
    let beside = |extension: &str| {
        let file = path.with_extension(extension);
        labels.map_or(file.clone(), |l| l.join(file.file_name().unwrap_or_default()))
    };
    let text = |file: &Path| {
        std::fs::read_to_string(file).map_err(|e| Error::fix(file.display(), "cannot be read").because(e))
    };
    let (pts, yolo) = (beside("pts"), beside("txt"));
    let faces = if pts.is_file() {
        vec![parse_pts(&text(&pts)?).map_err(|e| Error::fix(pts.display(), e))?]
    } else if yolo.is_file() {
        let size = (frame.width() as f32, frame.height() as f32);
        parse_yolo(&text(&yolo)?, size).map_err(|e| Error::fix(yolo.display(), e))?
    } else {
        return Err(Error::fix(path.display(), "has no annotation: neither .pts nor .txt of that name"));
    };
    Ok(Sample { name: path.display().to_string(), frame, faces })
}

/// Possible numbers of points of a complete annotation.
const WHOLE: [usize; 2] = [68, COUNT];

/// A face from 68 or 70 points.
fn face(points: &[[f32; 2]]) -> Result<Truth, String> {
    if !WHOLE.contains(&points.len()) {
        return Err(format!("{} points, wanted 68 or {COUNT}", points.len()));
    }
    let mut truth = Truth::boxed(Rect::default()).with(points);
    // `around` ignores NaN.
    truth.bbox = Rect::around(truth.points.as_ref().ok_or("no points")?);
    let bbox = truth.bbox;
    if !bbox.is_finite() || bbox.x0 > bbox.x1 {
        return Err("no finite points".into());
    }
    Ok(truth)
}

/// `version: 1`, `n_points: 68`, then `{`, one point per line, `}`. Coordinates count from 1.
fn parse_pts(text: &str) -> Result<Truth, String> {
    let inside = text.split_once('{').and_then(|(_, rest)| rest.split_once('}')).ok_or("no { ... } with points")?.0;
    let mut points = Vec::new();
    for line in inside.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let mut numbers = line.split_whitespace().map(str::parse::<f32>);
        let (Some(Ok(x)), Some(Ok(y)), None) = (numbers.next(), numbers.next(), numbers.next()) else {
            return Err(format!("{line:?} is not a point"));
        };
        points.push([x - 0.5, y - 0.5]);
    }
    face(&points)
}

/// `class cx cy w h` as fractions of the picture's size, and [`keypoints`]; other columns (a score) are ignored.
fn parse_yolo(text: &str, (width, height): (f32, f32)) -> Result<Vec<Truth>, String> {
    let mut faces = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let numbers: Vec<f32> = line.split_whitespace().skip(1).map_while(|n| n.parse().ok()).collect();
        let Some((&[cx, cy, w, h], rest)) = numbers.split_first_chunk() else {
            return Err(format!("{line:?} is not `class cx cy w h`"));
        };
        let points = keypoints(rest);
        // Points may be outside the picture; values far outside are in another unit.
        let inside = |v: f32, beyond: f32| v.is_nan() || (-beyond..=1.0 + beyond).contains(&v);
        if ![cx, cy, w, h].iter().all(|&v| !v.is_nan() && inside(v, 0.01))
            || !points.iter().flatten().flatten().all(|&v| inside(v, 1.0))
        {
            return Err(format!("{line:?} is not in fractions of the picture"));
        }
        let bbox = [(cx - w / 2.0) * width, (cy - h / 2.0) * height, (cx + w / 2.0) * width, (cy + h / 2.0) * height];
        let truth = Truth::boxed(bbox.into());
        faces.push(match points {
            Some(points) => truth.with(&points.iter().map(|[x, y]| [x * width, y * height]).collect::<Vec<_>>()),
            None => truth,
        });
    }
    Ok(faces)
}

/// Points after a box: x, y of 5, 68 or 70, each optionally followed by its visibility (YOLO-pose). A visibility of 0
/// (YOLO-pose) or -1, -1 (WIDER FACE) marks a point that is not annotated: NaN here.
fn keypoints(numbers: &[f32]) -> Option<Vec<[f32; 2]>> {
    let columns = [2, 3]
        .into_iter()
        .find(|columns| [FIVE].iter().chain(&WHOLE).any(|points| points * columns == numbers.len()))?;
    let point = |p: &[f32]| match *p {
        [x, y] | [x, y, _] if x == -1.0 && y == -1.0 => [f32::NAN; 2],
        [_, _, 0.0] => [f32::NAN; 2],
        _ => [p[0], p[1]],
    };
    Some(numbers.chunks_exact(columns).map(point).collect())
}

/// Pictures and points of a CSV file; consecutive lines of one picture are its faces.
fn table(path: &Path, signal: Signal, mut each: impl FnMut(Sample) -> Result<Flow>) -> Result<Flow> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::fix(path.display(), "cannot be read").because(e))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut sample: Option<(String, Sample)> = None;
    for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let bad = |what: String| Error::fix(format!("{}:{}", path.display(), number + 1), what);
        let mut cells = line.split(',').map(str::trim);
        let name = cells.next().unwrap_or_default();
        let numbers: Result<Vec<f32>, _> = cells.map(str::parse).collect();
        let Ok(numbers) = numbers else {
            if number == 0 {
                continue; // column names
            }
            return Err(bad("not `picture, x, y, ...` with numbers".into()));
        };
        let (points, odd) = numbers.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(bad(format!("{} numbers, wanted pairs", numbers.len())));
        }
        let face = face(points).map_err(bad)?;
        match &mut sample {
            Some((current, s)) if current == name => s.faces.push(face),
            _ => {
                if let Some((_, done)) = sample.take()
                    && each(done)?.is_break()
                {
                    return Ok(Flow::Break(()));
                }
                let file = folder.join(name);
                let frame = picture(&file, signal)?;
                let full = file.display().to_string();
                sample = Some((name.to_string(), Sample { name: full, frame, faces: vec![face] }));
            }
        }
    }
    sample.map_or(Ok(Flow::Continue(())), |(_, last)| each(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pts_files_count_pixels_from_one() {
        let body: String = (0..68).map(|i| format!("{}.5 {}.0\n", i + 1, 2 * i + 1)).collect();
        let t = parse_pts(&format!("version: 1\nn_points: 68\n{{\n{body}}}\n")).unwrap();
        let p = t.points.unwrap();
        assert_eq!((p[0], p[67]), ([1.0, 0.5], [68.0, 134.5]));
        assert!(p[68][0].is_nan());
        assert_eq!(t.bbox.to_array(), [1.0, 0.5, 68.0, 134.5]);
        for bad in ["", "{", "{ 1 2 }", "{\n1 2 3\n}", "{\nx y\n}"] {
            assert!(parse_pts(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn yolo_boxes_are_fractions_of_the_picture() {
        let faces = parse_yolo("0 0.5 0.5 0.25 0.5\n0 0.1 0.2 0.1 0.1 0.3 0.3 2\n", (160.0, 120.0)).unwrap();
        assert_eq!(faces[0].bbox.to_array(), [60.0, 30.0, 100.0, 90.0]);
        assert_eq!(faces.len(), 2);
        assert!(faces.iter().all(|f| f.five.is_none() && f.points.is_none()));
        assert!(parse_yolo("", (160.0, 120.0)).unwrap().is_empty());
        assert!(parse_yolo("0 80 60 40 60", (160.0, 120.0)).unwrap_err().contains("fractions"));
        assert!(parse_yolo("face.png", (160.0, 120.0)).is_err());
    }

    #[test]
    fn yolo_lines_may_tell_five_points_or_all() {
        let one = |text: &str| parse_yolo(text, (160.0, 120.0)).map(|faces| faces[0].clone());
        let five = one("0 0.5 0.5 0.25 0.5 0.45 0.4 0.55 0.4 -1 -1 0.46 0.6 0.54 0.6").unwrap();
        assert_eq!(five.bbox.to_array(), [60.0, 30.0, 100.0, 90.0]);
        let [right, left, nose, ..] = five.five.unwrap();
        assert_eq!((right, left), ([72.0, 48.0], [88.0, 48.0]));
        assert!(nose[0].is_nan() && five.points.is_none());
        let pose = one("0 0.5 0.5 0.25 0.5 0.45 0.4 2 0.55 0.4 2 0.5 0.5 1 0.46 0.6 0 0.54 0.6 2").unwrap();
        assert_eq!(pose.five.unwrap()[2], [80.0, 60.0]);
        assert!(pose.five.unwrap()[3][0].is_nan());
        let all: String = (0..70).map(|i| format!(" 0.5 {}", i as f32 / 100.0)).collect();
        let all = one(&format!("0 0.5 0.5 0.25 0.5{all}")).unwrap();
        assert_eq!((all.points.unwrap()[30], all.five.unwrap()[2]), ([80.0, 36.0], [80.0, 36.0]));
        assert!((all.five.unwrap()[0][1] - 120.0 * 0.385).abs() < 1e-3, "the mean of points 36 to 41");
        assert!(one("0 0.5 0.5 0.25 0.5 72 48 88 48 80 60 73 72 87 72").unwrap_err().contains("fractions"));
        assert!(one("0 0.5 0.5 0.25 0.5 0.9").unwrap().five.is_none(), "a score");
    }

    /// A grey 80x60 picture, brighter by one from column to column: from 0 in 8 bits, from 30000 in 16.
    fn ramp(path: &Path, depth: png::BitDepth) {
        let sixteen = depth == png::BitDepth::Sixteen;
        let pixel = |i: u16| if sixteen { (30_000 + i % 80).to_be_bytes().to_vec() } else { vec![(i % 80) as u8] };
        let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), 80, 60);
        encoder.set_depth(depth);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&(0..80 * 60).flat_map(pixel).collect::<Vec<u8>>()).unwrap();
    }

    #[test]
    fn a_csv_groups_the_faces_of_a_picture() {
        let dir = tempfile::tempdir().unwrap();
        ramp(&dir.path().join("a.png"), png::BitDepth::Eight);
        ramp(&dir.path().join("b.png"), png::BitDepth::Sixteen);
        let row = |name: &str, n: usize| {
            let cells: Vec<String> = (0..2 * n).map(|i| i.to_string()).collect();
            format!("{name},{}\n", cells.join(","))
        };
        let csv = dir.path().join("points.csv");
        std::fs::write(&csv, format!("image,x0,y0\n{}{}{}", row("a.png", 68), row("a.png", 70), row("b.png", 70)))
            .unwrap();
        let mut got = Vec::new();
        let flow = each(&csv, Signal::CENTIKELVIN, |s| {
            got.push((s.faces.len(), s.frame.format.signal, s.frame.pixels[3]));
            Ok(Flow::Continue(()))
        });
        assert_eq!(flow.unwrap(), Flow::Continue(()));
        assert_eq!(got, [(2, Signal::Grey8, 3), (1, Signal::CENTIKELVIN, 30003)]);
        let mut first = 0;
        let flow = each(&csv, Signal::Counts, |_| {
            first += 1;
            Ok(Flow::Break(()))
        });
        assert_eq!((flow.unwrap(), first), (Flow::Break(()), 1));
        std::fs::write(&csv, row("a.png", 69)).unwrap();
        let go_on = |_| Ok(Flow::Continue(()));
        let e = each(&csv, Signal::Counts, go_on).unwrap_err().to_string();
        assert!(e.contains("points.csv:1") && e.contains("69"), "{e}");
    }

    #[test]
    fn a_picture_without_annotation_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let png = dir.path().join("a.png");
        ramp(&png, png::BitDepth::Eight);
        let e = each(dir.path(), Signal::Counts, |_| Ok(Flow::Continue(()))).unwrap_err().to_string();
        assert!(e.contains("annotation"), "{e}");
        std::fs::write(dir.path().join("a.txt"), "").unwrap();
        let mut seen = 0;
        let flow = each(dir.path(), Signal::Counts, |s| {
            seen += 1;
            assert!(s.faces.is_empty());
            Ok(Flow::Continue(()))
        });
        assert_eq!((flow.unwrap(), seen), (Flow::Continue(()), 1));
    }
}
