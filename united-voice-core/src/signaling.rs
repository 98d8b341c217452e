//! What each message of a client does: one handler a payload, and [`dispatch`] for a whole envelope.
//!
//! A host that reads messages itself calls the handlers with typed payloads; what they answer and what they tell others
//! goes through the sinks. A handler's error is the client's answer ([`reply_error`]).

use united_voice_proto::{
    DecodeError, Incoming, Relay, RelayKind,
    voice::{
        VoiceError, VoiceErrorCode as Code, VoiceIceCandidate, VoiceIceServersRequest,
        VoiceIceServersResponse, VoiceJoinRequest, VoiceJoinResponse, VoiceLeaveRequest,
        VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent, VoiceStateUpdate,
    },
    ws::{Envelope, envelope::Payload},
};

use crate::{
    Admission, AdmitError, ChannelId, IdError, JoinError, Limits, MAX_ID_BYTES, RequestError,
    Signal, Urgency, VoiceConnection, VoiceDirectory, VoiceServer,
    id::check_id,
    rooms::{join::JoinTicket, relayed::Relayed},
};

/// How often a join asks the directory again because the policy changed while it was asked.
const JOIN_ATTEMPTS: usize = 5;

type Handled = Result<(), RequestError>;

/// A request that can't be answered at once: it has to ask the directory.
#[derive(Debug)]
pub struct PendingJoin {
    /// The request's id.
    pub request_id: String,
    /// The request.
    pub request: VoiceJoinRequest,
}

/// Handles one message of a client to its end, and answers with an error if it is refused. A
/// message is an [`Envelope`], or an [`Incoming`] from [`Incoming::decode`], which makes relaying
/// cheaper.
///
/// # Cancel safety
///
/// Where the future is dropped before it is done, a join has either happened or changed nothing; no other message waits.
pub async fn dispatch<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    message: impl Into<Incoming<'_>>,
) {
    if let Some(join) = dispatch_now(server, connection, message) {
        finish_join(server, connection, join).await;
    }
}

/// Handles one message at once, as [`dispatch`] does. A join is not handled: it is returned for
/// [`finish_join`].
#[must_use = "a join is not done yet"]
pub fn dispatch_now<'a, D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    message: impl Into<Incoming<'a>>,
) -> Option<PendingJoin> {
    match message.into() {
        Incoming::Relay(message) => {
            dispatch_relay(server, connection, message);
            None
        }
        Incoming::Envelope(envelope) => dispatch_envelope(server, connection, envelope),
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
        (message.request_id(), relay(server, connection, message))
    };
    if let Err(error) = handled {
        reply_error(connection, request_id, &error);
    }
}

fn dispatch_envelope<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    envelope: Envelope,
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
        Some(payload) => handle_payload(server, connection, &request_id, payload),
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

/// Does what [`dispatch_now`] left to do.
///
/// # Cancel safety
///
/// Where the future is dropped before it is done, the join has changed nothing.
pub async fn finish_join<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    join: PendingJoin,
) {
    let handled = handle_voice_join(server, connection, &join.request_id, join.request).await;
    if let Err(error) = handled {
        reply_error(connection, &join.request_id, &error);
    }
}

/// Handles one payload at once, unless it is a join, which is handed back for [`finish_join`]. For hosts with an envelope
/// of their own, which then answer an error themselves or by [`reply_error`].
///
/// # Errors
///
/// [`RequestError`] with what the payload's own handler says, or `UNSUPPORTED` for one that only a server sends.
pub fn handle_payload<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    request_id: &str,
    payload: Payload,
) -> Result<Option<PendingJoin>, RequestError> {
    match payload {
        Payload::VoiceJoinRequest(request) => {
            return Ok(Some(PendingJoin {
                request_id: request_id.into(),
                request,
            }));
        }
        Payload::VoiceLeaveRequest(request) => handle_voice_leave(connection, request_id, &request),
        Payload::VoiceSdpOffer(offer) => handle_voice_sdp_offer(server, connection, offer),
        Payload::VoiceSdpAnswer(answer) => handle_voice_sdp_answer(server, connection, answer),
        Payload::VoiceIceCandidate(candidate) => {
            handle_voice_ice_candidate(server, connection, candidate)
        }
        Payload::VoiceStateUpdate(update) => {
            handle_voice_state_update(connection, request_id, &update)
        }
        Payload::VoiceSpeakingEvent(event) => handle_voice_speaking(connection, request_id, &event),
        Payload::VoiceIceServersRequest(request) => {
            handle_voice_ice_servers(server, connection, request_id, &request)
        }
        other => {
            let what = "a payload that only a server sends";
            Err(RequestError::new(Code::Unsupported, what).about(&other))
        }
    }
    .map(|()| None)
}

