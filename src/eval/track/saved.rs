//! Saved results: a file of boxes for each sequence.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::lines;
use super::presence::Answer;
use super::sequence::Sequence;
use crate::error::{Error, Result};
use crate::result::TargetState;

/// From this presence on, a saved box says that the target is tracked.
const TRACKED: f64 = 0.5;

/// The answers for `rows` of `sequence` in `folder`, from `NAME.txt` or, as GTOT's results are named,
/// `FOLDER_NAME.txt`. A file has a line for each frame, for each row of truth, or for each of them from the first
/// target on; an empty box says that the target is not in view.
///
/// # Errors
/// Fix: the file is missing, is cut short, or holds something that is not a box.
pub(super) fn answers(folder: &Path, sequence: &Sequence, rows: Range<usize>) -> Result<Vec<Answer>> {
    let path = find(folder, &sequence.name)?;
    let all = lines::results(&path, sequence.rule.rounds())?;
    let total = sequence.thermal_truth.len().max(sequence.visible_truth.len());
    let (count, step) = (all.len(), sequence.step);
    let at = |row: usize| match step {
        _ if count == total => Some(row),
        1 if count > total => Some(row),
        1 if count == total - rows.start || count == rows.len() => Some(row - rows.start),
        1 => None,
        step => (count > (total - 1) * step).then_some(row * step),
    };
    if step == 1 && count > total {
        log::warn!("{}: {count} lines for {total} frames; the last ones are left out", path.display());
    }
    let answer = |row: usize| {
        let (bbox, presence) = *all.get(at(row)?)?;
        let tracked = !bbox.is_empty() && presence.is_none_or(|p| p >= TRACKED);
        let state = if tracked { TargetState::Tracked } else { TargetState::Lost };
        Some(Answer { bbox, presence, state })
    };
    let wanted = match (step, rows.start) {
        (1, 0) => format!("wanted {total}, one a frame"),
        (1, start) => format!("wanted {total}, one a frame, or {} from frame {start} on", total - start),
        (step, _) => format!("wanted {total}, or {} for all frames", (total - 1) * step + 1),
    };
    let found: Option<Vec<Answer>> = rows.clone().map(answer).collect();
    found.ok_or_else(|| Error::fix(path.display(), format!("holds {count} boxes, {wanted}")))
}

fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    if !folder.is_dir() {
        return Err(Error::fix(folder.display(), "is no folder of results"));
    }
    let full = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let tracker = full.file_name().unwrap_or_default().to_string_lossy();
    let names = [format!("{name}.txt"), format!("{tracker}_{name}.txt")];
    let found = names.iter().map(|file| folder.join(file)).find(|path| path.is_file());
    found.ok_or_else(|| {
        Error::fix(folder.display(), format!("has no result for {name}: neither {}", names.join(" nor ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::track::measure::Xywh;
    use crate::eval::track::rules::Rule;

    const BOX: Xywh = Xywh::new(1.0, 2.0, 3.0, 4.0);

    #[test]
    fn files_may_begin_with_the_clip_or_with_the_target() {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("ours");
        std::fs::create_dir(&results).unwrap();
        let write = |lines: usize| {
            let text: String = (0..lines).map(|i| format!("{i},2,3,4,0.{i}\n")).collect();
            std::fs::write(results.join("ours_a.txt"), text).unwrap();
        };
        let mut s = Sequence::new("a", Rule::Plain, vec![Xywh::default(), Xywh::default(), BOX, BOX, BOX]);
        let first = |s: &Sequence, rows| answers(&results, s, rows).map(|a| (a.len(), a[0].bbox.x));
        write(5);
        assert_eq!(first(&s, 2..5).unwrap(), (3, 2.0));
        write(3);
        assert_eq!(first(&s, 2..5).unwrap(), (3, 0.0));
        write(9);
        assert_eq!(first(&s, 2..5).unwrap(), (3, 2.0));
        assert_eq!(answers(&results, &s, 2..5).unwrap()[2].state, TargetState::Lost);
        write(4);
        let e = first(&s, 2..5).unwrap_err().to_string();
        assert!(
            e.contains("ours_a.txt") && e.contains("holds 4 boxes, wanted 5, one a frame, or 3 from frame 2 on"),
            "{e}"
        );
        s.step = 10;
        for (lines, want) in [(5, 2.0), (41, 20.0)] {
            write(lines);
            // Presences above 1 are no presences.
            let text = std::fs::read_to_string(results.join("ours_a.txt")).unwrap();
            let boxes: String = text.lines().map(|l| format!("{}\n", l.rsplit_once(',').unwrap().0)).collect();
            std::fs::write(results.join("ours_a.txt"), boxes).unwrap();
            assert_eq!(first(&s, 2..5).unwrap(), (3, want));
        }
    }

    #[test]
    fn a_missing_result_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let s = Sequence::new("a", Rule::Plain, vec![BOX]);
        let e = answers(dir.path(), &s, 0..1).unwrap_err().to_string();
        assert!(e.contains("no result for a: neither a.txt nor"), "{e}");
        assert!(answers(&dir.path().join("none"), &s, 0..1).unwrap_err().to_string().contains("no folder"));
        std::fs::write(dir.path().join("a.txt"), "0,0,0,0\n").unwrap();
        assert_eq!(answers(dir.path(), &s, 0..1).unwrap()[0].state, TargetState::Lost);
    }
}
