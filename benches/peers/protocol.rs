//! How `compare.py` talks to an engine written in Rust: one line in, one line out.
//!
//! `run N` runs N times and answers the median and the least time of one, in microseconds of processor
//! time; `out` answers all
//! outputs, one after the other.

use std::io::{BufRead, Write};
use std::time::Duration;

/// A network that has its input.
pub trait Engine {
    /// Computes the outputs.
    fn run(&mut self);
    /// All outputs of a run.
    fn outputs(&mut self) -> Vec<f32>;
}

/// The input that every engine gets: numbers in -1..1 that look random.
pub fn input(count: usize) -> Vec<f32> {
    let number = |i: u64| (i * 2_654_435_761 % (1 << 32)) as f64 / f64::from(1u32 << 31) - 1.0;
    (0..count as u64).map(|i| number(i) as f32).collect()
}

/// Processor time of the process, all threads.
fn processor_time() -> Duration {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// Answers until standard input ends.
pub fn serve(engine: &mut dyn Engine) {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let answer = match line.split_once(' ') {
            Some(("run", n)) => {
                let mut times = Vec::new();
                for _ in 0..n.parse().expect("how often") {
                    let began = processor_time();
                    engine.run();
                    times.push((processor_time() - began).as_secs_f64() * 1e6);
                }
                times.sort_by(f64::total_cmp);
                format!("{} {}", times[times.len() / 2], times[0])
            }
            _ => engine.outputs().iter().map(f32::to_string).collect::<Vec<_>>().join(" "),
        };
        writeln!(out, "{answer}").expect("somebody reads");
        out.flush().expect("somebody reads");
    }
}
