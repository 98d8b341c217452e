//! Calls between browsers in separate networks, and signaling over a bad path. For these tests the
//! two servers do not differ much, so most tests that need two browsers run with one server.

mod bad_path;
mod island;
mod member;
mod nat;
mod symmetric_nat;
