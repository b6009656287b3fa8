//! Layouts of the field's sets, by the names of their files.
//!
//! | set | pictures in a sequence | truth | rule |
//! |---|---|---|---|
//! | GTOT | `i/`, `v/` | `groundTruth_i.txt`, `groundTruth_v.txt`: left, top, right, bottom | gtot |
//! | RGBT234 | `infrared/`, `visible/` | `infrared.txt`, `visible.txt` | better |
//! | LasHeR | `infrared/`, `visible/` | `init.txt`; `infrared.txt` and `visible.txt` are equal | single |
//! | RGBT210 | `infrared/`, `visible/` | `init.txt` | single |
//! | VTUAV | `ir/`, `rgb/` | `ir.txt`, `rgb.txt`, a line for every tenth frame | better |
//! | truths alone | none | `NAME.txt` for each sequence, in one folder | single |
//!
//! Attributes are read from LasHeR's `AttriSeqsTxt` and from the `attr_txt` of RGBT210 and RGBT234, where they lie
//! beside the sequences or one folder above.

use std::path::{Path, PathBuf};

use super::lines::{Form, text, truths};
use super::reel::Reel;
use super::rules::Rule;
use super::sequence::Sequence;
use crate::error::Result;

/// Attributes in the order of LasHeR's files.
const LASHER: [&str; 19] = [
    "NO", "PO", "TO", "HO", "MB", "LI", "HI", "AIV", "LR", "DEF", "BC", "SA", "CM", "TC", "FL", "OV", "FM", "SV", "ARC",
];

/// VTUAV labels every tenth frame.
const VTUAV_STEP: usize = 10;

/// Reads a sequence of one of the sets; `None` if `folder` has no truth of any.
///
/// # Errors
/// Fix: names the file of truths and what is wrong in it.
pub(super) fn folder(folder: &Path, name: &str) -> Result<Option<Sequence>> {
    let file = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
    let of = |rule, thermal: &Path, visible: &Path, form| -> Result<Sequence> {
        let mut s = Sequence::new(name, rule, truths(thermal, form)?);
        s.visible_truth = truths(visible, form)?;
        Ok(s)
    };
    let mut s = if let (Some(i), Some(v)) = (file("groundTruth_i.txt"), file("groundTruth_v.txt")) {
        of(Rule::Gtot, &i, &v, Form::Edges)?
    } else if let (Some(i), Some(v)) = (file("ir.txt"), file("rgb.txt")) {
        let mut s = of(Rule::Better, &i, &v, Form::Size)?;
        s.step = VTUAV_STEP;
        // bus_001, pedestrian_042.
        s.class = name.rsplit_once('_').map(|(class, _)| class.to_string());
        s
    } else if let (Some(i), Some(v)) = (file("infrared.txt"), file("visible.txt")) {
        let mut s = of(Rule::Better, &i, &v, Form::Size)?;
        if s.thermal_truth == s.visible_truth {
            s.rule = Rule::Single;
        }
        s
    } else if let Some(init) = file("init.txt") {
        of(Rule::Single, &init, &init, Form::Size)?
    } else {
        return Ok(None);
    };
    let reel = |names: [&str; 3]| names.into_iter().map(|n| folder.join(n)).find(|p| p.is_dir()).map(Reel::Folder);
    (s.thermal, s.visible) = (reel(["infrared", "ir", "i"]), reel(["visible", "rgb", "v"]));
    Ok(Some(s))
}

/// LasHeR and RGBT234 have files of the same names. Where the two truths of any sequence differ it is RGBT234, whose
/// rule then holds for all.
pub(super) fn settle(sequences: &mut [Sequence]) {
    let two = |s: &Sequence| s.step == 1 && matches!(s.rule, Rule::Single | Rule::Better);
    if sequences.iter().any(|s| two(s) && s.rule == Rule::Better) {
        sequences.iter_mut().filter(|s| two(s)).for_each(|s| s.rule = Rule::Better);
    }
}

