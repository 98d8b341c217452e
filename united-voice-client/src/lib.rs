//! An async client of united-voice servers: for bots, tests, load generators and native
//! applications.
//!
//! ```no_run
//! use united_voice_client::{Client, Event};
//!
//! # async fn run(token: String) -> Result<(), Box<dyn std::error::Error>> {
//! let (client, mut events) = Client::builder("ws://127.0.0.1:8080/ws")
//!     .token(token)
//!     .connect()
//!     .await?;
//!
//! let snapshot = client.join("general").await?;
//! for participant in &snapshot.participants {
//!     let sdp = "v=0…"; // from a peer connection made with `snapshot.ice_servers`
//!     client.offer(participant, sdp).await?;
//! }
//!
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Offer(offer) => {
//!             let sdp = "v=0…"; // the peer connection's answer to `offer.sdp`
//!             client.answer(&offer.from, sdp).await?;
//!         }
//!         Event::Left { display_name, reason, .. } => println!("{display_name}: {reason:?}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//!
//! It does *signaling*: it tells you the participants of a channel, and passes offers, answers and
//! candidates to them. It matches answers to requests, finds a dead connection by ping, reconnects,
//! and goes back into the channel. [`Client`] is the handle, [`Events`] are what happens, and
//! [`Roster`] keeps the participants.
//!
//! # Audio
//!
//! This crate has no WebRTC. Any stack that speaks JSEP (RFC 8829) will do:
//!
//! - `webrtc`: make one `RTCPeerConnection` for each participant. On [`Event::Entered`], make one
//!   for each participant of the snapshot and call `create_offer`, `set_local_description` and
//!   [`Client::offer`]. On [`Event::Offer`], call `set_remote_description`, `create_answer`,
//!   `set_local_description` and [`Client::answer`]. Send what `on_ice_candidate` gives through
//!   `to_json` and `serde_json` to [`Client::candidate`]. [`Event::Candidate`] goes the same way
//!   back to `add_ice_candidate`.
//! - `str0m`: make one `Rtc` for each participant. Use `SdpOffer::to_sdp_string` and
//!   `from_sdp_string`, and `Candidate::from_sdp_string` on the `candidate` member of the JSON.
//!
//! The newcomer offers and everybody else waits. So at the start no two participants offer to each
//! other.
//!
//! # When the connection is lost
//!
//! Signaling is not the call, so keep the peer connections.
//!
//! 1. [`Event::Disconnected`] comes first. [`Event::Reconnecting`] comes before each attempt;
//!    [`Backoff`] sets the pauses. If the server closed with 1008 (too many messages), the client
//!    waits at least 10 s, and with 1009 or 1013 at least one second.
//! 2. [`Event::Reconnected`] comes next, and then [`Event::Entered`] with `rejoined`, with the
//!    present session of each participant. Keep a peer connection that is still up; from now on,
//!    address its messages to the new session. If there is no peer connection to a participant,
//!    make one and offer. The client tells its state (muted, deafened) again.
//! 3. A client that was removed by name (kicked, evicted, replaced by another connection) stays
//!    out. A connection that was closed with 1013 was merely too slow, or a failure of the server
//!    took its seat, and the client comes back.
//!    If the server can't carry out a rejoin at the moment, the client tries again after 2 s. Any
//!    other refusal ends the stay with [`Event::Exited`].
//! 4. If the server refuses the token with 401, the client asks a [token
//!    source](ClientBuilder::token_with) for another one. If that is refused too, or there is no
//!    source, the client ends with [`Event::Stopped`]. A 403 ends it at once.
//!
//! # Limits
//!
//! | what | how much | beyond it |
//! | --- | --- | --- |
//! | events waiting to be read | [256](ClientBuilder::event_queue) | the client stops reading, see [`Events`] |
//! | commands waiting, frames waiting to be written | 64 each | the caller waits |
//! | messages waiting for their turn, see [Pace](#pace) | 256 | the caller waits |
//! | messages that were sent, kept to repeat them | 256 | the oldest is never repeated |
//! | requests without an answer | 1024 | the caller waits |
//! | size of a message read | [1 MiB](ClientBuilder::max_message_bytes) | the client gives the connection up |
//!
//! The server limits the size of messages too (64 KiB of SDP, 4 KiB of a candidate), and the caller
//! has to keep these limits. What exceeds them comes back as a [`Refusal`].
//!
//! # Pace
//!
//! Servers drop what a client sends too fast. So the client sends at most [180 messages at once and
//! 90 a second](ClientBuilder::send_rate), and the rest waits. A leave does not wait, unless the
//! join that it takes back still does. Requests go next, then offers and answers, and candidates
//! last. But a description does not overtake a candidate for the same participant that waits.
//!
//! If the server refuses a message as [`RateLimited`](ErrorCode::RateLimited) all the same, the
//! client pauses for 1.2 s and sends it again, behind what was sent meanwhile. The server may have
//! lower limits, or the receiver may read slowly at the moment. A request is repeated until its
//! time is over. A relayed message that is refused eight times comes back as [`Event::Refused`].
//!
//! A leave that the server refuses is asked again. If it comes to nothing within the request's
//! time, the client gives the connection up and opens another, because a connection that ends frees
//! the seat.
//!
//! # Privacy
//!
//! The `Debug` forms of commands, events and settings show no SDP, candidates, TURN credentials or
//! tokens. The crate logs nothing.
//!
//! # Features
//!
//! - `rustls`: `wss://` URLs with rustls and the *ring* provider. `Roots` says which authorities
//!   are trusted: those of Mozilla by default, or your own. The feature is off by default, because
//!   it is of no use on loopback or with a [`dial_with`](ClientBuilder::dial_with) of your own.
//! - `system-roots`: `rustls`, and `Roots::system`: the authorities that the operating system
//!   trusts.

mod backoff;
mod builder;
mod call;
mod client;
mod command;
mod dial;
mod driver;
mod error;
mod event;
mod network;
mod pace;
mod pending;
mod roster;
mod socket;
#[cfg(feature = "rustls")]
mod tls;
mod wire;

pub use backoff::Backoff;
pub use builder::ClientBuilder;
pub use client::Client;
pub use dial::Endpoint;
#[cfg(feature = "rustls")]
pub use error::RootsError;
pub use error::{
    ConnectError, JoinError, Refusal, RequestError, SendError, SharedError, TokenError,
};
pub use event::{
    Candidate, Description, Disconnect, Event, Events, ExitReason, Peer, RelayId, Snapshot,
};
pub use roster::Roster;
#[cfg(feature = "rustls")]
pub use tls::Roots;
pub use united_voice_proto::{self as proto, Codec};
pub use wire::{ErrorCode, IceServer, LeaveReason, Participant};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
