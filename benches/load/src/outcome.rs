//! What a run found.

use serde::{Deserialize, Serialize};

use crate::{scenario::Scenario, target::Target};

/// The figures of one run; those that its scenario does not measure are absent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Who was under load.
    pub(crate) target: Target,
    /// How.
    pub(crate) scenario: Scenario,
    /// Messages delivered, or clients joined, while it was measured.
    pub(crate) count: u64,
    /// How long it was measured.
    pub(crate) seconds: f64,
    /// The server's time on processors meanwhile, in seconds.
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

impl Outcome {
    /// CPU seconds of the server for a million messages or joins.
    pub(crate) fn cpu_per_million(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.count as f64
    }

    /// Messages or joins a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}
