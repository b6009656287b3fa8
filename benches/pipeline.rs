//! What the path itself costs: the links, and the whole pipeline around an engine that does nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use heatmark::clock::{Clock, RealClock};
use heatmark::error::Result;
use heatmark::frame::{Frame, FrameFormat, Signal};
use heatmark::pipeline::handoff::{Taken, every, newest};
use heatmark::pipeline::{Feed, Infer, Input, Parts, Policy, Settings, Stamps, build};
use heatmark::result::FrameResult;
use heatmark::sink::{Output, Sink, Wants};
use heatmark::source::{Read, Source};
use heatmark::stop;

const FORMAT: FrameFormat = FrameFormat { width: 160, height: 120, signal: Signal::CENTIKELVIN, rate_hz: 0.0 };
const LONG: Duration = Duration::from_secs(1);

/// From `put` on one thread to `take` on another that waits for it.
fn handoff(c: &mut Criterion) {
    let mut group = c.benchmark_group("handoff");
    for (name, link) in [("newest", newest::<Instant> as fn() -> _), ("every", every::<Instant>)] {
        group.bench_function(format!("{name}/wake"), |b| {
            b.iter_custom(|n| {
                let (_stopper, stop) = stop::pair();
                let (mut sender, receiver) = link();
                let told = stop.clone();
                let total = std::thread::spawn(move || {
                    let mut total = Duration::ZERO;
                    loop {
                        match receiver.take(LONG, &told) {
                            Taken::Value(sent) => total += sent.elapsed(),
                            Taken::Idle => {}
                            Taken::Closed | Taken::Stopped => return total,
                        }
                    }
                });
                for _ in 0..n {
                    std::thread::sleep(Duration::from_micros(50));
                    let _ = sender.put(Instant::now(), &stop);
                }
                drop(sender);
                total.join().unwrap_or_default()
            });
        });
    }
    group.bench_function("newest/evict", |b| {
        let (_stopper, stop) = stop::pair();
        let (mut sender, _taker) = newest::<u64>();
        b.iter(|| sender.put(1, &stop));
    });
    group.finish();
}

/// Frames left, and frames sent.
struct Blank(u64, u64);

impl Source for Blank {
    fn name(&self) -> &str {
        "blank"
    }
    fn format(&self) -> FrameFormat {
        FORMAT
    }
    fn read(&mut self, into: &mut Frame, _wait: Duration) -> Result<Read> {
        if self.0 == 0 {
            return Ok(Read::End);
        }
        into.reshape(FORMAT);
        into.pixels.fill(29_815);
        into.meta.seq = self.1;
        into.meta.captured = RealClock.now();
        (self.0, self.1) = (self.0 - 1, self.1 + 1);
        Ok(Read::Frame)
    }
}

struct Null;

impl Infer for Null {
    fn infer(&mut self, _frame: &Frame, _out: &mut FrameResult) -> Result<()> {
        Ok(())
    }
}

struct Tally(Arc<AtomicU64>);

impl Sink for Tally {
    fn name(&self) -> &str {
        "tally"
    }
    fn wants(&self) -> Wants {
        Wants::default()
    }
    fn put(&mut self, _out: &Output<'_>) -> Result<()> {
        self.0.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// Frames of 160 x 120 through all three threads, none lost.
fn pipeline(c: &mut Criterion) {
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    group.bench_function("every/null engine", |b| {
        b.iter_custom(|n| {
            let presented = Arc::new(AtomicU64::new(0));
            let parts = Parts {
                input: Input::new(Feed::once(Blank(n, 0)), Stamps::Live, Policy::Every, RealClock::shared()),
                engine: Box::new(Null),
                draw: None,
                serialise: None,
                sinks: vec![Box::new(Tally(Arc::clone(&presented)))],
                settings: Settings::default(),
            };
            let (_stopper, stop) = stop::pair();
            let began = Instant::now();
            let ended = build(parts).and_then(|p| p.run(&stop));
            let took = began.elapsed();
            assert!(ended.is_ok() && presented.load(Relaxed) == n);
            took
        });
    });
    group.finish();
}

criterion_group!(benches, handoff, pipeline);
criterion_main!(benches);