/// Sequences of truths alone: every `NAME.txt` in `folder`. Empty if any is something else.
///
/// # Errors
/// Fix: `folder` cannot be read.
pub(super) fn truths_alone(folder: &Path, files: &[PathBuf]) -> Vec<Sequence> {
    let texts = files.iter().filter(|path| path.extension().is_some_and(|e| e == "txt"));
    let read = |path: &PathBuf| {
        let boxes = truths(path, Form::Size).inspect_err(|e| log::debug!("{}: {e}", folder.display())).ok()?;
        let mut s = Sequence::new(&path.file_stem()?.to_string_lossy(), Rule::Single, boxes);
        s.visible_truth.clone_from(&s.thermal_truth);
        Some(s)
    };
    texts.map(read).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Adds the attributes that lie beside the sequences in `folder`, or one folder above.
///
/// # Errors
/// Fix: a list of attributes cannot be read.
pub(super) fn attributes(folder: &Path, sequences: &mut [Sequence]) -> Result<()> {
    let near = |name: &str| {
        [Some(folder), folder.parent()].into_iter().flatten().map(|f| f.join(name)).find(|path| path.is_dir())
    };
    if let Some(lists) = near("AttriSeqsTxt") {
        for s in sequences.iter_mut() {
            let path = lists.join(format!("{}.txt", s.name));
            if path.is_file() {
                let text = text(&path)?;
                let flags = text.split([',', ' ', '\t', '\n']).map(str::trim).filter(|cell| !cell.is_empty());
                s.attributes
                    .extend(LASHER.iter().zip(flags).filter(|(_, f)| *f == "1").map(|(name, _)| name.to_string()));
            }
        }
    }
    let Some(lists) = near("attr_txt").filter(|lists| lists.join("SequencesName.txt").is_file()) else { return Ok(()) };
    let names = text(&lists.join("SequencesName.txt"))?;
    let names: Vec<&str> = names.split_whitespace().collect();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&lists).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    for file in files.iter().filter(|f| !f.ends_with("SequencesName.txt")) {
        let flags = text(file)?;
        let with: Vec<_> =
            names.iter().zip(flags.split_whitespace()).filter(|(_, f)| *f == "1").map(|(n, _)| *n).collect();
        let attribute = file.file_stem().unwrap_or_default().to_string_lossy();
        for s in sequences.iter_mut().filter(|s| with.contains(&s.name.as_str())) {
            s.attributes.push(attribute.to_string());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::track::measure::Xywh;

    fn sequence(files: &[(&str, &str)], name: &str) -> Sequence {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            std::fs::write(dir.path().join(file), text).unwrap();
        }
        folder(dir.path(), name).unwrap().unwrap()
    }

    #[test]
    fn sets_are_told_by_their_files() {
        let gtot = sequence(&[("groundTruth_i.txt", "1 2 4 6\n"), ("groundTruth_v.txt", "2 2 4 6\n")], "a");
        assert_eq!((gtot.rule, gtot.thermal_truth[0]), (Rule::Gtot, Xywh::new(1.0, 2.0, 3.0, 4.0)));
        let vtuav = sequence(&[("ir.txt", "1 2 3 4\n"), ("rgb.txt", "5 2 3 4\n")], "bus_001");
        assert_eq!((vtuav.rule, vtuav.step, vtuav.class.as_deref()), (Rule::Better, 10, Some("bus")));
        let both = [("infrared.txt", "1,2,3,4\n"), ("visible.txt", "5,2,3,4\n"), ("init.txt", "5,2,3,4\n")];
        let rgbt234 = sequence(&both, "a");
        assert_eq!((rgbt234.rule, rgbt234.visible_truth[0].x), (Rule::Better, 5.0));
        let lasher = sequence(&[("infrared.txt", "1,2,3,4\n"), ("visible.txt", "1,2,3,4\n")], "b");
        assert_eq!(lasher.rule, Rule::Single);
        let rgbt210 = sequence(&[("init.txt", "1,2,3,4\n")], "c");
        assert_eq!((rgbt210.rule, rgbt210.visible_truth.len()), (Rule::Single, 1));
        let mut set = [rgbt234, lasher.clone(), vtuav];
        settle(&mut set);
        assert!(set.iter().all(|s| s.rule == Rule::Better), "one set, one rule");
        let mut set = [lasher, rgbt210];
        settle(&mut set);
        assert!(set.iter().all(|s| s.rule == Rule::Single));
        let dir = tempfile::tempdir().unwrap();
        assert!(folder(dir.path(), "a").unwrap().is_none());
        std::fs::create_dir_all(dir.path().join("rgb")).unwrap();
        std::fs::write(dir.path().join("init.txt"), "1,2\n").unwrap();
        assert!(folder(dir.path(), "a").unwrap_err().to_string().contains("init.txt:1"));
    }

    #[test]
    fn attributes_lie_beside_the_sequences_or_above() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for folder in ["AttriSeqsTxt", "attr_txt", "set"] {
            std::fs::create_dir(at(folder)).unwrap();
        }
        std::fs::write(at("AttriSeqsTxt/a.txt"), "0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1").unwrap();
        std::fs::write(at("attr_txt/SequencesName.txt"), "b\na\n").unwrap();
        std::fs::write(at("attr_txt/LI.txt"), "1\n1\n").unwrap();
        std::fs::write(at("attr_txt/FM.txt"), "0\n1\n").unwrap();
        let mut set = ["a", "b"].map(|name| Sequence::new(name, Rule::Single, vec![Xywh::default()]));
        attributes(&at("set"), &mut set).unwrap();
        assert_eq!(set[0].attributes, ["PO", "ARC", "FM", "LI"]);
        assert_eq!(set[1].attributes, ["LI"]);
    }
}
