//! Calls between browsers in separate networks, and signaling over a bad path. The servers are the same in what matters here, so
//! that what needs two browsers is tried with one of them.

mod bad_path;
mod island;
mod member;
mod nat;
mod symmetric_nat;
