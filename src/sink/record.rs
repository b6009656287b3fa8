//! Records raw frames, optionally with their results, on its own thread.
//!
//! The live path never waits for the disk: frames are copied into a fixed set of slots. While all
//! slots wait for the disk, the newest frame is dropped and counted (the recording is unbroken up
//! to the loss; gaps show in `seq`). An error ends the recording, is reported once through
//! [`Sink::put`], and leaves everything else running.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{Hooks, Output, Report, Sink, SinkKind, Wants};
use crate::error::{Error, Result};
use crate::frame::{Frame, FrameFormat, Signal};
use crate::recording::CameraInfo;
use crate::recording::files::Files;
use crate::units::Nanos;

pub use crate::recording::files::Settings;

/// Longest wait for the disk at the end.
const FINISH: Duration = Duration::from_secs(5);

/// Counters of a recording so far; shared with the code that shows them.
#[derive(Debug, Default)]
pub struct Counts {
    dir: PathBuf,
    frames: AtomicU64,
    lost: AtomicU64,
    bytes: AtomicU64,
    files: AtomicU64,
}

impl Counts {
    /// Frames on disk.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Frames lost because the disk was too slow.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Bytes written.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Files started.
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }
}

impl Report for Counts {
    fn done(&self) -> Option<String> {
        let (frames, files, lost) = (self.frames(), self.files(), self.lost());
        let (megabytes, dir) = (self.bytes() as f64 / 1e6, self.dir.display());
        Some(format!("  recorded {frames} frames in {files} files under {dir}, {megabytes:.1} MB, {lost} lost"))
    }
}

impl SinkKind for Settings {
    fn validate(&self) -> Result<()> {
        Settings::validate(self)
    }

    fn open(&self, hooks: &Hooks) -> Result<Vec<Box<dyn Sink>>> {
        if !self.enabled {
            return Ok(Vec::new());
        }
        let mut settings = self.clone();
        if hooks.camera.number > 1 {
            settings.name = format!("{}-{}", settings.name, hooks.camera.number);
        }
        Ok(vec![Box::new(Record::new(settings, CameraInfo::default())?)])
    }
}

/// One frame on its way to the disk.
struct Slot {
    frame: Frame,
    json: String,
    lost: u64,
}

/// Where the writer thread stores frames.
trait Store: Send {
    fn put(&mut self, frame: &Frame, result: Option<&str>, lost: u64) -> Result<()>;
    fn finish(&mut self) -> Result<()>;
    /// Files started and bytes written.
    fn written(&self) -> (u64, u64);
}

impl Store for Files {
    fn put(&mut self, frame: &Frame, result: Option<&str>, lost: u64) -> Result<()> {
        Files::put(self, frame, result, lost)
    }

    fn finish(&mut self) -> Result<()> {
        Files::finish(self)
    }

    fn written(&self) -> (u64, u64) {
        (self.started(), self.bytes())
    }
}

/// The record sink.
pub struct Record {
    results: bool,
    free: Receiver<Box<Slot>>,
    full: Option<Sender<Box<Slot>>>,
    /// Signals that the writer has ended, with the error if there was one.
    ended: Receiver<Result<()>>,
    over: bool,
    thread: Option<JoinHandle<()>>,
    counts: Arc<Counts>,
    last: Option<(u64, Nanos)>,
}

impl Record {
    /// Checks settings, folder and free space, and starts the writer thread.
    ///
    /// # Errors
    /// [`Error::fix`] for a setting out of range, a folder that cannot be created or a disk that is too
    /// full; [`Error::retry`] if the thread cannot be started.
    pub fn new(settings: Settings, camera: CameraInfo) -> Result<Self> {
        let (results, queue) = (settings.results, settings.queue);
        let counts = Counts { dir: settings.dir.clone(), ..Counts::default() };
        Self::start(results, queue, counts, Files::new(settings, camera)?)
    }

    fn start(results: bool, queue: usize, counts: Counts, store: impl Store + 'static) -> Result<Self> {
        let (full_in, full) = bounded(queue);
        let (free_in, free) = bounded(queue);
        let (ended_in, ended) = bounded(1);
        for _ in 0..queue {
            let format = FrameFormat { width: 0, height: 0, signal: Signal::Counts, rate_hz: 0.0 };
            let _ = free_in.try_send(Box::new(Slot { frame: Frame::new(format), json: String::new(), lost: 0 }));
        }
        let counts = Arc::new(counts);
        let shared = Arc::clone(&counts);
        let thread = std::thread::Builder::new()
            .name("record".into())
            .spawn(move || {
                let done = write_all(store, &full, &free_in, &shared, results);
                let _ = ended_in.send(done);
            })
            .map_err(|e| Error::retry("record", "the writer thread cannot be started").because(e))?;
        Ok(Self { results, free, full: Some(full_in), ended, over: false, thread: Some(thread), counts, last: None })
    }

    /// The counters so far.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    fn lose(&self) {
        self.counts.lost.fetch_add(1, Ordering::Relaxed);
    }
}

