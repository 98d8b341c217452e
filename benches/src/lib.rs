//! Benchmarks of room operations.
