//! The client's side of the protocol, without a socket and without a clock. Commands and envelopes
//! go in, envelopes and events come out, and the time is an argument. [`driver`](crate::driver)
//! connects it to a socket.
//!
//! `machine.rs` has the state and what happens to it as connections and time pass. `commands.rs`
//! takes what the application asks, `incoming.rs` what the server sends. `outgoing.rs` decides what
//! is sent next. This folder knows no socket, no timer and no task.

mod commands;
mod incoming;
mod machine;
mod outgoing;
#[cfg(test)]
mod tests;

pub(crate) use self::machine::Call;
