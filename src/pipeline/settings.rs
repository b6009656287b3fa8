//! What can be set about a pipeline.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Result, within};

/// Limits, buffers and pauses of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Without a frame for this long the output says `stale`, milliseconds, 50 to 600000.
    pub stale_ms: u64,
    /// Without a frame for this long the output says `no_signal`, milliseconds, from `stale_ms` to 600000.
    pub no_signal_ms: u64,
    /// While there is no frame the output is repeated this often, milliseconds, 50 to 60000.
    pub tick_ms: u64,
    /// Pause before a source is opened again, milliseconds, 1 to 60000; doubles with each failure.
    pub backoff_min_ms: u64,
    /// Longest such pause, milliseconds, from `backoff_min_ms` to 3600000.
    pub backoff_max_ms: u64,
    /// One read of a source blocks for at most this long, milliseconds, 1 to 1000. A stop is seen
    /// within it.
    pub read_wait_ms: u64,
    /// Frame buffers, 6 to 256. The path itself holds six; sinks that keep frames need more.
    pub frames: usize,
    /// Faces that a result has room for without allocating, 1 to 64.
    pub faces: usize,
    /// Leaves out frames that show the closed shutter instead of passing them on with state `ffc`.
    pub drop_ffc: bool,
    /// A sink that takes longer than this for one frame is logged, milliseconds, 1 to 10000.
    pub slow_sink_ms: u64,
    /// Threads that have not ended this long after a stop are given up, milliseconds, 100 to 60000.
    pub stop_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stale_ms: 1_500,
            no_signal_ms: 5_000,
            tick_ms: 1_000,
            backoff_min_ms: 250,
            backoff_max_ms: 5_000,
            read_wait_ms: 100,
            frames: 10,
            faces: 8,
            drop_ffc: false,
            slow_sink_ms: 20,
            stop_ms: 5_000,
        }
    }
}

impl Settings {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Remedy::Fix`](crate::error::Remedy::Fix) about the first key out of its range.
    pub fn validate(&self) -> Result<()> {
        within("pipeline.stale_ms", self.stale_ms, 50..=600_000)?;
        within("pipeline.no_signal_ms", self.no_signal_ms, self.stale_ms..=600_000)?;
        within("pipeline.tick_ms", self.tick_ms, 50..=60_000)?;
        within("pipeline.backoff_min_ms", self.backoff_min_ms, 1..=60_000)?;
        within("pipeline.backoff_max_ms", self.backoff_max_ms, self.backoff_min_ms..=3_600_000)?;
        within("pipeline.read_wait_ms", self.read_wait_ms, 1..=1_000)?;
        within("pipeline.frames", self.frames, 6..=256)?;
        within("pipeline.faces", self.faces, 1..=64)?;
        within("pipeline.slow_sink_ms", self.slow_sink_ms, 1..=10_000)?;
        within("pipeline.stop_ms", self.stop_ms, 100..=60_000)
    }

    /// The pause before attempt `failures + 1` to open a source.
    pub fn backoff(&self, failures: u32) -> Duration {
        let factor = 1u64.checked_shl(failures).unwrap_or(u64::MAX);
        Duration::from_millis(self.backoff_min_ms.saturating_mul(factor).min(self.backoff_max_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_errors_name_the_key() {
        Settings::default().validate().unwrap();
        let bad = Settings { no_signal_ms: 100, ..Settings::default() };
        let said = bad.validate().unwrap_err().to_string();
        assert_eq!(said, "pipeline.no_signal_ms: is 100, wanted 1500 to 600000");
        assert!(toml::from_str::<Settings>("stale_s = 1").is_err());
    }

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        let s = Settings { backoff_min_ms: 100, backoff_max_ms: 1_000, ..Settings::default() };
        let ms: Vec<_> = (0..6).map(|n| s.backoff(n).as_millis()).collect();
        assert_eq!(ms, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(s.backoff(500).as_millis(), 1_000);
    }
}