fn write_all(
    mut store: impl Store,
    full: &Receiver<Box<Slot>>,
    free: &Sender<Box<Slot>>,
    counts: &Counts,
    results: bool,
) -> Result<()> {
    for slot in full {
        let json = (results && !slot.json.is_empty()).then_some(slot.json.as_str());
        if let Err(e) = store.put(&slot.frame, json, slot.lost) {
            counts.lost.fetch_add(1 + full.try_iter().count() as u64, Ordering::Relaxed);
            return Err(e);
        }
        counts.frames.fetch_add(1, Ordering::Relaxed);
        let (files, bytes) = store.written();
        counts.files.store(files, Ordering::Relaxed);
        counts.bytes.store(bytes, Ordering::Relaxed);
        let _ = free.try_send(slot);
    }
    store.finish()
}

impl Sink for Record {
    fn name(&self) -> &str {
        "record"
    }

    fn wants(&self) -> Wants {
        Wants { raw: !self.over, json: self.results && !self.over, picture: false }
    }

    fn lost(&self) -> u64 {
        self.counts.lost()
    }

    fn report(&self) -> Option<Arc<dyn Report>> {
        Some(self.counts())
    }

    fn put(&mut self, out: &Output<'_>) -> Result<()> {
        if self.over {
            return Ok(());
        }
        if let Ok(end) = self.ended.try_recv() {
            self.over = true;
            return end;
        }
        let Some(frame) = out.frame else { return Ok(()) };
        // While no new frame arrives, the last one is shown again; record it only once.
        let this = (frame.meta.seq, frame.meta.captured);
        if self.last == Some(this) {
            return Ok(());
        }
        self.last = Some(this);
        let Ok(mut slot) = self.free.try_recv() else {
            self.lose();
            return Ok(());
        };
        slot.frame.format = frame.format;
        slot.frame.meta = frame.meta;
        slot.frame.pixels.clear();
        slot.frame.pixels.extend_from_slice(&frame.pixels);
        slot.json.clear();
        slot.json.push_str(out.json.unwrap_or_default());
        slot.lost = self.counts.lost();
        if let Some(Err(_)) = self.full.as_ref().map(|full| full.try_send(slot)) {
            self.lose();
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        drop(self.full.take());
        if self.over {
            return Ok(());
        }
        self.over = true;
        match self.ended.recv_timeout(FINISH) {
            Ok(end) => {
                if let Some(thread) = self.thread.take() {
                    let _ = thread.join();
                }
                end
            }
            Err(_) => Err(Error::retry(
                "record",
                format_args!("the disk did not take the last frames within {} s", FINISH.as_secs()),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::FrameResult;

    /// Takes one frame per permit; fails after `room` frames.
    struct Slow {
        permits: Receiver<()>,
        room: usize,
        seqs: Sender<(u64, u64)>,
    }

    impl Store for Slow {
        fn put(&mut self, frame: &Frame, _: Option<&str>, lost: u64) -> Result<()> {
            self.permits.recv().unwrap();
            if self.room == 0 {
                return Err(Error::fix("clip.tiff", "the disk is full"));
            }
            self.room -= 1;
            self.seqs.send((frame.meta.seq, lost)).unwrap();
            Ok(())
        }
        fn finish(&mut self) -> Result<()> {
            Ok(())
        }
        fn written(&self) -> (u64, u64) {
            (1, 0)
        }
    }

    fn put(sink: &mut Record, seq: u64) -> Result<()> {
        let format = FrameFormat { width: 80, height: 60, signal: Signal::Counts, rate_hz: 9.0 };
        let mut frame = Frame::new(format);
        frame.meta.seq = seq;
        let result = FrameResult::new("test".into(), 0);
        let frame = Arc::new(frame);
        sink.put(&Output { frame: Some(&frame), result: &result, json: None, picture: None })
    }

    #[test]
    fn while_the_disk_is_behind_the_newest_frames_are_lost_and_counted() {
        let (permit, permits) = bounded(100);
        let (seqs, seen) = bounded(100);
        let mut sink = Record::start(false, 3, Counts::default(), Slow { permits, room: 100, seqs }).unwrap();
        for seq in 0..10 {
            put(&mut sink, seq).unwrap();
        }
        assert_eq!(sink.counts().lost(), 7, "three slots, one of them in the writer's hands");
        permit.send(()).unwrap();
        assert_eq!(seen.recv().unwrap(), (0, 0));
        while sink.free.is_empty() {
            std::thread::yield_now();
        }
        put(&mut sink, 10).unwrap();
        put(&mut sink, 10).unwrap();
        for _ in 0..5 {
            let _ = permit.send(());
        }
        sink.finish().unwrap();
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), [(1, 0), (2, 0), (10, 7)]);
        assert_eq!(sink.counts().frames(), 4);
    }

    #[test]
    fn a_full_disk_is_told_once_and_then_costs_nothing() {
        let (permit, permits) = bounded(100);
        let (seqs, seen) = bounded(100);
        let mut sink = Record::start(true, 4, Counts::default(), Slow { permits, room: 2, seqs }).unwrap();
        assert!(sink.wants().raw && sink.wants().json);
        for seq in 0..3 {
            put(&mut sink, seq).unwrap();
            permit.send(()).unwrap();
        }
        let error = (3..).find_map(|seq| put(&mut sink, seq).err()).unwrap();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert_eq!(sink.wants(), Wants::default());
        put(&mut sink, 99).unwrap();
        assert_eq!(seen.try_iter().count(), 2);
        sink.finish().unwrap();
    }
}
