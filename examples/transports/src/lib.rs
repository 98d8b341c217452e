//! Voice channels over transports that are not WebSockets.
//!
//! The library knows neither sockets nor bytes. A transport can leave much of the work to the
//! library, or do more of it:
//!
//! - [`tcp`] is a socket and leaves everything to [`drive`](united_voice_core::drive). It is a
//!   `Stream` and `Sink` of [`Frame`](united_voice_core::Frame)s. Run it with
//!   `cargo run -p united-voice-transports --example tcp`.
//! - [`in_process`] has neither a socket nor bytes. It implements
//!   [`SignalSink`](united_voice_core::SignalSink) and passes the signals on unchanged. Run it with
//!   `cargo run -p united-voice-transports --example in_process`.

pub mod in_process;
pub mod tcp;
