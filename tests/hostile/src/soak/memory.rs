//! The server's memory over time.

use std::time::Duration;

use anyhow::ensure;

/// Memory may grow by so much after the warm-up, whatever it was. Allocators keep some of what they
/// got.
const ALLOWANCE_BYTES: f64 = 16.0 * MIB;

/// It may grow by this share too.
const ALLOWANCE_SHARE: f64 = 0.15;

/// Bytes of a MiB.
const MIB: f64 = 1024.0 * 1024.0;

/// The share of a soak that warms up. Until then clients arrive and the server grows.
const WARM_UP: f64 = 0.2;

/// Samples of resident memory, oldest first.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<Sample>);

#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: f64,
    bytes: f64,
}

/// What the samples say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trend {
    /// The average after the warm-up, of a tenth of the samples, in MiB.
    pub(super) first: f64,
    /// The average at the end, of a tenth of the samples, in MiB.
    pub(super) last: f64,
    /// The most that was seen, in MiB.
    pub(super) peak: f64,
    /// The slope of the line through all samples after the warm-up, in MiB an hour.
    pub(super) slope: f64,
}

impl Memory {
    /// Adds a sample that was taken so long after the start.
    pub(super) fn add(&mut self, elapsed: Duration, bytes: u64) {
        self.0.push(Sample {
            seconds: elapsed.as_secs_f64(),
            bytes: bytes as f64,
        });
    }

    /// What the samples say; `None` if they are too few.
    pub(super) fn trend(&self) -> Option<Trend> {
        let end = self.0.last()?.seconds;
        let warm = |sample: &&Sample| sample.seconds >= end * WARM_UP;
        let samples: Vec<Sample> = self.0.iter().filter(warm).copied().collect();
        let tenth = (samples.len() / 10).max(1);
        (samples.len() >= 4).then(|| Trend {
            first: mean(&samples[..tenth], |it| it.bytes) / MIB,
            last: mean(&samples[samples.len() - tenth..], |it| it.bytes) / MIB,
            peak: self.0.iter().map(|it| it.bytes).fold(0.0, f64::max) / MIB,
            slope: slope(&samples) * 3600.0 / MIB,
        })
    }
}

impl Trend {
    /// Checks that the memory did not grow.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let bound = self.first * (1.0 + ALLOWANCE_SHARE) + ALLOWANCE_BYTES / MIB;
        ensure!(
            self.last <= bound,
            "the server's memory grew from {:.1} MiB after the warm-up to {:.1} MiB; allowed are \
             {bound:.1} MiB",
            self.first,
            self.last
        );
        Ok(())
    }
}

fn mean(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    samples.iter().map(value).sum::<f64>() / samples.len() as f64
}

/// Bytes a second, by least squares.
fn slope(samples: &[Sample]) -> f64 {
    let (x, y) = (mean(samples, |it| it.seconds), mean(samples, |it| it.bytes));
    let along: f64 = samples
        .iter()
        .map(|it| (it.seconds - x) * (it.bytes - y))
        .sum();
    let across: f64 = samples.iter().map(|it| (it.seconds - x).powi(2)).sum();
    along / across
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_an_hour(bytes: impl Fn(f64) -> f64) -> Trend {
        let mut memory = Memory::default();
        for second in (0..=3600).step_by(10) {
            let bytes = bytes(second as f64) as u64;
            memory.add(Duration::from_secs(second), bytes);
        }
        memory.trend().unwrap()
    }

    #[test]
    fn flat_is_flat_whatever_the_warm_up_was() {
        let trend = over_an_hour(|second| MIB * if second < 500.0 { second } else { 40.0 });
        assert!(trend.slope.abs() < 0.1, "{trend:?}");
        assert_eq!((trend.first, trend.last), (40.0, 40.0));
        assert!(trend.peak > 400.0);
        trend.check().unwrap();
    }

    #[test]
    fn a_leak_is_noticed() {
        let trend = over_an_hour(|second| MIB * (40.0 + second / 60.0));
        assert!((59.0..61.0).contains(&trend.slope), "{trend:?}");
        assert!(trend.check().is_err());
    }

    #[test]
    fn a_few_samples_say_nothing() {
        let mut memory = Memory::default();
        assert_eq!(memory.trend(), None);
        memory.add(Duration::from_secs(1), 1);
        assert_eq!(memory.trend(), None);
    }
}
