//! Box files of the field: a line a frame, numbers apart by commas, spaces or tabs.

use std::path::Path;

use super::measure::Xywh;
use crate::error::{Error, Result};

/// What four numbers of a line are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Left, top, width, height.
    Size,
    /// Left, top, right, bottom.
    Edges,
}

/// Text of a file.
///
/// # Errors
/// Fix: the file cannot be read.
pub(super) fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Error::fix(path.display(), "cannot be read").because(e))
}

/// The boxes of a file of truths.
///
/// # Errors
/// Fix: names the line that is not a box.
pub(super) fn truths(path: &Path, form: Form) -> Result<Vec<Xywh>> {
    let rows = each(path, &text(path)?, |numbers| {
        let [a, b, c, d] = four(numbers)?;
        let edges = form == Form::Edges && numbers.len() == 4;
        Some(if edges { Xywh::new(a, b, c - a, d - b) } else { Xywh::new(a, b, c, d) })
    })?;
    if rows.is_empty() {
        return Err(Error::fix(path.display(), "holds no box"));
    }
    Ok(rows)
}

/// The boxes of a file of results, each with the presence that a fifth column gives. With `rounds`, all numbers but
/// the presence are rounded to whole pixels first.
///
/// # Errors
/// Fix: names the line that is not a box or a presence 0 to 1.
pub(super) fn results(path: &Path, rounds: bool) -> Result<Vec<(Xywh, Option<f64>)>> {
    each(path, &text(path)?, |numbers| {
        let (numbers, presence) = match *numbers {
            [ref numbers @ .., presence] if numbers.len() == 4 => (numbers, Some(presence)),
            ref numbers => (numbers, None),
        };
        if presence.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
            return None;
        }
        let whole = |v: &f64| if rounds { v.round_ties_even() } else { *v };
        let [x, y, w, h] = four(&numbers.iter().map(whole).collect::<Vec<_>>())?;
        Some((Xywh::new(x, y, w, h), presence))
    })
}

/// Four numbers of a box, or of the box around four corners.
fn four(numbers: &[f64]) -> Option<[f64; 4]> {
    if let Ok(corners) = <&[f64; 8]>::try_from(numbers) {
        let (mut low, mut high) = ([f64::MAX; 2], [f64::MIN; 2]);
        for corner in corners.as_chunks::<2>().0 {
            for (k, &v) in corner.iter().enumerate() {
                (low[k], high[k]) = (low[k].min(v), high[k].max(v));
            }
        }
        return Some([low[0], low[1], high[0] - low[0], high[1] - low[1]]);
    }
    numbers.try_into().ok()
}

/// Reads every line that is not blank.
fn each<T>(path: &Path, text: &str, read: impl Fn(&[f64]) -> Option<T>) -> Result<Vec<T>> {
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let cells = line.split([',', ' ', '\t', ';']).map(str::trim).filter(|cell| !cell.is_empty());
        let numbers: Option<Vec<f64>> = cells.map(|cell| cell.parse().ok().filter(|v: &f64| v.is_finite())).collect();
        let row = numbers.and_then(|numbers| read(&numbers)).ok_or_else(|| {
            let shown: String = line.chars().take(80).collect();
            let wanted = "wanted x,y,w,h with finite numbers, four corners, or x,y,w,h and a presence 0 to 1";
            Error::fix(format!("{}:{}", path.display(), number + 1), format!("{shown:?} is not a box, {wanted}"))
        })?;
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boxes.txt");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn boxes_come_with_any_separator_as_sizes_edges_or_corners() {
        let want = Xywh::new(10.0, 20.0, 30.0, 40.0);
        for text in
            ["10,20,30,40", "10 20  30 40", "10\t20\t30\t40", "1e1, 20., 30, 40\r\n\n", "40,20,40,60,10,60,10,20"]
        {
            let (_dir, path) = file(text);
            assert_eq!(truths(&path, Form::Size).unwrap(), [want], "{text}");
            assert_eq!(results(&path, false).unwrap(), [(want, None)], "{text}");
        }
        let (_dir, path) = file("10 20 40 60\n0 0 0 0\n");
        assert_eq!(truths(&path, Form::Edges).unwrap(), [want, Xywh::default()]);
    }

    #[test]
    fn results_may_tell_presence_and_are_rounded_as_the_field_does() {
        let (_dir, path) = file("10.5,20.4,2.5,3.5,0.25\n9.6 20 40.4 20 40.4 61 9.6 61\n");
        let rows = results(&path, true).unwrap();
        assert_eq!(rows[0], (Xywh::new(10.0, 20.0, 2.0, 4.0), Some(0.25)), "halves go to the even number");
        assert_eq!(rows[1], (Xywh::new(10.0, 20.0, 30.0, 41.0), None), "corners are rounded, not sizes");
        assert_eq!(results(&path, false).unwrap()[0].0.x, 10.5);
    }

    #[test]
    fn what_is_no_box_is_named_with_its_line() {
        for bad in
            ["nan,1,2,3", "1,2,3", "1,2,3,4,5,6", "1,2,inf,4", "1,2,3,4,1.5", "one two three four", "1,2,3,4,NaN"]
        {
            let (_dir, path) = file(&format!("1,2,3,4\n{bad}\n"));
            let e = results(&path, false).unwrap_err().to_string();
            assert!(e.contains("boxes.txt:2") && e.contains("not a box"), "{e}");
        }
        let (_dir, path) = file("\n \n");
        assert!(truths(&path, Form::Size).unwrap_err().to_string().contains("holds no box"));
        assert!(results(Path::new("no such file"), false).is_err());
    }
}
