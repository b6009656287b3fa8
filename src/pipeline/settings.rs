//! Settings of a pipeline.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Result, within};
use crate::ranges;

/// Limits, buffers and pauses of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Without a frame for this long the output state is `stale`, milliseconds.
    #[schemars(range(min = 50, max = 600_000))]
    pub stale_ms: u64,
    /// Without a frame for this long the output state is `no_signal`, milliseconds; at least `stale_ms`.
    #[schemars(range(min = 50, max = 600_000))]
    pub no_signal_ms: u64,
    /// Interval at which the output is repeated while there is no frame, milliseconds.
    #[schemars(range(min = 50, max = 60_000))]
    pub tick_ms: u64,
    /// Pause before a source is reopened, milliseconds; doubles with each failure.
    #[schemars(range(min = 1, max = 60_000))]
    pub backoff_min_ms: u64,
    /// Longest such pause, milliseconds; at least `backoff_min_ms`.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub backoff_max_ms: u64,
    /// Longest time that one read of a source blocks, milliseconds. A stop is noticed within it.
    #[schemars(range(min = 1, max = 1_000))]
    pub read_wait_ms: u64,
    /// Frame buffers. The pipeline itself uses six; sinks that keep frames need more.
    #[schemars(range(min = 6, max = 256))]
    pub frames: usize,
    /// Faces that fit into a result without allocating.
    #[schemars(range(min = 1, max = 64))]
    pub faces: usize,
    /// Drops frames that show the closed shutter instead of passing them on with state `ffc`.
    pub drop_ffc: bool,
    /// Time for one frame after which a slow sink is logged, milliseconds.
    #[schemars(range(min = 1, max = 10_000))]
    pub slow_sink_ms: u64,
    /// Threads that have not ended this long after a stop are abandoned, milliseconds.
    #[schemars(range(min = 100, max = 60_000))]
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
    /// [`Remedy::Fix`](crate::error::Remedy::Fix) for the first key that is out of range.
    pub fn validate(&self) -> Result<()> {
        ranges::check("pipeline", self)?;
        within("pipeline.no_signal_ms", self.no_signal_ms, self.stale_ms..=600_000)?;
        within("pipeline.backoff_max_ms", self.backoff_max_ms, self.backoff_min_ms..=3_600_000)
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
        let found = bad.validate().unwrap_err().to_string();
        assert_eq!(found, "pipeline.no_signal_ms: is 100, wanted 1500 to 600000");
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
