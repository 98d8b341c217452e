//! What every load test needs: stamps in messages, pacing and delays, and what a process costs.

pub mod latency;
pub mod payload;
pub mod process;
