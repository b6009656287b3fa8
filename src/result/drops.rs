//! Every lost frame has a reason.

use serde::Serialize;

/// Why a captured frame was not presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(usize)]
#[non_exhaustive]
pub enum DropReason {
    /// Lost before it reached us: a gap in the source's sequence numbers.
    Driver,
    /// No free buffer: readers still held all of them.
    NoBuffer,
    /// A newer frame arrived before this one was taken.
    Superseded,
    /// Wrong size or flagged as corrupt.
    Corrupt,
    /// Shutter closed, and the source is set to drop such frames.
    Calibrating,
    /// The output was behind.
    SinkBehind,
    /// The pipeline was stopping.
    Stopping,
}

impl DropReason {
    /// Every reason, in the order of [`DropCounts`].
    pub const ALL: [DropReason; 7] = [
        DropReason::Driver,
        DropReason::NoBuffer,
        DropReason::Superseded,
        DropReason::Corrupt,
        DropReason::Calibrating,
        DropReason::SinkBehind,
        DropReason::Stopping,
    ];

    /// Name in results, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            DropReason::Driver => "driver",
            DropReason::NoBuffer => "no_buffer",
            DropReason::Superseded => "superseded",
            DropReason::Corrupt => "corrupt",
            DropReason::Calibrating => "calibrating",
            DropReason::SinkBehind => "sink_behind",
            DropReason::Stopping => "stopping",
        }
    }
}

/// Lost frames by reason, as published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct DropCounts {
    /// See [`DropReason::Driver`].
    pub driver: u64,
    /// See [`DropReason::NoBuffer`].
    pub no_buffer: u64,
    /// See [`DropReason::Superseded`].
    pub superseded: u64,
    /// See [`DropReason::Corrupt`].
    pub corrupt: u64,
    /// See [`DropReason::Calibrating`].
    pub calibrating: u64,
    /// See [`DropReason::SinkBehind`].
    pub sink_behind: u64,
    /// See [`DropReason::Stopping`].
    pub stopping: u64,
}

impl DropCounts {
    /// Frames lost for this reason.
    pub fn get(&self, reason: DropReason) -> u64 {
        match reason {
            DropReason::Driver => self.driver,
            DropReason::NoBuffer => self.no_buffer,
            DropReason::Superseded => self.superseded,
            DropReason::Corrupt => self.corrupt,
            DropReason::Calibrating => self.calibrating,
            DropReason::SinkBehind => self.sink_behind,
            DropReason::Stopping => self.stopping,
        }
    }

    /// Frames lost for any reason.
    pub fn sum(&self) -> u64 {
        DropReason::ALL.iter().map(|&reason| self.get(reason)).sum()
    }
}

/// Lost frames as `(reason, count)`, in the order of the results.
pub fn by_reason(dropped: &DropCounts) -> [(&'static str, u64); 7] {
    // Destructured so that a new counter does not compile until it is published.
    let DropCounts { driver, no_buffer, superseded, corrupt, calibrating, sink_behind, stopping } = *dropped;
    [
        (DropReason::Driver.name(), driver),
        (DropReason::NoBuffer.name(), no_buffer),
        (DropReason::Superseded.name(), superseded),
        (DropReason::Corrupt.name(), corrupt),
        (DropReason::Calibrating.name(), calibrating),
        (DropReason::SinkBehind.name(), sink_behind),
        (DropReason::Stopping.name(), stopping),
    ]
}
