//! What each message of a client does: one handler for each payload, and [`dispatch`] for a whole
//! envelope.
//!
//! A host with a socket loop of its own usually runs a
//! [`ConnectionMachine`](crate::ConnectionMachine), which calls these handlers. A host that needs
//! less than a machine calls them itself, with typed payloads. Answers and events go through the
//! sinks. If a handler returns an error, the client has to be told: see [`reply_error`].
//!
//! Nothing here reads a clock. A handler that makes TURN credentials takes the time as `wall`. The
//! credentials expire one lifetime (see [`TurnConfig`](crate::TurnConfig)) after that.

mod join;

use std::time::SystemTime;

use united_voice_proto::{
    DecodeError, Incoming, Relay, RelayKind,
    voice::{
        VoiceError, VoiceErrorCode as Code, VoiceIceCandidate, VoiceIceServersRequest,
        VoiceIceServersResponse, VoiceLeaveRequest, VoiceSdpAnswer, VoiceSdpOffer,
        VoiceSpeakingEvent, VoiceStateUpdate,
    },
    ws::{Envelope, envelope::Payload},
};

use crate::{
    IdError, Limits, MAX_ID_BYTES, RequestError, VoiceConnection, VoiceDirectory, VoiceServer,
    id::check_id, rooms::relayed::Relayed,
};

pub use join::handle_voice_join;
pub(crate) use join::{PendingJoin, Progress};

type Handled = Result<(), RequestError>;

/// Handles one message of a client to its end, and answers with an error if it is refused. A
/// message is an [`Envelope`], or an [`Incoming`] from [`Incoming::decode`], which makes relaying
/// cheaper.
///
/// It waits for the directory as long as that takes; see [`handle_voice_join`].
///
/// # Cancel safety
///
/// If the future is dropped before it is done, a join has either happened or changed nothing. Only
/// a join waits: any other message is handled when the future is first polled.
pub async fn dispatch<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    message: impl Into<Incoming<'_>>,
    wall: SystemTime,
) {
    if let Some(mut join) = dispatch_now(server, connection, message, wall)
        && let Err(error) = join::ask_and_join(server, connection, &mut join, wall).await
    {
        reply_error(connection, &join.request_id, &error);
    }
}

/// Handles one message at once, as [`dispatch`] does. A join is handed back, because it has to wait
/// for the directory.
#[must_use = "a join is not done yet"]
pub(crate) fn dispatch_now<'a, D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    message: impl Into<Incoming<'a>>,
    wall: SystemTime,
) -> Option<PendingJoin> {
    match message.into() {
        Incoming::Relay(message) => {
            dispatch_relay(server, connection, message);
            None
        }
        Incoming::Envelope(envelope) => dispatch_envelope(server, connection, envelope, wall),
    }
}

fn dispatch_relay<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    message: Relay<'_>,
) {
    let (request_id, handled) = if message.request_id().len() > MAX_ID_BYTES {
        let error = request_id_too_long();
        ("", Err(error.about_channel(message.channel_id())))
    } else {
        let request_id = message.request_id();
        (request_id, relay(server, connection, request_id, message))
    };
    if let Err(error) = handled {
        reply_error(connection, request_id, &error);
    }
}

fn dispatch_envelope<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    envelope: Envelope,
    wall: SystemTime,
) -> Option<PendingJoin> {
    let too_long = envelope.request_id.len() > MAX_ID_BYTES;
    let request_id = if too_long {
        String::new()
    } else {
        envelope.request_id
    };
    let handled = match envelope.payload {
        None => Err(RequestError::malformed("no payload")),
        Some(payload) if too_long => Err(request_id_too_long().about(&payload)),
        Some(payload) => handle_payload(server, connection, &request_id, payload, wall),
    };
    match handled {
        Ok(pending) => pending,
        Err(error) => {
            reply_error(connection, &request_id, &error);
            None
        }
    }
}

fn request_id_too_long() -> RequestError {
    RequestError::malformed("request id is too long")
}

/// Handles one payload at once. A join is handed back, because it has to wait for the directory. A
/// payload that only a server sends is refused as `UNSUPPORTED`.
pub(crate) fn handle_payload<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    request_id: &str,
    payload: Payload,
    wall: SystemTime,
) -> Result<Option<PendingJoin>, RequestError> {
    match payload {
        Payload::VoiceJoinRequest(request) => {
            return PendingJoin::new(server, request_id, &request).map(Some);
        }
        Payload::VoiceLeaveRequest(request) => handle_voice_leave(connection, request_id, &request),
        Payload::VoiceSdpOffer(offer) => relay(server, connection, request_id, offer),
        Payload::VoiceSdpAnswer(answer) => relay(server, connection, request_id, answer),
        Payload::VoiceIceCandidate(candidate) => relay(server, connection, request_id, candidate),
        Payload::VoiceStateUpdate(update) => {
            handle_voice_state_update(connection, request_id, &update)
        }
        Payload::VoiceSpeakingEvent(event) => handle_voice_speaking(connection, request_id, &event),
        Payload::VoiceIceServersRequest(request) => {
            handle_voice_ice_servers(server, connection, request_id, &request, wall)
        }
        other => {
            let what = "a payload that only a server sends";
            Err(RequestError::new(Code::Unsupported, what).about(&other))
        }
    }
    .map(|()| None)
}

/// Gives up the seat, as [`VoiceConnection::leave_channel`] does.
///
/// # Errors
///
/// [`RequestError`] with `MALFORMED` or `NOT_IN_CHANNEL`.
pub fn handle_voice_leave(
    connection: &VoiceConnection,
    request_id: &str,
    request: &VoiceLeaveRequest,
) -> Handled {
    let channel = checked(&request.channel_id)?;
    connection
        .leave_channel(channel, request_id)
        .map_err(|error| RequestError::from(error).in_channel(channel))
}

