//! An async client of united-voice servers: for bots, tests, load generators and native applications.
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
//! *Signaling*: who is in a channel, and passing offers, answers and candidates to them. It matches answers to requests,
//! finds a dead connection by ping, reconnects, and goes back into the channel. [`Client`] is the handle, [`Events`] what
//! happens, [`Roster`] who is there.
//!
//! # Audio
//!
//! There is no WebRTC in here. Any stack that speaks JSEP will do:
//!
//! - `webrtc`: one `RTCPeerConnection` for each participant. On [`Event::Entered`] make one for each of the snapshot,
//!   `create_offer`, `set_local_description`, [`Client::offer`]. On [`Event::Offer`] `set_remote_description`,
//!   `create_answer`, `set_local_description`, [`Client::answer`]. What `on_ice_candidate` gives goes through `to_json`
//!   and `serde_json` to [`Client::candidate`]; [`Event::Candidate`] the same way back to `add_ice_candidate`.
//! - `str0m`: one `Rtc` for each participant, `SdpOffer::to_sdp_string` and `from_sdp_string`, and
//!   `Candidate::from_sdp_string` on the `candidate` member of the JSON.
//!
//! The newcomer offers and everybody else waits, so two never offer to each other at the start.
//!
//! # When the connection is lost
//!
//! Signaling is not the call: keep the peer connections.
//!
//! 1. [`Event::Disconnected`], then [`Event::Reconnecting`] before each attempt, after pauses by [`Backoff`]. Closed with
//!    1008 (too many messages) the client waits 10 s at least, with 1009 or 1013 one second.
//! 2. [`Event::Reconnected`], then [`Event::Entered`] with `rejoined`: everybody's present session. A peer connection that is
//!    up is kept, and only its address changes; with whoever has none, one's own side negotiates. State (muted, deafened)
//!    is told again.
//! 3. Whoever was put out by name (kicked, evicted, replaced by another connection) stays out; a connection closed with 1013
//!    was merely too slow, and comes back. A rejoin that the server can't carry out just now is tried again after 2 s; any
//!    other refusal ends the stay with [`Event::Exited`].
//! 4. A token refused with 401 ends the client with [`Event::Stopped`], as does 403; a
//!    [source of tokens](ClientBuilder::token_with) is asked for another first.
//!
//! # Limits
//!
//! | what | how much | beyond it |
//! | --- | --- | --- |
//! | events waiting to be read | [256](ClientBuilder::event_queue) | the connection is not read, see [`Events`] |
//! | commands waiting, frames waiting to be written | 64 each | the caller waits |
//! | requests without an answer | 1024 | the caller waits |
//! | size of a message read | [1 MiB](ClientBuilder::max_message_bytes) | the connection is given up |
//!
//! The server's own limits (100 messages a second, 64 KiB of SDP) are the caller's to keep; what exceeds them comes back as
//! a [`Refusal`].
//!
//! # Privacy
//!
//! `Debug` of commands, events and settings shows neither SDP, candidates, TURN credentials nor tokens. Nothing is logged.
//!
//! # Features
//!
//! `rustls`: `wss://` URLs with rustls, the *ring* provider and Mozilla's root certificates. Off by default, since on loopback
//! and behind one's own [`dial_with`](ClientBuilder::dial_with) it is dead weight.

mod backoff;
mod builder;
mod call;
mod client;
mod command;
mod dial;
mod driver;
mod error;
mod event;
mod pending;
mod roster;
mod socket;
#[cfg(feature = "rustls")]
mod tls;

pub use backoff::Backoff;
pub use builder::ClientBuilder;
pub use client::Client;
pub use dial::Endpoint;
pub use error::{ConnectError, JoinError, RequestError, SendError, SharedError, TokenError};
pub use event::{
    Candidate, Description, Disconnect, Event, Events, ExitReason, Peer, Refusal, RelayId, Snapshot,
};
pub use roster::Roster;
use united_voice_proto::voice;
pub use united_voice_proto::{
    self as proto, Codec,
    voice::{
        IceServer, VoiceErrorCode as ErrorCode, VoiceLeaveReason as LeaveReason,
        VoiceParticipant as Participant,
    },
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
