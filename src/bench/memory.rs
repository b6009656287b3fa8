//! Memory of this process, from Linux.

use std::fmt;

use serde::Serialize;

/// Resident memory; `None` if `/proc` does not report it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Resident now, kB.
    pub resident_kb: Option<u64>,
    /// Largest resident size so far, kB.
    pub peak_kb: Option<u64>,
}

impl Memory {
    /// Reads `/proc/self/status`.
    pub fn now() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    fn parse(status: &str) -> Self {
        let field = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name))?;
            line.trim_end_matches("kB").trim().parse().ok()
        };
        Self { resident_kb: field("VmRSS:"), peak_kb: field("VmHWM:") }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |kb: u64| kb as f64 / 1024.0;
        match (self.resident_kb, self.peak_kb) {
            (Some(now), Some(peak)) => write!(f, "{:.1} MiB resident, {:.1} MiB at most", mb(now), mb(peak)),
            (Some(now), None) => write!(f, "{:.1} MiB resident", mb(now)),
            _ => f.write_str("not told by this system"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        let text = "Name:\theatmark\nVmPeak:\t  99 kB\nVmHWM:\t   51200 kB\nVmRSS:\t   20480 kB\n";
        let memory = Memory::parse(text);
        assert_eq!(memory, Memory { resident_kb: Some(20480), peak_kb: Some(51200) });
        assert_eq!(memory.to_string(), "20.0 MiB resident, 50.0 MiB at most");
        assert_eq!(Memory::parse("").to_string(), "not told by this system");
    }
}
