//! Finds the sequences under a path: a sequence, a set of them, or the root of a data set.

use std::path::{Path, PathBuf};

use super::reel::VIDEOS;
use super::sequence::Sequence;
use super::{field, plain};
use crate::error::{Error, Result};
use crate::source::folder::by_number;

/// Folders below the given one that are searched.
const DEPTH: usize = 4;

/// The sequences in `path`, in the order of their names.
///
/// # Errors
/// Fix: there are none, or a file of theirs is not as wanted.
pub fn sequences(path: &Path) -> Result<Vec<Sequence>> {
    let found = if path.is_dir() { search(path, DEPTH)? } else { file(path)? };
    if found.is_empty() {
        let wanted = "wanted a folder with boxes.csv, videos with NAME.csv, labels.json with videos, or a sequence or \
                      root of GTOT, RGBT210, RGBT234, LasHeR or VTUAV";
        return Err(Error::fix(path.display(), format!("holds no sequence, {wanted}")));
    }
    Ok(found)
}

/// A video with its CSV file; nothing for other files.
fn file(path: &Path) -> Result<Vec<Sequence>> {
    if !path.exists() {
        return Err(Error::fix(path.display(), "does not exist"));
    }
    if is_video(path) { plain::clip(path, &stem(path)).map(|s| vec![s]) } else { Ok(Vec::new()) }
}

fn is_video(path: &Path) -> bool {
    path.extension().is_some_and(|e| VIDEOS.contains(&e.to_string_lossy().to_ascii_lowercase().as_str()))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn search(folder: &Path, depth: usize) -> Result<Vec<Sequence>> {
    let full = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let name = full.file_name().unwrap_or_default().to_string_lossy();
    if plain::is_plain(folder) {
        return Ok(vec![plain::folder(folder, &name)?]);
    }
    if let Some(sequence) = field::folder(folder, &name)? {
        let mut found = [sequence];
        field::attributes(full.parent().unwrap_or(folder), &mut found)?;
        return Ok(found.into());
    }
    if folder.join("labels.json").is_file() {
        return plain::pairs(folder);
    }
    let entries = std::fs::read_dir(folder).map_err(|e| Error::fix(folder.display(), "cannot be read").because(e))?;
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort_by(|a, b| by_number(&a.to_string_lossy(), &b.to_string_lossy()));
    let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_dir());
    let labelled = |path: &&PathBuf| is_video(path) && path.with_extension("csv").is_file();
    let mut found = Vec::new();
    for video in files.iter().filter(labelled) {
        found.push(plain::clip(video, &stem(video))?);
    }
    if depth > 0 {
        for inside in &folders {
            found.extend(search(inside, depth - 1)?);
        }
    }
    // Lists of names and of attributes lie beside sequences: texts are truths only where there is nothing else.
    if found.is_empty() && folders.is_empty() {
        found = field::truths_alone(folder, &files);
        field::attributes(&full, &mut found)?;
    }
    field::settle(&mut found);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::track::rules::Rule;

    fn names(path: &Path) -> Vec<String> {
        sequences(path).unwrap().into_iter().map(|s| s.name).collect()
    }

    #[test]
    fn sequences_sets_and_roots_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let csv = "frame,x,y,w,h\n0,1,2,3,4\n";
        write("synth/00002/boxes.csv", csv);
        write("synth/00010/boxes.csv", csv);
        write("synth/meta.json", "{}");
        write("clips/IR_BIRD_9.csv", csv);
        write("clips/IR_BIRD_9.mp4", "");
        write("clips/IR_BIRD_10.mp4", "no CSV file");
        write("lasher/testingset/a/init.txt", "1,2,3,4\n");
        write("lasher/trainingset/b/init.txt", "1,2,3,4\n");
        write("lasher/AttriSeqsTxt/a.txt", "1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0");
        write("alone/gt/x.txt", "1,2,3,4\n");
        write("alone/gt/y.txt", "1,2,3,4\n");
        write("alone/list.txt", "x\n");
        assert_eq!(names(&dir.path().join("synth")), ["00002", "00010"]);
        assert_eq!(names(&dir.path().join("synth/00010")), ["00010"]);
        assert_eq!(names(&dir.path().join("clips")), ["IR_BIRD_9"]);
        assert_eq!(names(&dir.path().join("clips/IR_BIRD_9.mp4")), ["IR_BIRD_9"]);
        assert_eq!(names(&dir.path().join("alone")), ["x", "y"]);
        let set = sequences(&dir.path().join("lasher/testingset")).unwrap();
        assert_eq!((set.len(), set[0].rule, set[0].attributes.as_slice()), (1, Rule::Single, &["NO".to_string()][..]));
        assert_eq!(names(&dir.path().join("lasher/testingset/a")), ["a"]);
        assert!(sequences(&dir.path().join("synth/meta.json")).unwrap_err().to_string().contains("holds no sequence"));
        assert!(sequences(&dir.path().join("none")).unwrap_err().to_string().contains("does not exist"));
        let e = sequences(&dir.path().join("alone/list.txt")).unwrap_err().to_string();
        assert!(e.contains("GTOT, RGBT210"), "{e}");
    }
}
