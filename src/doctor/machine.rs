//! Memory, CPU clock and heat, clock source, time of day.

use std::fs;
use std::path::Path;

use super::{Doctor, Finding, Verdict};
use crate::config::boards;

/// Memory below which the program may be killed when something else needs memory, MiB.
const ENOUGH_MB: u64 = 150;
/// CPU temperature close to the throttling limit, degC.
const HOT_C: f32 = 80.0;

pub(super) fn check(root: &Path) -> Vec<Finding> {
    vec![board(root), memory(root), governor(root), heat(root), throttled(root), clock_source(root), time_of_day(root)]
}

fn board(root: &Path) -> Finding {
    let model = Doctor::read(root, "proc/device-tree/model");
    let cores = fs::read_dir(root.join("sys/devices/system/cpu"))
        .map(|dir| dir.flatten().filter(|e| is_core(&e.file_name().to_string_lossy())).count())
        .unwrap_or(0);
    let name = boards::all().map(|all| boards::detect(&all, model.as_deref())).unwrap_or(boards::GENERIC);
    let model = model.unwrap_or_else(|| std::env::consts::ARCH.into());
    Finding::ok("board", format!("{model}, {cores} cores: board `{name}`"))
}

fn is_core(name: &str) -> bool {
    name.strip_prefix("cpu").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn memory(root: &Path) -> Finding {
    let text = Doctor::read(root, "proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb / 1024)
    };
    match (field("MemAvailable:"), field("MemTotal:")) {
        (Some(free), Some(all)) if free < ENOUGH_MB => {
            Finding::new("memory", Verdict::Warn, format!("{free} of {all} MiB available, wanted {ENOUGH_MB}"))
                .todo("stop other programs, or take smaller models and fewer faces")
        }
        (Some(free), Some(all)) => Finding::ok("memory", format!("{free} of {all} MiB available")),
        _ => Finding::new("memory", Verdict::Unknown, "/proc/meminfo does not say"),
    }
}

fn governor(root: &Path) -> Finding {
    let cpu = "sys/devices/system/cpu/cpu0/cpufreq";
    let Some(governor) = Doctor::read(root, &format!("{cpu}/scaling_governor")) else {
        return Finding::new("cpu governor", Verdict::Unknown, "the clock of this CPU is not set by the kernel");
    };
    let driver = Doctor::read(root, &format!("{cpu}/scaling_driver")).unwrap_or_default();
    // These two drivers set the clock themselves; their "powersave" scales it like "schedutil" of others.
    let active = driver.starts_with("intel_pstate") || driver.starts_with("amd-pstate-epp");
    if governor == "powersave" && !active {
        return Finding::new("cpu governor", Verdict::Warn, format!("{governor} ({driver}): always the lowest clock"))
            .todo("echo schedutil | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor");
    }
    Finding::ok("cpu governor", format!("{governor} ({driver})"))
}

fn heat(root: &Path) -> Finding {
    let zones = fs::read_dir(root.join("sys/class/thermal")).map(|d| d.flatten().collect::<Vec<_>>());
    let read = |entry: &fs::DirEntry| fs::read_to_string(entry.path().join("temp")).ok()?.trim().parse::<f32>().ok();
    let hottest = zones.unwrap_or_default().iter().filter_map(read).map(|mc| mc / 1000.0).fold(f32::NAN, f32::max);
    if hottest.is_nan() {
        return Finding::new("heat", Verdict::Unknown, "no thermal zone");
    }
    if hottest >= HOT_C {
        return Finding::new("heat", Verdict::Warn, format!("{hottest:.0} degC: the CPU slows down soon"))
            .todo("cool it: a heat sink, a fan, a case with holes");
    }
    Finding::ok("heat", format!("{hottest:.0} degC"))
}

/// The firmware of a Raspberry Pi reports limits of the clock, present (bits 0 to 3) and past (bits 16 to
/// 19): under-voltage, capped, throttled, soft limit.
fn throttled(root: &Path) -> Finding {
    let file = "sys/devices/platform/soc/soc:firmware/get_throttled";
    let Some(bits) = Doctor::read(root, file).and_then(|t| u32::from_str_radix(t.trim_start_matches("0x"), 16).ok())
    else {
        return Finding::new("throttling", Verdict::Unknown, "the firmware of this machine does not say");
    };
    let names = ["under-voltage", "clock capped", "throttled", "soft temperature limit"];
    let said = |shift: u32| {
        let on: Vec<_> = names.iter().enumerate().filter(|(i, _)| bits >> (shift + *i as u32) & 1 == 1).collect();
        on.iter().map(|(_, name)| **name).collect::<Vec<_>>().join(", ")
    };
    let (now, since) = (said(0), said(16));
    let todo = "use the board's own power supply and a short cable; cool it";
    match (now.is_empty(), since.is_empty()) {
        (true, true) => Finding::ok("throttling", "never since it was switched on"),
        (false, _) => Finding::new("throttling", Verdict::Fail, format!("now: {now}")).todo(todo),
        (true, false) => Finding::new("throttling", Verdict::Warn, format!("earlier: {since}")).todo(todo),
    }
}

fn clock_source(root: &Path) -> Finding {
    let folder = "sys/devices/system/clocksource/clocksource0";
    match Doctor::read(root, &format!("{folder}/current_clocksource")) {
        None => Finding::new("clock source", Verdict::Unknown, "the kernel does not say"),
        Some(source) if ["hpet", "acpi_pm", "jiffies", "refined-jiffies"].contains(&source.as_str()) => {
            Finding::new("clock source", Verdict::Warn, format!("{source}: reading the time is slow or coarse"))
                .todo("read in the kernel log why it does not use the CPU's counter (tsc)")
        }
        Some(source) => Finding::ok("clock source", source),
    }
}

/// Frames are stamped by a monotonic clock; only `captured_utc` depends on this.
fn time_of_day(root: &Path) -> Finding {
    let synchronised = ["run/systemd/timesync/synchronized", "run/chrony", "var/lib/chrony/drift"];
    if synchronised.iter().any(|file| root.join(file).exists()) {
        return Finding::ok("time of day", "kept by a time service");
    }
    Finding::new("time of day", Verdict::Unknown, "no time service known here; UTC stamps may be off")
}

#[cfg(test)]
mod tests;
