//! Voice-channel signaling.

#[cfg(feature = "connection")]
mod clock;
#[cfg(feature = "connection")]
mod connection;
mod directory;
mod error;
mod events;
mod fanout;
#[cfg(feature = "connection")]
mod frame;
mod id;
mod join;
mod limits;
mod queue;
#[cfg(feature = "connection")]
mod rate;
mod registry;
mod relayed;
mod room;
mod server;
mod session;
mod signal;
pub mod signaling;
mod sink;
mod stats;
#[cfg(feature = "test-util")]
pub mod test_util;
mod turn;

pub use united_voice_proto::{self as proto, Codec};

#[cfg(feature = "connection")]
pub use crate::{
    connection::{Disconnect, drive},
    frame::{CloseFrame, Frame, TransportError},
};
pub use crate::{
    directory::{Admission, AdmitError, OpenDirectory, Profile, VoiceDirectory},
    error::{ConnectError, JoinError, NotInChannel, RelayError, RelayFailure, RequestError},
    events::{EventsMissed, VoiceEvent, VoiceEvents},
    id::{ChannelId, IdError, MAX_ID_BYTES, SessionId, SessionIdError, UserId},
    limits::{Limits, LimitsError},
    queue::{QueueSink, QueueStream, outbound_queue},
    registry::{PolicyEpoch, VoiceRoomRegistry},
    relayed::Relayed,
    room::{Member, Participant, RoomFull, RoomState, SOFT_CAP},
    server::{VoiceServer, VoiceServerBuilder},
    session::{JoinSnapshot, JoinTerms, VoiceSession},
    signal::{Signal, Urgency},
    sink::{CloseReason, SignalSink, SinkError},
    stats::Stats,
    turn::{
        DEFAULT_STUN_URL, IceConfig, MAX_CREDENTIAL_TTL_SECS, SharedSecret, TurnConfig,
        TurnConfigError, TurnCredentials, generate_turn_credentials,
    },
};
