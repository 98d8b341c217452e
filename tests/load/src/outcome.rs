//! What a run found.

use serde::Serialize;

use crate::{load::Scenario, target::Target};

/// The figures of one run, and what they are of.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// The server under load.
    pub(crate) target: Target,
    /// The kind of load.
    pub(crate) scenario: Scenario,
    /// What was found.
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

/// The figures of one run. A figure that its scenario does not measure is `None`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// Messages delivered, or clients joined, in the measured time.
    pub(crate) count: u64,
    /// The measured time, in seconds.
    pub(crate) seconds: f64,
    /// The server's time on processors in the measured time, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Half of the messages took at most this long, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_micros: Option<f64>,
    /// 99 of 100 messages took at most this long, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_micros: Option<f64>,
    /// Resident memory for each connection, in KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kib_per_connection: Option<f64>,
}

impl Figures {
    /// What every scenario measures.
    pub(crate) const fn new(count: u64, seconds: f64, cpu_seconds: f64) -> Self {
        Self {
            count,
            seconds,
            cpu_seconds,
            p50_micros: None,
            p99_micros: None,
            kib_per_connection: None,
        }
    }

    /// CPU seconds of the server for a million messages or joins.
    pub(crate) fn cpu_per_million(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.count as f64
    }

    /// Messages or joins a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}
