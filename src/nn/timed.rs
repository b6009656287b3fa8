//! Times networks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::network::{Build, Network};
use crate::error::Result;

/// Adds up the run times of networks.
#[derive(Debug, Clone, Default)]
pub struct Stopwatch(Arc<AtomicU64>);

impl Stopwatch {
    /// Builds the same networks and times their runs.
    pub fn on(&self, build: Build) -> Build {
        let watch = self.clone();
        Box::new(move |height, width| Ok(Box::new(Timed { network: build(height, width)?, watch: watch.clone() })))
    }

    /// Total time since the last call.
    pub fn lap(&self) -> Duration {
        Duration::from_nanos(self.0.swap(0, Relaxed))
    }
}

struct Timed {
    network: Box<dyn Network>,
    watch: Stopwatch,
}

impl Network for Timed {
    fn inputs(&self) -> &[(String, [usize; 4])] {
        self.network.inputs()
    }

    fn outputs(&self) -> &[(String, Vec<usize>)] {
        self.network.outputs()
    }

    fn run(&mut self, inputs: &[&[f32]]) -> Result<()> {
        let began = Instant::now();
        let done = self.network.run(inputs);
        self.watch.0.fetch_add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX), Relaxed);
        done
    }

    fn output(&self, i: usize) -> &[f32] {
        self.network.output(i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes 5 ms, and fails if the input starts below zero.
    struct Slow([(String, [usize; 4]); 1], [(String, Vec<usize>); 1]);

    impl Network for Slow {
        fn inputs(&self) -> &[(String, [usize; 4])] {
            &self.0
        }

        fn outputs(&self) -> &[(String, Vec<usize>)] {
            &self.1
        }

        fn run(&mut self, inputs: &[&[f32]]) -> Result<()> {
            std::thread::sleep(Duration::from_millis(5));
            if inputs[0][0] < 0.0 { Err(crate::error::Error::fatal("slow", "the input is negative")) } else { Ok(()) }
        }

        fn output(&self, i: usize) -> &[f32] {
            &[3.0, 4.0][i..]
        }
    }

    #[test]
    fn runs_are_timed_whether_they_succeed_or_not_and_networks_answer_as_before() {
        let watch = Stopwatch::default();
        let build =
            watch.on(Box::new(|_, _| Ok(Box::new(Slow([("in".into(), [1, 1, 1, 2])], [("out".into(), vec![1])])))));
        let (mut a, mut b) = (build(1, 2).unwrap(), build(1, 2).unwrap());
        assert_eq!(watch.lap(), Duration::ZERO);
        a.run(&[&[1.0, 0.0]]).unwrap();
        assert!(b.run(&[&[-1.0, 0.0]]).is_err());
        let both = watch.lap();
        assert!(both >= Duration::from_millis(10), "{both:?}");
        assert_eq!(watch.lap(), Duration::ZERO);
        assert_eq!((a.input_values(0), a.outputs()[0].0.as_str(), a.output(1)), (2, "out", &[4.0][..]));
    }
}
