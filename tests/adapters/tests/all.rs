//! The suite, in one binary.

mod breaking_rules;
mod closing;
mod handshake;
mod host_lines;
