//! What a run found.

use serde::Serialize;

use crate::{load::Scenario, site::Cpu, target::Target};

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
    /// The same of the engine of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) engine_cpu_seconds: Option<f64>,
    /// Half of the messages or joins took at most this long, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_micros: Option<f64>,
    /// 99 of 100 took at most this long, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_micros: Option<f64>,
    /// Resident memory for each connection, in KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kib_per_connection: Option<f64>,
}

impl Figures {
    /// What every scenario measures.
    pub(crate) fn new(count: u64, seconds: f64, cpu: Cpu) -> Self {
        Self {
            count,
            seconds,
            cpu_seconds: cpu.servers.as_secs_f64(),
            engine_cpu_seconds: cpu.engine.map(|it| it.as_secs_f64()),
            p50_micros: None,
            p99_micros: None,
            kib_per_connection: None,
        }
    }

    /// CPU seconds of the server for a million messages or joins.
    pub(crate) fn cpu_per_million(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.count as f64
    }

    /// The same of the engine of a cluster.
    pub(crate) fn engine_cpu_per_million(&self) -> Option<f64> {
        let seconds = self.engine_cpu_seconds?;
        Some(seconds * 1e6 / self.count as f64)
    }

    /// Messages or joins a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.count as f64 / self.seconds
    }
}

/// The figures of a server alone, of one node, or of several together.
#[derive(Clone, Debug)]
pub(crate) struct NodeFigures {
    /// Relays at a fixed rate.
    pub(crate) relay: Figures,
    /// Joins as fast as they go.
    pub(crate) storm: Figures,
    /// Joins one at a time.
    pub(crate) join: Figures,
}
