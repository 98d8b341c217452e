//! Adds voice channels to a chat server. The library knows which user is in which channel, passes
//! WebRTC signaling between the members of a channel, and issues the TURN credentials that get
//! calls through firewalls. The server carries no audio. It does not read the session descriptions
//! and candidates that its clients send each other.
//!
//! # The invariant
//!
//! - A user is in at most one channel at a time, and with at most one connection: the user has at
//!   most one *seat*.
//! - All members of a channel see its events in one order.
//! - The answer to a join is a *snapshot*: the list of the members at that moment. It comes before
//!   any event of the channel. A client that applies the events to its snapshot has the right list
//!   of members, the *roster*, at every moment.
//!
//! Everything else here serves these three rules.
//!
//! # Two people talk
//!
//! The *host* is your server program. It keeps one [`VoiceServer`]. A [`VoiceConnection`] is one
//! connection of one user, and the [`SignalSink`] of a connection takes what its client is to be
//! told. This is a whole call, without any socket:
//!
//! ```
//! use std::time::SystemTime;
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
//! // The directory is the host's: it says which user may join which channel. This one admits all.
//! let server = VoiceServer::builder(OpenDirectory).build()?;
//!
//! // Two connections; each has a queue that its socket would drain.
//! let (sink, mut to_alice) = outbound_queue(256, 4 << 20);
//! let alice = server.connect(&UserId::new("alice")?, sink.into())?;
//! let (sink, mut to_bob) = outbound_queue(256, 4 << 20);
//! let bob = server.connect(&UserId::new("bob")?, sink.into())?;
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
//! // Alice is in Bob's snapshot, and Alice is told that Bob joined.
//! let answer = to_bob.pop().expect("an answer");
//! let Payload::VoiceJoinResponse(snapshot) = answer.payload() else {
//!     panic!("the answer to the join comes first");
//! };
//! assert_eq!(snapshot.participants[0].user_id, "alice");
//! to_alice.pop(); // her own snapshot
//! let told = to_alice.pop().expect("an event");
//! assert!(matches!(told.payload(), Payload::VoiceParticipantJoinedEvent(_)));
//!
//! // The newcomer sends an offer to each member in its snapshot.
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
//! match to_alice.pop().expect("the offer").payload() {
//!     Payload::VoiceSdpOffer(offer) => assert_eq!(offer.sender_user_id, "bob"),
//!     other => panic!("{other:?}"),
//! }
//!
//! // Dropping the connection is the disconnect.
//! drop(bob);
//! let told = to_alice.pop().expect("an event");
//! assert!(matches!(told.payload(), Payload::VoiceLeaveEvent(_)));
//! # Ok(())
//! # }
//! ```
//!
//! # Embed it
//!
//! 1. Implement [`VoiceDirectory`] on your database: it says whether a user may join a channel.
//! 2. Build one [`VoiceServer`] with [`IceConfig`] and [`Limits`].
//! 3. Run each connection, in one of three ways:
//!    - Hand the authenticated socket to [`drive`], as a `Stream` and `Sink` of [`Frame`]s.
//!    - Keep your own socket loop and put a [`ConnectionMachine`] into it. You can also keep your
//!      own envelope, and your own queue, as a [`SignalSink`].
//!    - Call the handlers in [`signaling`], and do everything else yourself.
//! 4. Call [`VoiceRoomRegistry::policy_changed`] after you have stored a new limit or a ban. Before
//!    you stop, call [`VoiceServer::shutdown`] and await [`VoiceServer::drained`].
//!
//! On axum and Actix Web, the crates `united-voice-axum` and `united-voice-actix` do step 3: hand the
//! framework's own upgrade to their `upgrade`. With them a host needs at most 12 lines; the
//! documentation of [`drive`] shows them. For other servers, `united-voice-websocket` has a
//! WebSocket over any stream of bytes.
//!
//! # What `drive` does for you
//!
//! [`ConnectionMachine`] does all of this too. A host that calls the handlers itself must do it
//! itself:
//!
//! - count messages against [`Limits::messages_per_second`], answer `RATE_LIMITED`, and close with
//!   1008 if the client exceeds the rate for longer than [`Limits::max_excess`];
//! - refuse messages over [`Limits::max_message_bytes`] with 1009;
//! - ping a silent client, and drop a client that stays silent;
//! - handle one message of a client at a time, so let the next one wait while a join asks the
//!   directory;
//! - give the directory at most [`Limits::directory_timeout`];
//! - read no further request while the client's queue is over its limit;
//! - renew TURN credentials before they expire;
//! - close with the code that [`SignalSink::close`] asks for;
//! - answer a client's close frame;
//! - after the close frame, go on reading for a moment and drop what comes, then close the socket.
//!
//! Three duties stay with every host: authenticate the user before the upgrade, check the `Origin`
//! header if the authentication uses cookies, and act when a user signs out.
//! [`VoiceRoomRegistry::leave_all_channels`] takes the user out of voice, but leaves the user's
//! connections open. Close the sockets too, or make the directory refuse the user.
//!
//! # Where to find what you need
//!
//! - **Who is in a channel**, for a sidebar: [`VoiceRoomRegistry::participants`], and
//!   [`VoiceRoomRegistry::events`] for what changes.
//! - **Kick and ban**: store the ban, call [`VoiceRoomRegistry::policy_changed`], then
//!   [`VoiceRoomRegistry::kick`] or [`VoiceRoomRegistry::kick_from`].
//!   [`VoiceRoomRegistry::close_channel`] empties a channel.
//! - **More than one process**: a registry lives in one process. Send all users of a channel to the
//!   same process.
//! - **A sink that refuses a reply**: it may do so only with [`SinkError::Closed`]. If the sink
//!   refuses the response to a join, the join changes nothing. Every other request was carried out,
//!   but its client is gone and gets no answer.
//! - **Metrics**: [`VoiceServer::stats`].
//!
//! # What it never does
//!
//! The library never waits inside the registry, never holds a lock across an await, and never
//! panics on anything that a client sends. Session descriptions and candidates pass byte for byte.
//! No log has session descriptions, candidates, tokens, secrets or addresses. The library logs
//! mistakes of clients at `debug`, and failures of the directory at `warn`.
//!
//! # Features
//!
//! - `json` (default): the proto3 JSON form beside protobuf. Without it, text messages are refused.
//! - `connection` (default): [`drive`], which uses Tokio's timer. [`ConnectionMachine`] does not
//!   need this feature.
//! - `test-util`: a sink that records, and the checks that every sink must pass.
//!
//! Minimum Rust version: 1.88.
//!
//! # Foreign types in the public API
//!
//! `bytes::Bytes` and `bytestring::ByteString` (encoded messages), `futures`' `Stream` and `Sink`
//! (transports), `async-trait` on [`VoiceDirectory`], and the prost messages of [`proto`]. If this
//! crate takes a new major version of one of these, it has a new major version itself.

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
