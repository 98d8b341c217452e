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
//! 4. Go through the [duties of a host](#duties-of-a-host).
//!
//! On axum and Actix Web, the crates `united-voice-axum` and `united-voice-actix` do step 3: hand the
//! framework's own upgrade to their `upgrade`. With them a host needs at most 12 lines; the
//! documentation of [`drive`] shows them. For other servers, `united-voice-websocket` has a
//! WebSocket over any stream of bytes.
//!
//! # Duties of a host
//!
//! [`drive`] and [`ConnectionMachine`] have all rules of a connection. They limit the rate, ping a
//! silent client and drop a dead one. They handle one message of a client at a time, and none while
//! the client does not read its answers. They renew TURN credentials, and do the closing handshake.
//! The adapter crates `united-voice-axum` and `united-voice-actix` also do what is marked (A). The
//! rest is the host's:
//!
//! - **Size, before buffering** (A). Set the limits of your WebSocket library for messages *and*
//!   frames, since many libraries collect a whole frame before they look at the limit for messages.
//!   Take twice [`Limits::max_message_bytes`]: between the two, the client is told 1009. A host
//!   that decodes messages itself checks the size itself, and calls [`ConnectionMachine::end`] with
//!   [`Disconnect::MessageTooLarge`].
//! - **Who is it?** Authenticate before the upgrade, and answer 401 if that fails. Only then make
//!   the [`UserId`].
//! - **Origin.** If you authenticate by cookies, compare the `Origin` header with your own origins
//!   before the upgrade, and answer 403 if it is another. Browsers send cookies with every
//!   WebSocket, and the same-origin policy does not apply. Otherwise any page that a user visits
//!   can talk in the user's name (cross-site WebSocket hijacking).
//! - **Who may join?** [`VoiceDirectory::admit`]. It has [`Limits::directory_timeout`]; give your
//!   database a shorter limit, so that its query ends too. It may be dropped at any await.
//! - **Ban, or a new limit.** Store it, call [`VoiceRoomRegistry::policy_changed`], and after a ban
//!   [`VoiceRoomRegistry::kick_from`] or [`VoiceRoomRegistry::kick`].
//! - **Sign-out, or a deleted account.** Revoke the token first, so that the client can't come
//!   back. Then call [`VoiceRoomRegistry::leave_all_channels`]. It leaves the user's connections
//!   open, so close them: drop the future of [`drive`], or call [`ConnectionMachine::end`] with
//!   [`Disconnect::PolicyViolation`].
//! - **One reader and one writer for each socket** (A). One task reads, calls the machine and
//!   writes, so that messages keep their order. It must not wait for a client that does not read:
//!   it keeps the message that the socket has not taken, and passes `writable` as false to
//!   [`ConnectionMachine::step`]. It reads only if [`ConnectionMachine::wants_input`].
//! - **Sinks of your own.** Check them with `test_util::conformance`, and end the connection with
//!   the code that [`SignalSink::close`] is given.
//! - **Shutdown**, in this order: accept no more connections; [`VoiceServer::shutdown`], which
//!   closes all with 1001; await [`VoiceServer::drained`], for at most [`Limits::close_timeout`]
//!   and [`Limits::linger`] together (7 s); close the database. Graceful shutdown of an HTTP server
//!   often does not wait for upgraded connections, so do not rely on it.
//! - **TURN secret.** Give [`TurnConfig::new`] at least 32 random bytes, the same as coturn's
//!   `static-auth-secret`. Read them from a file or variable that others cannot read, never from
//!   the source.
//! - **Time.** Synchronise the system's clock (NTP): TURN credentials expire by Unix time. Pass
//!   [`Now::read`], or in tests a time of your own that never goes back.
//! - **Logs.** Never log session descriptions, candidates, ICE servers, tokens or users' addresses.
//!   The `Debug` forms of this crate leave them out, but frames that you print yourself and access
//!   logs do not: a token in the URL of an upgrade is in the access log.
//!
//! A host that calls the handlers in [`signaling`] instead of a machine also does everything that
//! the first paragraph names. See [`Limits`] for the numbers.
//!
//! # Where to find what you need
//!
//! - **Who is in a channel**, for a sidebar: [`VoiceRoomRegistry::participants`], and
//!   [`VoiceRoomRegistry::events`] for what changes.
//! - **Moderation**: [`VoiceRoomRegistry::kick_from`] takes a user out of a channel,
//!   [`VoiceRoomRegistry::kick`] out of all, and [`VoiceRoomRegistry::close_channel`] empties a
//!   channel.
//! - **More than one process**: a registry knows its own process only. Either send all users of a
//!   channel to one process, or let processes share channels: feature `cluster` has the seam, and
//!   `united-voice-redis` is a backend for it. Then call `kick`, `kick_from`, `leave_all_channels`,
//!   `close_channel` and `policy_changed` of [`VoiceServer`], which concern all processes, not those
//!   of the registry, and `VoiceServer::close` after `drained`.
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
//! - `cluster`: the seam for a backend that decides for several processes. It is young: expect it to
//!   change.
//! - `test-util`: a sink that records, and the checks that every sink must pass.
//!
//! Minimum Rust version: 1.88.
//!
//! # Foreign types in the public API
//!
//! `bytes::Bytes` and `bytestring::ByteString` (encoded messages), `futures`' `Stream` and `Sink`
//! (transports), `async-trait` on [`VoiceDirectory`], and the prost messages of [`proto`]. If this
//! crate takes a new major version of one of these, it has a new major version itself.

#[cfg(feature = "cluster")]
pub mod cluster;
mod connection;
mod directory;
mod error;
mod events;
mod ice_url;
mod id;
mod limits;
mod rooms;
mod server;
mod signal;
pub mod signaling;
mod stats;
mod sync;
#[cfg(feature = "test-util")]
pub mod test_util;
mod turn;

pub use united_voice_proto::{self as proto, Codec};

#[cfg(feature = "connection")]
pub use crate::connection::drive::{drive, drive_counting};
pub use crate::{
    connection::{
        clock::Now,
        close::Disconnect,
        frame::{CloseFrame, Frame, TransportError},
        machine::ConnectionMachine,
        step::Step,
    },
    directory::{Admission, AdmitError, OpenDirectory, Profile, VoiceDirectory},
    error::{ConnectError, NotInChannel, RequestError},
    events::{EventsMissed, VoiceEvent, VoiceEvents},
    ice_url::StunUrlError,
    id::{ChannelId, IdError, MAX_ID_BYTES, SessionId, SessionIdError, UserId},
    limits::{Limits, LimitsError},
    rooms::{registry::VoiceRoomRegistry, room::SOFT_CAP, voice_connection::VoiceConnection},
    server::{VoiceServer, VoiceServerBuilder},
    signal::{
        queue::{QueueSink, QueueStream, outbound_queue},
        signal::{Signal, Urgency},
        sink::{CloseReason, SignalSink, SinkError},
    },
    stats::{Stats, counts::Counts, histogram::Histogram},
    turn::{
        IceConfig, SharedSecret, TurnConfig, TurnConfigError, TurnCredentials,
        generate_turn_credentials,
    },
};

pub(crate) use crate::error::{JoinError, RelayError, RelayFailure};
