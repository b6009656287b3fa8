//! The table against its rules, and which row fits which device.

use super::*;

fn one(pixel_format: PixelFormat, w: u32, h: u32) -> Offer {
    Offer { pixel_format, sizes: Sizes::One(w, h) }
}

#[test]
fn names_and_usb_ids_are_used_once() {
    let mut names: Vec<_> = CAMERAS.iter().map(|p| p.name).collect();
    let mut ids: Vec<_> = CAMERAS.iter().flat_map(|p| p.usb).map(ToString::to_string).collect();
    let (n, i) = (names.len(), ids.len());
    names.sort_unstable();
    names.dedup();
    ids.sort();
    ids.dedup();
    assert_eq!((names.len(), ids.len()), (n, i));
    assert!(CAMERAS.iter().all(|p| !p.references.is_empty() && !p.modes.is_empty()));
}

#[test]
fn rows_recognised_by_shape_say_so_and_give_no_temperature() {
    for profile in CAMERAS.iter().filter(|p| p.usb.is_empty()) {
        assert!(profile.note.starts_with("recognised by shape"), "{}", profile.name);
        for mode in profile.modes {
            let Meaning::Always(signal) = mode.meaning else { panic!("{}", profile.name) };
            assert!(!signal.is_radiometric(), "{}", profile.name);
        }
    }
}

#[test]
fn telemetry_is_preferred_and_shapes_are_last() {
    let lepton = [one(PixelFormat::Y16, 160, 120), one(PixelFormat::Y16, 160, 122), one(PixelFormat::Grey, 160, 120)];
    let id = "1e4e:0100".parse().ok();
    let choice = choose(id, &lepton, None).unwrap();
    assert_eq!(
        (choice.profile.name, choice.identified_by, choice.size),
        ("purethermal", IdentifiedBy::UsbId, (160, 122))
    );
    // The same formats of an unknown device are counts.
    let choice = choose(None, &lepton, None).unwrap();
    assert_eq!((choice.profile.name, choice.identified_by), ("y16", IdentifiedBy::Shape));
    // Asking for the picture's size takes telemetry along.
    assert_eq!(choose(id, &lepton, Some((160, 120))).unwrap().size, (160, 122));
    assert_eq!(choose(id, &lepton[..1], None).unwrap().size, (160, 120));
    assert!(choose(id, &lepton, Some((320, 240))).is_none());
}

#[test]
fn other_cameras_are_identified_by_what_they_offer() {
    let name = |id: Option<&str>, offers: &[Offer]| {
        choose(id.and_then(|id| id.parse().ok()), offers, None).map(|c| (c.profile.name, c.size))
    };
    let infiray = [one(PixelFormat::Yuyv, 256, 192), one(PixelFormat::Yuyv, 256, 384)];
    assert_eq!(name(Some("0bda:5830"), &infiray), Some(("infiray", (256, 384))));
    assert_eq!(name(None, &infiray), Some(("split", (256, 384))));
    let duo = [one(PixelFormat::Yuyv, 256, 392), one(PixelFormat::Yuyv, 512, 484), one(PixelFormat::Yuyv, 4, 12305)];
    assert_eq!(name(Some("2bdf:0102"), &duo), Some(("tc002c", (512, 484))));
    let boson = [one(PixelFormat::Y16, 320, 256)];
    assert_eq!(name(Some("09cb:4007"), &boson), Some(("boson", (320, 256))));
    let webcam =
        [one(PixelFormat::Mjpg, 1920, 1080), one(PixelFormat::Mjpg, 640, 480), one(PixelFormat::Yuyv, 640, 480)];
    assert_eq!(name(None, &webcam), Some(("picture", (640, 480))));
    // A webcam whose vendor's id is that of a thermal camera is no thermal camera.
    assert_eq!(name(Some("0bda:5830"), &webcam), Some(("picture", (640, 480))));
    let vivid = [Offer { pixel_format: PixelFormat::Y16, sizes: Sizes::Range((2, 1), (7680, 4320)) }];
    assert_eq!(name(None, &vivid), Some(("y16", (160, 120))));
    let seek = [one(PixelFormat::Y16, 206, 156)];
    assert_eq!(name(None, &seek), Some(("seek", (206, 156))));
    assert_eq!(name(None, &[]), None);
}

#[test]
fn a_device_of_any_size_gets_the_size_that_is_asked_for() {
    let vivid = [Offer { pixel_format: PixelFormat::Y16, sizes: Sizes::Range((2, 1), (7680, 4320)) }];
    let choice = choose(None, &vivid, Some((640, 512))).unwrap();
    assert_eq!((choice.profile.name, choice.size), ("y16", (640, 512)));
    assert!(choose(None, &vivid, Some((4000, 3000))).is_none());
}
