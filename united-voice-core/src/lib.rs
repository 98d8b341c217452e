//! Voice channels for a chat server that exists already: who is in which channel, the WebRTC signaling between them, and
//! the TURN credentials that get them through their firewalls. The server carries no audio and reads none of what its
//! clients tell each other.
//!
//! # The invariant
//!
//! A user has at most one seat, and all members of a channel see its events in one order: a joiner's snapshot comes
//! before them, and snapshot plus events is the roster at every moment. Everything else here serves this sentence.
//!
//! # Two people talk
//!
//! A [`VoiceServer`] is what a host keeps; a [`VoiceConnection`] is one connection of one user; a [`SignalSink`] is where
//! what that client is to be told goes. This is all there is, without any socket:
//!
//! ```
//! use std::{sync::Arc, time::SystemTime};
//!
//! use united_voice_core::{
//!     OpenDirectory, UserId, VoiceServer, outbound_queue,
//!     proto::{
//!         voice::{VoiceJoinRequest, VoiceSdpOffer},
//!         ws::{Envelope, envelope::Payload},
//!     },
//!     signaling::dispatch,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The directory is the host's: who a user is, what a channel is, who may join.
//! let server = VoiceServer::builder(OpenDirectory).build()?;
//!
//! // Two connections; each has a queue that its socket would drain.
//! let (sink, mut to_alice) = outbound_queue(256, 4 << 20);
//! let alice = server.connect(&UserId::new("alice")?, Arc::new(sink))?;
//! let (sink, mut to_bob) = outbound_queue(256, 4 << 20);
//! let bob = server.connect(&UserId::new("bob")?, Arc::new(sink))?;
//!
//! let join = |request_id: &str| Envelope {
//!     request_id: request_id.into(),
//!     payload: Some(Payload::VoiceJoinRequest(VoiceJoinRequest {
//!         channel_id: "general".into(),
//!     })),
//! };
//! let now = SystemTime::now();
//! dispatch(&server, &alice, join("a1"), now).await;
//! dispatch(&server, &bob, join("b1"), now).await;
//!
//! // Bob's snapshot has Alice, and Alice is told of Bob.
//! let Some(Payload::VoiceJoinResponse(snapshot)) = to_bob.pop().unwrap().envelope().payload.clone() else {
//!     panic!("the answer to the join comes first");
//! };
//! assert_eq!(snapshot.participants[0].user_id, "alice");
//! to_alice.pop(); // her own snapshot
//! assert!(matches!(
//!     to_alice.pop().unwrap().payload(),
//!     Payload::VoiceParticipantJoinedEvent(_)
//! ));
//!
//! // The newcomer offers.
//! let offer = VoiceSdpOffer {
//!     channel_id: "general".into(),
//!     target_user_id: "alice".into(),
//!     sdp: "v=0\r\n…".into(),
//!     ..VoiceSdpOffer::default()
//! };
//! let envelope = Envelope {
//!     request_id: "b2".into(),
//!     payload: Some(Payload::VoiceSdpOffer(offer)),
//! };
//! dispatch(&server, &bob, envelope, now).await;
//! match to_alice.pop().unwrap().payload() {
//!     Payload::VoiceSdpOffer(offer) => assert_eq!(offer.sender_user_id, "bob"),
//!     other => panic!("{other:?}"),
//! }
//!
//! // Dropping the connection is the disconnect.
//! drop(bob);
//! assert!(matches!(to_alice.pop().unwrap().payload(), Payload::VoiceLeaveEvent(_)));
//! # Ok(())
//! # }
//! ```
//!
//! # How to embed it
//!
//! 1. Implement [`VoiceDirectory`] on what you have: one look-up for each join.
//! 2. Build one [`VoiceServer`] with [`IceConfig`] and [`Limits`].
//! 3. Once a client is authenticated, choose one of three. Hand its socket to [`drive`] as a `Stream` and `Sink` of
//!    [`Frame`]s, which does the rest. Or keep your own socket loop and put a [`ConnectionMachine`] into it, which does all
//!    that `drive` does but reading and writing; your own envelope and your own queue ([`SignalSink`]) can stay. Or call the
//!    handlers in [`signaling`] with typed payloads and do everything else yourself.
//! 4. Tell [`VoiceRoomRegistry::policy_changed`] when a limit changed, and call [`VoiceServer::shutdown`] before you stop.
//!
//! # What it never does
//!
//! It never waits inside the registry, never holds a lock across an await, and never panics on anything that a client
//! sends. Session descriptions and candidates are passed on byte for byte and appear in no log; neither do tokens, secrets
//! and addresses. Client mistakes are logged at `debug`, a directory that fails at `warn`.
//!
//! # Features
//!
//! - `json` (default): the proto3 JSON form beside protobuf. Without it, text messages are refused.
//! - `connection` (default): [`drive`], and with it Tokio's timer. A host that runs its own sockets can leave it out;
//!   [`ConnectionMachine`] is there all the same.
//! - `test-util`: a sink that records, and the suite that every sink must pass.
//!
//! # Foreign types in the public API
//!
//! `bytes::Bytes` and `bytestring::ByteString` (encoded messages), `futures`' `Stream` and `Sink` (transports), `async-trait`
//! on [`VoiceDirectory`], and the prost messages of [`proto`]. A new major version of one of these is a new major version of
//! this crate.

mod connection;
mod directory;
mod error;
mod events;
mod id;
mod limits;
mod rooms;
mod server;
mod signal;
pub mod signaling;
mod stats;
#[cfg(feature = "test-util")]
pub mod test_util;
mod turn;

pub use united_voice_proto::{self as proto, Codec};

#[cfg(feature = "connection")]
pub use crate::connection::drive::drive;
pub use crate::{
    connection::{
        clock::Now,
        close::Disconnect,
        frame::{CloseFrame, Frame, TransportError},
        machine::{ConnectionMachine, Step},
    },
    directory::{Admission, AdmitError, OpenDirectory, Profile, VoiceDirectory},
    error::{ConnectError, NotInChannel, RequestError},
    events::{EventsMissed, VoiceEvent, VoiceEvents},
    id::{ChannelId, IdError, MAX_ID_BYTES, SessionId, SessionIdError, UserId},
    limits::{Limits, LimitsError},
    rooms::{registry::VoiceRoomRegistry, room::SOFT_CAP, voice_connection::VoiceConnection},
    server::{VoiceServer, VoiceServerBuilder},
    signal::{
        queue::{QueueSink, QueueStream, outbound_queue},
        signal::{Signal, Urgency},
        sink::{CloseReason, SignalSink, SinkError},
    },
    stats::Stats,
    turn::{
        IceConfig, SharedSecret, TurnConfig, TurnConfigError, TurnCredentials,
        generate_turn_credentials,
    },
};

pub(crate) use crate::error::{JoinError, RelayError, RelayFailure};
