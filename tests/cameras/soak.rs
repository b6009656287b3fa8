//! A week of frames with random faults, in seconds.

use std::time::{Duration, Instant};

use heatmark::bench::alloc;
use heatmark::frame::Frame;
use heatmark::source::v4l::ladder::Step;
use heatmark::source::{Read, Settings, Source};

use super::recovery::keep;
use super::world::{Cure, Fault, World};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

struct Random(u64);

impl Random {
    /// xorshift64 (Marsaglia 2003).
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
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
    world.ail(fault, cure);
    let mut state = world.lock();
    // The next stream counts from somewhere, now and then just before the count wraps.
    state.first = if random.below(3) == 0 { u32::MAX - 1_000 } else { random.below(1 << 32) as u32 };
    state.number = random.below(4) as u32;
    // A driver that stamps by the clock of the day says nothing, or nonsense when that clock is set.
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
    let mut source = keep(&world, "auto", &settings);
    let clock = world.clock();
    let start = clock.now();
    let mut random = Random(0x5eed_5eed);
    let mut frame = Frame::new(source.format());
    let (mut delivered, mut whole, mut faults, mut last_seq, mut gaps) = (0u64, 0u64, 0u64, None, 0u64);
    let mut next_fault = clock.now() + Duration::from_secs(60);
    let mut memory = None;
    let mut hour = 0;
    while clock.now().since(start) < WEEK {
        if clock.now() >= next_fault {
            next_fault = clock.now() + Duration::from_secs(60 + random.below(1_200));
            faults += 1;
            if random.below(3) == 0 {
                world.lock().skip = 1 + random.below(50) as u32;
            } else {
                disturb(&world, &mut random);
            }
        }
        if source.read(&mut frame, Duration::from_millis(100)).unwrap() == Read::Frame {
            delivered += 1;
            whole += u64::from(frame.pixels.len() == frame.format.pixels());
            gaps += last_seq.map_or(0, |last: u64| frame.meta.seq - last - 1);
            last_seq = Some(frame.meta.seq);
            assert!(frame.meta.captured <= clock.now());
        }
        // After the first day nothing may grow.
        let hours = clock.now().since(start).as_secs() / 3600;
        if hours > hour {
            hour = hours;
            if hour == 24 {
                memory = Some(resident());
            }
        }
    }
    let grown = resident().saturating_sub(memory.unwrap());
    let tally = world.lock().tally.clone();
    println!(
        "a week in {:.1} s: {faults} disturbances, {} streams, {delivered} frames of which {whole} whole, {gaps} lost \
         by the driver, {} KiB more than after a day",
        began.elapsed().as_secs_f32(),
        tally.streams,
        grown
    );
    assert!(faults > 500 && tally.streams > 200 && tally.steps.len() > 50);
    // Every frame that the driver showed was handed on, and every one that it lost is a gap, except
    // those lost before the first frame of a stream, of which nobody can know.
    assert_eq!(delivered, tally.shown);
    assert!(gaps <= tally.skipped && gaps > 0, "{gaps} of {}", tally.skipped);
    assert_eq!(last_seq.unwrap() + 1, delivered + gaps);
    assert!(whole > 4_800_000, "{whole}");
    assert!(grown < 2_048, "{grown} KiB");
    assert!(world.open_devices() <= 1);
}

#[test]
fn a_frame_costs_no_allocation() {
    assert!(alloc::is_counting());
    for size in [(160, 122), (160, 120), (640, 512)] {
        let world = World::new(size);
        let mut source = keep(&world, "auto", &Settings::default());
        let mut frame = Frame::new(source.format());
        let mut frames =
            |n: u32| (0..n).filter(|_| source.read(&mut frame, Duration::from_secs(1)).unwrap() == Read::Frame).count();
        frames(10);
        let before = alloc::on_this_thread();
        assert_eq!(frames(200), 200);
        assert_eq!(alloc::on_this_thread().since(before), alloc::Allocations::default(), "{size:?}");
    }
}
