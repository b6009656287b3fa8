//! What the doctor finds on made-up machines.

use std::fs;
use std::path::Path;

use heatmark::config::Config;
use heatmark::doctor::{Doctor, Finding, Verdict, worst};

use super::world::{Cure, Fault, World};

fn put(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("{text}\n")).unwrap();
}

/// A machine where all is well.
fn healthy(root: &Path) {
    put(root, "etc/udev/rules.d/60-heatmark.rules", include_str!("../../udev/60-heatmark.rules"));
    put(root, "sys/module/uvcvideo/parameters/quirks", "4294967295");
    put(root, "sys/module/uvcvideo/parameters/nodrop", "0");
    put(root, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0");
    put(root, "proc/meminfo", "MemTotal:  3000000 kB\nMemAvailable:  2048000 kB");
    put(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand");
    put(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "cpufreq-dt");
    put(root, "sys/class/thermal/thermal_zone0/temp", "51500");
    put(root, "sys/devices/platform/soc/soc:firmware/get_throttled", "0");
    put(root, "sys/devices/system/clocksource/clocksource0/current_clocksource", "arch_sys_counter");
    put(root, "run/systemd/timesync/synchronized", "");
}

fn examine(root: &Path, world: &World) -> Vec<Finding> {
    let mut config = Config::default();
    config.sink.http.listen = "127.0.0.1:0".into();
    Doctor { root: root.into(), bus: &mut world.clone(), config: &config }.examine()
}

fn about<'a>(all: &'a [Finding], topic: &str) -> &'a Finding {
    let worst = all.iter().filter(|f| f.topic == topic).max_by_key(|f| f.verdict);
    worst.unwrap_or_else(|| panic!("nothing about {topic}"))
}

#[test]
fn a_healthy_machine_gets_no_advice() {
    let root = tempfile::tempdir().unwrap();
    healthy(root.path());
    let all = examine(root.path(), &World::new((160, 122)));
    // Models may be left out of a build, kernels are this CPU's.
    let rest: Vec<_> = all.iter().filter(|f| !["model", "kernels", "disk"].contains(&f.topic)).collect();
    let bad: Vec<_> = rest.iter().filter(|f| f.verdict != Verdict::Ok).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(about(&all, "camera").found.contains("v4l2:serial=8003000b-5113"));
    assert!(about(&all, "board").found.contains("pi-4"));
}

#[test]
fn every_trouble_is_told_with_what_to_do() {
    let cases: [(&str, &str, &str, Verdict); 11] = [
        ("etc/udev/rules.d/60-heatmark.rules", "# another", "udev rules", Verdict::Warn),
        ("sys/module/uvcvideo/parameters/quirks", "128", "uvcvideo", Verdict::Warn),
        ("sys/module/uvcvideo/parameters/nodrop", "1", "uvcvideo", Verdict::Warn),
        ("proc/meminfo", "MemTotal: 400000 kB\nMemAvailable: 90000 kB", "memory", Verdict::Warn),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave", "cpu governor", Verdict::Warn),
        ("sys/class/thermal/thermal_zone0/temp", "84000", "heat", Verdict::Warn),
        ("sys/devices/platform/soc/soc:firmware/get_throttled", "50005", "throttling", Verdict::Fail),
        ("sys/devices/platform/soc/soc:firmware/get_throttled", "50000", "throttling", Verdict::Warn),
        ("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet", "clock source", Verdict::Warn),
        ("sys/class/thermal/thermal_zone0/temp", "not a number", "heat", Verdict::Unknown),
        ("sys/devices/platform/soc/soc:firmware/get_throttled", "what", "throttling", Verdict::Unknown),
    ];
    for (file, content, topic, verdict) in cases {
        let root = tempfile::tempdir().unwrap();
        healthy(root.path());
        put(root.path(), file, content);
        let all = examine(root.path(), &World::new((160, 122)));
        let finding = about(&all, topic);
        assert_eq!(finding.verdict, verdict, "{file}: {finding:?}");
        assert_eq!(finding.todo.is_some(), verdict >= Verdict::Warn, "{finding:?}");
    }
}

#[test]
fn cameras_are_looked_at_one_by_one() {
    let root = tempfile::tempdir().unwrap();
    healthy(root.path());
    let world = World::new((160, 122));
    world.inject(Fault::Forbidden, Cure::After(std::time::Duration::from_secs(1)));
    let all = examine(root.path(), &world);
    assert_eq!(worst(&all), Verdict::Fail);
    assert!(about(&all, "camera").todo.as_deref().unwrap().contains("usermod -aG video"), "the rules are there");
    fs::remove_file(root.path().join("etc/udev/rules.d/60-heatmark.rules")).unwrap();
    let all = examine(root.path(), &world);
    assert!(about(&all, "camera").todo.as_deref().unwrap().contains("udev/60-heatmark.rules"));

    world.inject(Fault::Away, Cure::After(std::time::Duration::from_secs(1)));
    assert_eq!(about(&examine(root.path(), &world), "camera").verdict, Verdict::Warn);

    // 256x384 YUYV at 25 Hz does not fit through 12 Mbit/s.
    let slow = World::new((160, 122));
    slow.lock().usb = "0bda:5830".parse().unwrap();
    let usb = examine(root.path(), &slow);
    assert_eq!(about(&usb, "usb").verdict, Verdict::Fail, "{:?}", about(&usb, "usb"));
    assert!(about(&usb, "usb").found.contains("12 Mbit/s"));
}

#[test]
fn an_empty_machine_is_unknown_and_no_panic() {
    let root = tempfile::tempdir().unwrap();
    let all = examine(root.path(), &World::new((160, 122)));
    for topic in ["memory", "cpu governor", "heat", "throttling", "clock source", "time of day", "uvcvideo"] {
        assert_eq!(about(&all, topic).verdict, Verdict::Unknown, "{topic}");
    }
    assert_eq!(about(&all, "udev rules").verdict, Verdict::Warn);
}

#[test]
fn a_port_in_use_is_told() {
    let root = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = Config::default();
    config.sink.http.listen = taken.local_addr().unwrap().to_string();
    let mut world = World::new((160, 122));
    let all = Doctor { root: root.path().into(), bus: &mut world, config: &config }.examine();
    assert_eq!(about(&all, "port").verdict, Verdict::Warn);
    assert!(about(&all, "port").found.contains(&config.sink.http.listen));
}