/// Joins a channel, as [`VoiceConnection`] does, after asking the directory.
///
/// It waits for the directory as long as that takes. `drive` gives it
/// [`Limits::directory_timeout`](crate::Limits::directory_timeout); a host with a socket loop of its own should too, and drop
/// the future then.
///
/// # Errors
///
/// [`RequestError`] with `MALFORMED`, `CHANNEL_NOT_FOUND`, `NOT_A_VOICE_CHANNEL`, `FORBIDDEN`, `CHANNEL_FULL` or
/// `UNAVAILABLE`; nothing has changed.
///
/// # Cancel safety
///
/// Where the future is dropped before it is done, the join has changed nothing.
pub async fn handle_voice_join<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    request_id: &str,
    request: VoiceJoinRequest,
) -> Handled {
    let channel = ChannelId::new(&request.channel_id).map_err(no_channel)?;
    for _ in 0..JOIN_ATTEMPTS {
        let ticket = server.registry().begin_join();
        let admission = server
            .directory()
            .admit(connection.user(), &channel)
            .await
            .map_err(|error| refusal(error).in_channel(channel.as_str()))?;
        match join(server, connection, request_id, &channel, ticket, admission) {
            Err(JoinError::PolicyChanged) => {}
            result => {
                return result
                    .map_err(|error| RequestError::from(error).in_channel(channel.as_str()));
            }
        }
    }
    Err(RequestError::from(JoinError::PolicyChanged).in_channel(channel.as_str()))
}

fn join<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    request_id: &str,
    channel: &ChannelId,
    ticket: JoinTicket,
    admission: Admission,
) -> Result<(), JoinError> {
    let ice_servers = server.ice_servers(connection.user());
    connection.join(channel, ticket, admission, |snapshot| {
        let response = VoiceJoinResponse {
            participants: snapshot.participants,
            ice_servers,
            quality_warning: snapshot.quality_warning,
            channel_id: channel.as_str().into(),
            session_id: snapshot.session.to_text(),
        };
        let payload = Payload::VoiceJoinResponse(response);
        Signal::new(request_id, payload, Urgency::Reply)
    })?;
    connection.granted_ice();
    Ok(())
}

fn refusal(error: AdmitError) -> RequestError {
    match error {
        AdmitError::ChannelNotFound => RequestError::new(Code::ChannelNotFound, "no such channel"),
        AdmitError::NotAVoiceChannel => {
            RequestError::new(Code::NotAVoiceChannel, "not a voice channel")
        }
        AdmitError::Forbidden => {
            RequestError::new(Code::Forbidden, "not allowed to join this channel")
        }
        AdmitError::Unavailable(source) => {
            tracing::warn!(error = source, "the voice directory is unavailable");
            unavailable().because(source)
        }
    }
}

pub(crate) fn unavailable() -> RequestError {
    RequestError::new(Code::Unavailable, "temporarily unavailable, try again")
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
    message: impl Relayed,
) -> Handled {
    checked(message.channel_id())?;
    check_relayed(server.limits(), &message)
        .map_err(|error| error.in_channel(message.channel_id()))?;
    Ok(connection.relay(message)?)
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
        /// The sender's fields are written by the server, whatever the client put there; the content is neither read
        /// nor changed.
        ///
        /// # Errors
        ///
        /// [`RequestError`] with `MALFORMED`, `TOO_LARGE`, `NOT_IN_CHANNEL`, `TARGET_NOT_IN_CHANNEL` or
        /// `STALE_SESSION`; nothing was delivered.
        pub fn $name<D: VoiceDirectory>(
            server: &VoiceServer<D>,
            connection: &VoiceConnection,
            message: $message,
        ) -> Handled {
            relay(server, connection, message)
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

/// Records and tells whether microphone and headphones are off, as [`VoiceConnection::update_state`] does.
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

/// Answers with fresh TURN credentials for a member.
///
/// # Errors
///
/// [`RequestError`] with `MALFORMED` or `NOT_IN_CHANNEL`.
pub fn handle_voice_ice_servers<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    request_id: &str,
    request: &VoiceIceServersRequest,
) -> Handled {
    let channel = checked(&request.channel_id)?;
    match connection.seat() {
        Some((seat, _)) if seat.as_str() == channel => {}
        _ => return Err(RequestError::from(crate::NotInChannel).in_channel(channel)),
    }
    let response = VoiceIceServersResponse {
        ice_servers: server.ice_servers(connection.user()),
        channel_id: channel.into(),
    };
    // Where the sink is closed there is nobody left to answer.
    let _ = connection.reply(request_id, Payload::VoiceIceServersResponse(response));
    connection.granted_ice();
    Ok(())
}

/// Answers a request with what was wrong with it.
pub fn reply_error(connection: &VoiceConnection, request_id: &str, error: &RequestError) {
    tracing::debug!(code = error.code().as_str_name(), "request refused");
    connection.registry().inner.counters.error();
    let channel = error.channel().unwrap_or_default();
    let payload = Payload::VoiceError(VoiceError {
        code: error.code().into(),
        message: error.message().into(),
        channel_id: channel.into(),
    });
    // Where the sink is closed there is nobody left to answer.
    let _ = connection.reply(request_id, payload);
}

/// What a frame that is no envelope of ours is answered: `UNSUPPORTED` where it may be the host's, else `MALFORMED`.
pub fn decode_error(error: &DecodeError) -> RequestError {
    match error {
        DecodeError::Foreign { .. } => {
            RequestError::new(Code::Unsupported, "a payload this server does not know")
        }
        DecodeError::Empty { .. } => RequestError::malformed("no payload"),
        _ => RequestError::malformed("not a message of this protocol"),
    }
}

/// A channel id that is one.
fn checked(channel: &str) -> Result<&str, RequestError> {
    check_id(channel).map(|()| channel).map_err(no_channel)
}

fn no_channel(_: IdError) -> RequestError {
    RequestError::malformed("channel id is empty or too long")
}
