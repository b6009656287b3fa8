//! A week of frames with random faults, in seconds.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use heatmark::bench::alloc;
use heatmark::pipeline;
use heatmark::source::Settings;
use heatmark::source::v4l::escalation::Step;
use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;

use super::running::{Running, whole};
use super::world::{Cure, Fault, World};

const DAY: Duration = Duration::from_secs(24 * 3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// No fault begins in the last part, so that the last frame is a whole one.
const QUIET_END: Duration = Duration::from_secs(600);

struct Random(Pcg64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n
    }
}

/// Memory of this process that is in use, KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn disturb(world: &World, random: &mut Random) {
    const FAULTS: [Fault; 9] = [
        Fault::Away,
        Fault::Silent,
        Fault::Frozen,
        Fault::Short,
        Fault::Damaged,
        Fault::Io,
        Fault::Busy,
        Fault::Forbidden,
        Fault::Stuck,
    ];
    let cures = [
        Cure::After(Duration::from_secs(1 + random.below(60))),
        Cure::By(Step::Reopen),
        Cure::By(Step::Reset),
        Cure::By(Step::Replug),
    ];
    let fault = FAULTS[random.below(9) as usize];
    let timed = matches!(fault, Fault::Away | Fault::Busy | Fault::Forbidden | Fault::Stuck);
    let cure = cures[if timed { 0 } else { random.below(4) as usize }];
    world.inject(fault, cure);
    let mut state = world.lock();
    // The next stream counts from somewhere, now and then just before the count wraps.
    state.first = if random.below(3) == 0 { u32::MAX - 1_000 } else { random.below(1 << 32) as u32 };
    state.number = random.below(4) as u32;
    // A driver that stamps with the time of day gives no age, or a wrong one when that clock is set.
    state.age = match random.below(4) {
        0 => None,
        1 => Some(Duration::from_secs(random.below(1 << 31))),
        _ => Some(Duration::from_millis(random.below(20))),
    };
}

#[test]
fn a_week_of_faults_loses_no_count_and_no_memory() {
    let began = Instant::now();
    let world = World::new((32, 24));
    let mut settings = Settings::default();
    settings.camera.size = "32x24".into();
    world.lock().usb = "ffff:0001".parse().unwrap();
    // A read ends later than the next frame is due: each read without a frame costs a real millisecond.
    let path = pipeline::Settings { read_wait_ms: 200, ..pipeline::Settings::default() };
    let camera = Running::start_with(&world, "auto", &settings, path);
    let clock = world.clock();
    let start = clock.now();
    let mut random = Random(Pcg64::seed_from_u64(0x5eed_5eed));
    let mut faults = 0;
    let mut memory = None;
    let mut next_fault = Duration::from_secs(60);
    let mut passed = Duration::ZERO;
    while passed < WEEK {
        // After the first day nothing may grow.
        if memory.is_none() && passed >= DAY {
            memory = Some(resident());
        }
        if passed >= next_fault && passed < WEEK - QUIET_END {
            next_fault = passed + Duration::from_secs(60 + random.below(1_200));
            faults += 1;
            if random.below(3) == 0 {
                world.lock().skip = 1 + random.below(50) as u32;
            } else {
                disturb(&world, &mut random);
            }
            assert!(world.open_devices() <= 1);
        }
        let next = if passed < next_fault { next_fault.min(WEEK) } else { WEEK };
        camera.run_for(next - passed);
        passed = clock.now().since(start);
    }
    let grown = resident().saturating_sub(memory.unwrap());
    assert_eq!(world.open_devices(), 1);
    let snapshot = camera.finish();
    assert_eq!((world.open_devices(), &snapshot.source_error), (0, &None));
    let (counts, tally) = (snapshot.counts, world.lock().tally.clone());
    let (whole, gaps) = (whole(&counts), counts.dropped.driver);
    let delivered = counts.captured - gaps;
    println!(
        "a week in {:.1} s: {faults} disturbances, {} streams, {delivered} frames of which {whole} whole, {gaps} lost \
         by the driver, {} KiB more than after a day",
        began.elapsed().as_secs_f32(),
        tally.streams,
        grown
    );
    assert!(faults > 500 && tally.streams > 200 && tally.steps.len() > 50);
    // Every frame that the driver showed was captured, and every one that it lost is a gap, except those
    // lost before the first frame of a stream, which leave no trace.
    assert_eq!(delivered, tally.shown);
    assert!(gaps <= tally.skipped && gaps > 0, "{gaps} of {}", tally.skipped);
    assert_eq!(snapshot.last_seq + 1, delivered + gaps);
    assert!(whole > 4_800_000, "{whole}");
    assert!(grown < 2_048, "{grown} KiB");
}

#[test]
fn a_frame_costs_no_allocation() {
    assert!(alloc::is_counting());
    for size in [(160, 122), (160, 120), (640, 512)] {
        let world = World::new(size);
        let camera = Running::start(&world, "auto", &Settings::default());
        // Runs on the capture thread between two frames.
        let (mut before, made) = (None, Arc::new(OnceLock::new()));
        let result = Arc::clone(&made);
        let done = camera.run_until(Duration::from_secs(60), move |status| match whole(&status.counts()) {
            210 => result.set(alloc::on_this_thread().since(before.unwrap())).is_ok(),
            10 => {
                before.get_or_insert_with(alloc::on_this_thread);
                false
            }
            _ => false,
        });
        assert!(done.is_some());
        assert_eq!(made.get(), Some(&alloc::Allocations::default()), "{size:?}");
        camera.finish();
    }
}
