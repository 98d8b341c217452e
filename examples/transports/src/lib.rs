//! Voice channels over transports that are not WebSockets.
//!
//! The library knows neither sockets nor bytes. What it asks of a transport depends on how much the
//! transport wants to do itself:
//!
//! - [`tcp`] is a socket, and leaves everything to [`drive`](united_voice_core::drive): it shows
//!   itself as a `Stream` and `Sink` of [`Frame`](united_voice_core::Frame)s. Run it with `cargo
//!   run -p united-voice-transports --example tcp`.
//! - [`in_process`] has neither a socket nor bytes: it implements
//!   [`SignalSink`](united_voice_core::SignalSink), whose signals it hands on as they are. Run it
//!   with `cargo run -p united-voice-transports --example in_process`.

pub mod in_process;
pub mod tcp;
