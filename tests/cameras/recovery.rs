//! Every fault is noticed within its limit, reported, and healed without a restart of the program.

use std::time::Duration;

use heatmark::error::Remedy;
use heatmark::frame::Signal;
use heatmark::source::v4l::bus::Bus;
use heatmark::source::v4l::control::{self, Command, Gain, Shutter};
use heatmark::source::v4l::discover::discover;
use heatmark::source::v4l::escalation::Step;
use heatmark::source::{Open, Settings, cameras};

use super::running::{Running, supervisor, whole};
use super::world::{Cure, Fault, World};

const LEPTON: (u32, u32) = (160, 122);

/// One row of the table of faults: the fault, its cure, the limit until it is noticed, ms, and the limit
/// from then (or from the cure, where that is time) until frames come again, ms.
type Row = (Fault, Cure, u64, u64, &'static [Step]);

const S: u64 = 1_000;
const TABLE: [Row; 13] = [
    (Fault::Away, Cure::After(Duration::from_secs(20)), 200, 6 * S, &[]),
    (Fault::Io, Cure::By(Step::Reopen), 200, 6 * S, &[]),
    (Fault::Silent, Cure::By(Step::Reopen), 5_200, 6 * S, &[]),
    (Fault::Silent, Cure::By(Step::Reset), 5_200, 12 * S, &[Step::Reset]),
    (Fault::Silent, Cure::By(Step::Replug), 5_200, 20 * S, &[Step::Reset, Step::Replug]),
    (Fault::Frozen, Cure::By(Step::Reopen), 10_200, 6 * S, &[]),
    (Fault::Frozen, Cure::By(Step::Reset), 10_200, 24 * S, &[Step::Reset]),
    (Fault::Stuck, Cure::By(Step::Reopen), 10_200, 6 * S, &[]),
    (Fault::Short, Cure::By(Step::Reopen), 5_200, 6 * S, &[]),
    (Fault::Damaged, Cure::By(Step::Reset), 5_200, 12 * S, &[Step::Reset]),
    (Fault::Io, Cure::By(Step::Reset), 200, 6 * S, &[Step::Reset]),
    (Fault::Busy, Cure::After(Duration::from_secs(7)), 200, 6 * S, &[]),
    (Fault::Forbidden, Cure::After(Duration::from_secs(7)), 200, 6 * S, &[]),
];

#[test]
fn every_fault_is_noticed_and_healed_within_its_bound() {
    for (fault, cure, seen_ms, healed_ms, steps) in TABLE {
        let world = World::new(LEPTON);
        let camera = Running::start(&world, "auto", &Settings::default());
        let seen = camera.run_for(Duration::from_secs(30));
        assert!(seen.whole >= 268 && seen.other == 0, "{fault:?}: {seen:?}");
        world.inject(fault, cure);
        let cure_time = if let Cure::After(d) = cure { d } else { Duration::ZERO };
        let took = heal_time(&world, &camera);
        let took = took.unwrap_or_else(|| panic!("{fault:?} {cure:?} was not healed"));
        camera.run_for(cure_time.max(Duration::from_secs(45)).saturating_sub(took));
        let noticed = world.lock().tally.let_go.unwrap_or_else(|| panic!("{fault:?} {cure:?} was not noticed"));
        let noticed = noticed.since(world.lock().tally.injected);
        assert!(noticed <= Duration::from_millis(seen_ms), "{fault:?} {cure:?} noticed after {noticed:?}");
        assert_eq!(world.lock().tally.steps, steps, "{fault:?} {cure:?}");
        assert!(world.lock().fault.is_none(), "{fault:?} {cure:?} lasts");
        let seen = camera.run_for(Duration::from_secs(20));
        assert!(seen.whole >= 178 && seen.other == 0, "{fault:?} {cure:?}: {seen:?}");
        assert!(seen.first.unwrap() < Duration::from_millis(300), "{fault:?}");
        let bound = Duration::from_millis(seen_ms + healed_ms) + cure_time;
        assert!(took <= bound, "{fault:?} {cure:?} healed after {took:?}, bound {bound:?}");
        println!(
            "{fault:?} {cure:?}: noticed after {:.1} s, healed after {:.1} s",
            noticed.as_secs_f32(),
            took.as_secs_f32()
        );
        assert_eq!(world.open_devices(), 1, "{fault:?} leaks");
        assert_eq!(camera.finish().source_error, None, "{fault:?} {cure:?}");
        assert_eq!(world.open_devices(), 0, "{fault:?} leaks");
    }
}

/// From now to the first whole frame after the cure.
fn heal_time(world: &World, camera: &Running) -> Option<Duration> {
    let (world, mut last) = (world.clone(), whole(&camera.counts()));
    camera.run_until(Duration::from_secs(300), move |status| {
        let now = whole(&status.counts());
        let came = now > std::mem::replace(&mut last, now);
        came && world.lock().fault.is_none()
    })
}

#[test]
fn a_camera_that_comes_back_as_another_node_is_the_same_camera() {
    let world = World::new(LEPTON);
    let camera = Running::start(&world, "v4l2:serial=8003000b-5113", &Settings::default());
    camera.run_for(Duration::from_secs(3));
    world.inject(Fault::Away, Cure::After(Duration::from_secs(2)));
    world.lock().number = 3;
    let whole = camera.run_for(Duration::from_secs(10)).whole;
    assert!(whole > 30, "{whole}");
    assert_eq!(world.lock().tally.streams, 2);
}

#[test]
fn a_camera_that_needed_a_reset_gets_it_first_the_next_time() {
    let world = World::new(LEPTON);
    let camera = Running::start(&world, "auto", &Settings::default());
    for _ in 0..2 {
        camera.run_for(Duration::from_secs(30));
        world.inject(Fault::Silent, Cure::By(Step::Reset));
        camera.run_for(Duration::from_secs(30));
    }
    // The first time: opened again in vain, then reset. The second: reset at once.
    assert_eq!(world.lock().tally.steps, [Step::Reset, Step::Reset]);
    assert_eq!(world.lock().tally.streams, 1 + 2 + 1);
}

#[test]
fn forbidden_steps_are_left_out() {
    let world = World::new(LEPTON);
    world.lock().forbidden = vec![Step::Reset, Step::Replug];
    let camera = Running::start(&world, "auto", &Settings::default());
    world.inject(Fault::Silent, Cure::After(Duration::from_secs(60)));
    camera.run_for(Duration::from_secs(70));
    let whole = camera.run_for(Duration::from_secs(20)).whole;
    assert!(whole >= 178, "{whole}");
    assert!(world.lock().tally.steps.is_empty());
}

#[test]
fn a_camera_that_offers_other_formats_when_it_comes_back_is_used_as_it_is() {
    let world = World::new(LEPTON);
    let camera = Running::start(&world, "auto", &Settings::default());
    camera.run_for(Duration::from_secs(3));
    assert_eq!(camera.format().signal, Signal::CENTIKELVIN, "telemetry says so");
    world.lock().offers = vec![(80, 60)];
    world.inject(Fault::Away, Cure::After(Duration::from_secs(1)));
    let whole = camera.run_for(Duration::from_secs(5)).whole;
    assert!(whole > 10);
    let format = camera.format();
    assert_eq!((format.width, format.height, format.signal), (80, 60, Signal::Counts), "their meaning is unknown");
}

#[test]
fn a_camera_that_sets_another_of_its_modes_is_used_as_it_is() {
    let world = World::new(LEPTON);
    let camera = Running::start(&world, "auto", &Settings::default());
    camera.run_for(Duration::from_secs(3));
    // It changed without notice: frames are too short, and the list of modes is the old one.
    world.lock().grants = Some((160, 120));
    world.inject(Fault::Short, Cure::By(Step::Reopen));
    let whole = camera.run_for(Duration::from_secs(20)).whole;
    assert!(whole > 100, "{whole}");
    let format = camera.format();
    assert_eq!((format.width, format.height, format.signal), (160, 120, Signal::Counts));
    // A size that is no mode of the camera is refused.
    world.lock().grants = Some((161, 120));
    world.inject(Fault::Short, Cure::By(Step::Reopen));
    assert_eq!(camera.run_for(Duration::from_secs(20)).whole, 0);
}

#[test]
fn a_camera_without_telemetry_reports_what_its_counts_mean_on_request() {
    let u32_le = |v: u32| v.to_le_bytes().to_vec();
    for (tlinear, resolution, agc, wanted) in [
        (1, 1, 0, Signal::CENTIKELVIN),
        (1, 0, 0, Signal::Radiometric { kelvin_per_count: 0.1, kelvin_at_zero: 0.0 }),
        (0, 1, 0, Signal::Counts),
        (1, 1, 1, Signal::Grey8),
    ] {
        let world = World::new((160, 120));
        world.lock().units = vec![((21, 18), u32_le(tlinear)), ((21, 19), u32_le(resolution)), ((3, 1), u32_le(agc))];
        assert_eq!(supervisor(&world, "auto", &Settings::default()).open().unwrap().format().signal, wanted);
    }
    let world = World::new((160, 120));
    assert_eq!(
        supervisor(&world, "auto", &Settings::default()).open().unwrap().format().signal,
        Signal::Counts,
        "no answer, no degC"
    );
}

#[test]
fn commands_reach_the_units_that_the_firmware_names() {
    let mut world = World::new(LEPTON);
    world.lock().units = vec![
        ((6, 17), vec![0]),
        ((6, 16), vec![9; 32]),
        ((6, 19), vec![0; 4]),
        ((21, 18), vec![0; 4]),
        ((21, 19), vec![0; 4]),
        ((3, 1), vec![1, 0, 0, 0]),
    ];
    let node = world.nodes().remove(0);
    let mut device = world.open(&node).unwrap();
    let profile = cameras::by_name("purethermal").unwrap();
    for command in [
        Command::Ffc,
        Command::Shutter(Shutter::Manual),
        Command::Gain(Gain::Low),
        Command::TLinear(true),
        Command::Agc(false),
    ] {
        control::command(profile, device.as_mut(), command).unwrap();
    }
    let value = |unit, selector| world.lock().units.iter().find(|u| u.0 == (unit, selector)).unwrap().1.clone();
    assert_eq!(value(6, 17), [1]);
    assert_eq!((&value(6, 16)[..4], &value(6, 16)[4..]), (&[0u8; 4][..], &[9u8; 28][..]), "the rest is kept");
    assert_eq!((value(6, 19), value(21, 18), value(21, 19)), (vec![1, 0, 0, 0], vec![1, 0, 0, 0], vec![1, 0, 0, 0]));
    let state = control::state(profile, device.as_mut());
    assert_eq!((state.shutter, state.gain, state.agc), (Some(Shutter::Manual), Some(Gain::Low), Some(false)));
    assert_eq!(state.millikelvin, Some(10));

    // A firmware without a command, or with another length, and a camera without commands.
    world.lock().units.retain(|u| u.0 != (6, 19));
    let e = control::command(profile, device.as_mut(), Command::Gain(Gain::High)).unwrap_err();
    assert!(e.remedy() == Remedy::Fix && e.to_string().contains("does not have this control"), "{e}");
    world.lock().units[0].1 = vec![0, 0];
    let e = control::command(profile, device.as_mut(), Command::Ffc).unwrap_err();
    assert!(e.to_string().contains("has 2 bytes, wanted 1"), "{e}");
    let boson = cameras::by_name("boson").unwrap();
    assert_eq!(control::command(boson, device.as_mut(), Command::Ffc).unwrap_err().remedy(), Remedy::Fix);
}

#[test]
fn the_list_of_devices_says_what_is_wrong_with_them() {
    let mut world = World::new(LEPTON);
    let all = discover(&mut world);
    let camera = all[0].camera.as_ref().unwrap();
    assert_eq!((camera.profile, camera.mode.as_deref()), ("purethermal", Some("Y16 160x122")));
    assert_eq!((camera.picture, all[0].spec.as_str()), (Some((160, 120)), "v4l2:serial=8003000b-5113"));
    world.inject(Fault::Forbidden, Cure::After(Duration::from_secs(1)));
    let all = discover(&mut world);
    let trouble = all[0].trouble.as_deref().unwrap();
    assert!(trouble.contains("found, no permission: install udev/60-heatmark.rules"), "{trouble}");
    assert_eq!(all[0].camera.as_ref().unwrap().profile, "purethermal");
}

#[test]
fn an_error_names_what_was_found_instead() {
    let world = World::new((640, 480));
    world.lock().usb = "046d:0825".parse().unwrap();
    let open = |spec: &str, settings: Settings| supervisor(&world, spec, &settings).open().err();
    let absent = open("v4l2:serial=nothing", Settings::default()).unwrap();
    assert_eq!(absent.remedy(), Remedy::Retry);
    assert!(absent.to_string().contains("/dev/video0 (PureThermal 046d:0825 at usb 1-1.2"), "{absent}");
    let other = open("v4l2:profile=purethermal", Settings::default()).unwrap();
    assert!(other.remedy() == Remedy::Retry && other.to_string().contains("is not there"), "{other}");
    let mut sized = Settings::default();
    sized.camera.size = "32x24".into();
    let size = open("/dev/video0", sized).unwrap();
    assert!(size.remedy() == Remedy::Fix && size.to_string().contains("at 32x24"), "{size}");
    assert!(open("auto", Settings::default()).is_none(), "counts of an unknown camera are taken");
    world.inject(Fault::Forbidden, Cure::After(Duration::from_secs(1)));
    let forbidden = open("auto", Settings::default()).unwrap();
    assert!(forbidden.remedy() == Remedy::Fix && forbidden.to_string().contains("install udev"), "{forbidden}");
}