fn relay<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    request_id: &str,
    message: impl Relayed,
) -> Handled {
    checked(message.channel_id())?;
    check_relayed(server.limits(), &message)
        .map_err(|error| error.in_channel(message.channel_id()))?;
    let kind = message.kind();
    let relayed = connection.relay(request_id, message);
    relayed.inspect_err(|error| connection.registry().counters().relay_refused(error.reason))?;
    connection.count_relay(kind);
    Ok(())
}

fn check_relayed(limits: &Limits, message: &impl Relayed) -> Handled {
    check_id(message.target_user_id())
        .map_err(|_| RequestError::malformed("target user id is empty or too long"))?;
    if message.target_session_id().len() > MAX_ID_BYTES {
        return Err(RequestError::malformed("target session id is too long"));
    }
    let limit = match message.kind() {
        RelayKind::Offer | RelayKind::Answer => limits.max_sdp_bytes,
        RelayKind::Candidate => limits.max_candidate_bytes,
    };
    if message.content_len() > limit {
        return Err(RequestError::new(
            Code::TooLarge,
            "the content is too large",
        ));
    }
    Ok(())
}

macro_rules! relay_handler {
    ($(#[$doc:meta])* $name:ident, $message:ident) => {
        $(#[$doc])*
        ///
        /// The server writes the sender's fields, no matter what the client put there. It neither
        /// reads nor changes the content. If another node of a cluster refuses the message later,
        /// the client gets that refusal without a request id.
        ///
        /// # Errors
        ///
        /// [`RequestError`] with `MALFORMED`, `TOO_LARGE`, `NOT_IN_CHANNEL`,
        /// `TARGET_NOT_IN_CHANNEL` or `STALE_SESSION`; nothing was delivered.
        pub fn $name<D: VoiceDirectory>(
            server: &VoiceServer<D>,
            connection: &VoiceConnection,
            message: $message,
        ) -> Handled {
            relay(server, connection, "", message)
        }
    };
}

relay_handler! {
    /// Passes an SDP offer to one other participant.
    handle_voice_sdp_offer, VoiceSdpOffer
}

relay_handler! {
    /// Passes an SDP answer to one other participant.
    handle_voice_sdp_answer, VoiceSdpAnswer
}

relay_handler! {
    /// Passes an ICE candidate to one other participant.
    handle_voice_ice_candidate, VoiceIceCandidate
}

/// Records whether the microphone and the headphones are off, and tells the channel, as
/// [`VoiceConnection::update_state`] does.
///
/// # Errors
///
/// [`RequestError`] with `MALFORMED` or `NOT_IN_CHANNEL`.
pub fn handle_voice_state_update(
    connection: &VoiceConnection,
    request_id: &str,
    update: &VoiceStateUpdate,
) -> Handled {
    let channel = checked(&update.channel_id)?;
    connection
        .update_state(channel, update.muted, update.deafened, request_id)
        .map_err(|error| RequestError::from(error).in_channel(channel))
}

/// Tells the others that the user began or stopped speaking, as [`VoiceConnection::speaking`] does.
///
/// # Errors
///
/// [`RequestError`] with `MALFORMED` or `NOT_IN_CHANNEL`.
pub fn handle_voice_speaking(
    connection: &VoiceConnection,
    request_id: &str,
    event: &VoiceSpeakingEvent,
) -> Handled {
    let channel = checked(&event.channel_id)?;
    connection
        .speaking(channel, event.speaking, request_id)
        .map_err(|error| RequestError::from(error).in_channel(channel))
}

/// Answers a member of the channel with fresh TURN credentials.
///
/// # Errors
///
/// [`RequestError`] with `MALFORMED` or `NOT_IN_CHANNEL`.
pub fn handle_voice_ice_servers<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    request_id: &str,
    request: &VoiceIceServersRequest,
    wall: SystemTime,
) -> Handled {
    let channel = checked(&request.channel_id)?;
    match connection.seat() {
        Some((seat, _)) if seat.as_str() == channel => {}
        _ => return Err(RequestError::from(crate::NotInChannel).in_channel(channel)),
    }
    let response = VoiceIceServersResponse {
        ice_servers: server.ice_servers(connection.user(), wall),
        channel_id: channel.into(),
    };
    // If the sink is closed, nobody is left to answer.
    let _ = connection.reply(request_id, Payload::VoiceIceServersResponse(response));
    connection.granted_ice();
    Ok(())
}

/// Answers a request with an error.
pub fn reply_error(connection: &VoiceConnection, request_id: &str, error: &RequestError) {
    tracing::debug!(code = error.code().as_str_name(), "request refused");
    connection.registry().counters().error(error.code());
    let channel = error.channel().unwrap_or_default();
    let payload = Payload::VoiceError(VoiceError {
        code: error.code().into(),
        message: error.message().into(),
        channel_id: channel.into(),
    });
    // If the sink is closed, nobody is left to answer.
    let _ = connection.reply(request_id, payload);
}

/// The answer to a frame that could not be decoded: `UNSUPPORTED` if it may be the host's own, and
/// `MALFORMED` otherwise.
pub(crate) fn decode_error(error: &DecodeError) -> RequestError {
    match error {
        DecodeError::Foreign { .. } => RequestError::unknown_payload(),
        DecodeError::Empty { .. } => RequestError::malformed("no payload"),
        _ => RequestError::malformed("not a message of this protocol"),
    }
}

/// Returns the text if it may serve as a channel id.
fn checked(channel: &str) -> Result<&str, RequestError> {
    check_id(channel).map(|()| channel).map_err(no_channel)
}

fn no_channel(_: IdError) -> RequestError {
    RequestError::malformed("channel id is empty or too long")
}
