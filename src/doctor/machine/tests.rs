use std::fs;
use std::path::Path;

use super::*;

/// A system with only these files.
fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

/// The verdict and the text of `check` on a system with only these files.
fn found(check: fn(&Path) -> Finding, files: &[(&str, &str)]) -> (Verdict, String) {
    let root = system(files);
    let finding = check(root.path());
    assert_eq!(finding.todo.is_some(), finding.verdict >= Verdict::Warn, "{finding:?}");
    (finding.verdict, finding.found)
}

#[test]
fn an_empty_system_is_unknown_and_never_a_failure() {
    let root = system(&[]);
    let findings = check(root.path());
    assert_eq!(findings.len(), 7);
    assert!(findings.iter().all(|f| f.verdict <= Verdict::Unknown && f.todo.is_none()), "{findings:?}");
}

#[test]
fn the_board_is_named_by_its_device_tree_and_cores() {
    let files = [
        ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.5\0"),
        ("sys/devices/system/cpu/cpu0/online", "1"),
        ("sys/devices/system/cpu/cpu1/online", "1"),
        ("sys/devices/system/cpu/cpufreq/policy0", ""),
    ];
    let (verdict, text) = found(board, &files);
    assert_eq!((verdict, text.as_str()), (Verdict::Ok, "Raspberry Pi 4 Model B Rev 1.5, 2 cores: board `pi-4`"));
}

#[test]
fn little_free_memory_is_a_warning() {
    let meminfo = |kb: u64| format!("MemTotal:       921600 kB\nMemAvailable:   {kb} kB\n");
    let (verdict, text) = found(memory, &[("proc/meminfo", &meminfo(150 * 1024))]);
    assert_eq!((verdict, text.as_str()), (Verdict::Ok, "150 of 900 MiB available"));
    let (verdict, text) = found(memory, &[("proc/meminfo", &meminfo(149 * 1024))]);
    assert_eq!((verdict, text.as_str()), (Verdict::Warn, "149 of 900 MiB available, wanted 150"));
}

#[test]
fn powersave_is_a_warning_unless_the_driver_sets_the_clock_itself() {
    let cpu = "sys/devices/system/cpu/cpu0/cpufreq";
    let verdict = |name: &str, driver: &str| {
        let (governor_file, driver_file) = (format!("{cpu}/scaling_governor"), format!("{cpu}/scaling_driver"));
        found(governor, &[(&governor_file, &format!("{name}\n")), (&driver_file, driver)]).0
    };
    assert_eq!(verdict("powersave", "cpufreq-dt"), Verdict::Warn);
    assert_eq!(verdict("powersave", "intel_pstate"), Verdict::Ok);
    assert_eq!(verdict("schedutil", "cpufreq-dt"), Verdict::Ok);
}

#[test]
fn the_hottest_zone_counts() {
    let zones = |hottest: &'static str| {
        [("sys/class/thermal/thermal_zone0/temp", "45000"), ("sys/class/thermal/thermal_zone1/temp", hottest)]
    };
    assert_eq!(found(heat, &zones("79900\n")), (Verdict::Ok, "80 degC".into()));
    assert_eq!(found(heat, &zones("80000\n")).0, Verdict::Warn);
}

#[test]
fn throttling_now_fails_and_earlier_warns() {
    let file = "sys/devices/platform/soc/soc:firmware/get_throttled";
    let told = |bits: &str| found(throttled, &[(file, bits)]);
    assert_eq!(told("0x0").0, Verdict::Ok);
    assert_eq!(told("0x50000"), (Verdict::Warn, "earlier: under-voltage, throttled".into()));
    assert_eq!(told("0x50005"), (Verdict::Fail, "now: under-voltage, throttled".into()));
    assert_eq!(told("nonsense").0, Verdict::Unknown);
}

#[test]
fn a_slow_clock_source_is_a_warning() {
    let file = "sys/devices/system/clocksource/clocksource0/current_clocksource";
    assert_eq!(found(clock_source, &[(file, "tsc\n")]), (Verdict::Ok, "tsc".into()));
    assert_eq!(found(clock_source, &[(file, "hpet\n")]).0, Verdict::Warn);
}

#[test]
fn a_time_service_is_recognised() {
    assert_eq!(found(time_of_day, &[("run/systemd/timesync/synchronized", "")]).0, Verdict::Ok);
}
