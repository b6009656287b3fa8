//! The configuration as a whole: shipped boards, the printed reference, layers of real files.

use std::collections::BTreeSet;
use std::path::Path;

use heatmark::config::keys::Keys;
use heatmark::config::layers::{Origin, defaults};
use heatmark::config::{Config, Given, boards, load, reference};
use heatmark::nn::Model;
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;

fn given(file: &Path) -> Given {
    Given { file: Some(file.to_path_buf()), ..Given::default() }
}

fn keys() -> Keys {
    Keys::of::<Config>(&defaults::<Config>().unwrap())
}

#[test]
fn every_key_and_section_is_documented() {
    let keys = keys();
    assert!(keys.keys.len() > 5);
    let texts = keys.keys.iter().map(|k| (&k.path, &k.about));
    let texts: Vec<_> = texts.chain(keys.sections.iter().map(|s| (&s.path, &s.about))).collect();
    let bare: Vec<_> = texts.iter().filter(|(_, about)| about.is_empty()).collect();
    assert!(bare.is_empty(), "without a doc comment: {bare:?}");
    let rust: Vec<_> = texts.iter().filter(|(_, about)| about.contains("::") || about.contains("[`")).collect();
    assert!(rust.is_empty(), "with a name that only the code has: {rust:?}");
}

#[test]
fn the_reference_names_every_key_once_and_is_a_valid_file() {
    let text = reference::text().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reference.toml");
    std::fs::write(&file, &text).unwrap();
    let settled = load(&given(&file)).unwrap();
    assert_eq!(settled.values, Config::default());

    let mut section = String::new();
    let mut named = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            named.push(format!("{section}{key}"));
        }
    }
    let wanted: Vec<_> = keys().keys.into_iter().map(|k| k.path).collect();
    let (named_set, wanted_set): (BTreeSet<_>, BTreeSet<_>) = (named.iter().collect(), wanted.iter().collect());
    assert_eq!(named_set, wanted_set);
    assert_eq!(named.len(), wanted.len());
}

#[test]
fn every_board_file_is_carried_and_settles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("boards");
    let mut on_disk: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_string))
        .collect();
    on_disk.sort();
    let carried: Vec<_> = boards::all().unwrap().iter().map(|b| b.name.to_string()).collect();
    assert_eq!(carried, on_disk);
    assert!(carried.contains(&boards::GENERIC.to_string()));

    for name in carried {
        let settled = load(&Given { board: Some(name.clone()), ..Given::default() }).unwrap();
        assert_eq!(settled.values.board, name);
        let origins = settled.entries.iter().map(|e| &e.origin);
        assert!(origins.clone().all(|o| !matches!(o, Origin::Board(from, _) if *from != name)));
    }
}

#[test]
fn every_board_names_models_that_are_carried() {
    let carried: BTreeSet<_> = Model::names().collect();
    if carried.is_empty() {
        println!("skipped: no models in this build");
        return;
    }
    for board in boards::all().unwrap() {
        let settled = load(&Given { board: Some(board.name.into()), ..Given::default() }).unwrap();
        let face = &settled.values.face;
        let models = [face.detector_model(), face.landmarks_model(), face.still_landmarks_model()];
        for model in models.map(Result::unwrap) {
            assert!(carried.contains(model), "{}: {model} is not among {carried:?}", board.name);
        }
    }
}

#[test]
fn each_device_tree_model_finds_its_own_board() {
    let boards = boards::all().unwrap();
    for (model, name) in [
        ("Raspberry Pi Zero 2 W Rev 1.0", "pi-zero-2w"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "pi-3"),
        ("Raspberry Pi 4 Model B Rev 1.5", "pi-4"),
        ("Raspberry Pi 400 Rev 1.0", "pi-4"),
        ("Raspberry Pi 5 Model B Rev 1.0", "pi-5"),
        ("Raspberry Pi 500 Rev 1.0", "pi-5"),
        ("NVIDIA Jetson Nano Developer Kit", "jetson-nano"),
        ("NVIDIA Jetson Orin Nano Developer Kit", "jetson-orin-nano"),
        ("Radxa ROCK 5B", boards::GENERIC),
    ] {
        assert_eq!(boards::detect(&boards, Some(model)), name, "{model}");
    }
    assert_eq!(boards::detect(&boards, None), boards::GENERIC);
}

#[test]
fn the_file_chooses_the_board_and_flags_choose_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.toml");
    std::fs::write(&file, "board = \"pi-5\"\n[surface]\nemissivity = 0.9\n").unwrap();
    assert_eq!(load(&given(&file)).unwrap().values.board, "pi-5");
    let over = Given { board: Some("pi-4".into()), ..given(&file) };
    assert_eq!(load(&over).unwrap().values.board, "pi-4");
    let over = Given { set: vec!["board=pi-3".into(), "surface.emissivity=0.95".into()], ..over };
    let settled = load(&over).unwrap();
    assert_eq!((settled.values.board.as_str(), settled.values.surface.emissivity), ("pi-3", 0.95));
}

#[test]
fn no_text_makes_the_loader_panic() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.toml");
    let reference = reference::text().unwrap();
    let mut random = Pcg64::seed_from_u64(7);
    for _ in 0..300 {
        let mut bytes = reference.clone().into_bytes();
        for _ in 0..4 {
            let at = random.next_u32() as usize % bytes.len();
            bytes[at] = random.next_u32() as u8 & 0x7f;
        }
        std::fs::write(&file, &bytes).unwrap();
        let _ = load(&given(&file));
    }
}
