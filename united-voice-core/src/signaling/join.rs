//! A join: the only request that waits, because it asks the directory.

use std::time::SystemTime;

use prost::Message as _;
use united_voice_proto::{
    voice::{IceServer, VoiceErrorCode as Code, VoiceJoinRequest, VoiceJoinResponse},
    ws::envelope::Payload,
};

use super::{Handled, no_channel, reply_error};
use crate::{
    Admission, AdmitError, ChannelId, JoinError, RequestError, SessionId, Signal, Urgency,
    VoiceConnection, VoiceDirectory, VoiceServer,
    rooms::{
        join::JoinTicket,
        snapshot::{JoinSnapshot, Joined},
    },
};

/// How often a join asks the directory at most. It asks again if the policy changed while the
/// directory was asked. A host that changes its policy without pause must not keep a join alive for
/// ever, so the join is then refused as `UNAVAILABLE`.
const JOIN_ATTEMPTS: u8 = 5;

/// How far a join has come.
#[must_use]
pub(crate) enum Progress {
    Done(Result<Joined, RequestError>),
    /// The policy changed meanwhile, so the owner has to ask the directory again.
    AskAgain,
    /// The cluster's engine decides. The owner calls [`PendingJoin::decided`] with its answer.
    #[cfg(feature = "cluster")]
    Proposed(crate::rooms::link::Proposed),
}

/// A join that waits for the directory's answer. It does not ask by itself: its owner asks, and
/// calls [`admitted`](Self::admitted) with the answer.
pub(crate) struct PendingJoin {
    pub(crate) request_id: String,
    pub(crate) channel: ChannelId,
    /// Taken before the directory is asked.
    ticket: JoinTicket,
    attempts_left: u8,
    /// The size of the response counts in the client's rate. Otherwise nobody measures it: that
    /// walks the whole snapshot under the locks.
    pub(crate) is_charged: bool,
}

impl PendingJoin {
    pub(super) fn new<D: VoiceDirectory>(
        server: &VoiceServer<D>,
        request_id: &str,
        request: &VoiceJoinRequest,
    ) -> Result<Self, RequestError> {
        match ChannelId::new(&request.channel_id) {
            Ok(channel) => Ok(Self::to(server, request_id, channel)),
            Err(error) => {
                let error = no_channel(error);
                server
                    .registry()
                    .counters()
                    .join_request(Some(error.code()));
                Err(error)
            }
        }
    }

    fn to<D: VoiceDirectory>(
        server: &VoiceServer<D>,
        request_id: &str,
        channel: ChannelId,
    ) -> Self {
        Self {
            request_id: request_id.into(),
            channel,
            ticket: server.registry().begin_join(),
            attempts_left: JOIN_ATTEMPTS,
            is_charged: false,
        }
    }

    /// Joins with the directory's answer.
    pub(crate) fn admitted<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        connection: &VoiceConnection,
        answer: Result<Admission, AdmitError>,
        wall: SystemTime,
    ) -> Progress {
        let admission = match answer {
            Ok(admission) => admission,
            Err(error) => return self.done(connection, Err(refusal(error))),
        };
        if server.is_too_large(&admission.profile) {
            let error = RequestError::new(Code::Internal, "the server has a fault");
            return self.done(connection, Err(error));
        }
        self.attempts_left -= 1;
        let response = self.response(server.ice_servers(connection.user(), wall));
        #[cfg(feature = "cluster")]
        if let Some(link) = connection.link() {
            use crate::rooms::propose::Entering;
            let respond = Box::new(move |snapshot| response.make(snapshot));
            let entering = connection.enter(link, &self.channel, self.ticket, admission, respond);
            return match entering {
                Ok(Entering::Waits(proposed)) => Progress::Proposed(proposed),
                Ok(Entering::Stays(joined)) => self.decided(server, connection, Ok(joined)),
                Err(error) => self.decided(server, connection, Err(error)),
            };
        }
        let (mut is_rejoin, mut response_bytes) = (false, None);
        let respond = |snapshot: JoinSnapshot| {
            is_rejoin = snapshot.is_rejoin;
            let (signal, bytes) = response.make(snapshot);
            response_bytes = bytes;
            signal
        };
        let joined = connection.join(&self.channel, self.ticket, admission, respond);
        let joined = joined.map(|session| Joined {
            session,
            is_rejoin,
            response_bytes,
        });
        self.decided(server, connection, joined)
    }

    /// Goes on with a decision.
    pub(crate) fn decided<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        connection: &VoiceConnection,
        joined: Result<Joined, JoinError>,
    ) -> Progress {
        if matches!(joined, Err(JoinError::PolicyChanged)) && self.attempts_left > 0 {
            self.ticket = server.registry().begin_join();
            return Progress::AskAgain;
        }
        if joined.is_ok() {
            connection.granted_ice();
        }
        self.done(connection, joined.map_err(RequestError::from))
    }

    fn response(&self, ice_servers: Vec<IceServer>) -> Response {
        Response {
            request_id: self.request_id.clone(),
            channel: self.channel.clone(),
            ice_servers,
            is_charged: self.is_charged,
        }
    }

    fn done(&self, connection: &VoiceConnection, joined: Result<Joined, RequestError>) -> Progress {
        let refusal = joined.as_ref().err().map(RequestError::code);
        connection.registry().counters().join_request(refusal);
        Progress::Done(joined.map_err(|error| error.in_channel(self.channel.as_str())))
    }

    /// Answers that the directory took too long.
    pub(crate) fn give_up(&self, connection: &VoiceConnection) {
        let error = unavailable().in_channel(self.channel.as_str());
        let counters = connection.registry().counters();
        counters.join_request(Some(error.code()));
        reply_error(connection, &self.request_id, &error);
    }
}

impl<D: VoiceDirectory> VoiceServer<D> {
    /// Joins a channel: asks the directory, decides, and tells everybody, in one step for the
    /// caller.
    ///
    /// The connection leaves the channel that it is in, takes the seat over from another connection
    /// of the same user, or gets a fresh snapshot if it sits in `channel` already. The response
    /// goes to the connection's sink under `request_id`, before any event of the channel. TURN
    /// credentials are made at the time `wall`.
    ///
    /// It waits for the directory as long as that takes. A [`ConnectionMachine`] gives it
    /// [`Limits::directory_timeout`]; a host that calls this should do so too, and drop the future
    /// then.
    ///
    /// [`ConnectionMachine`]: crate::ConnectionMachine
    /// [`Limits::directory_timeout`]: crate::Limits::directory_timeout
    ///
    /// # Errors
    ///
    /// [`RequestError`] with `CHANNEL_NOT_FOUND`, `NOT_A_VOICE_CHANNEL`, `FORBIDDEN`,
    /// `CHANNEL_FULL`, `UNAVAILABLE` or `INTERNAL`. Nothing has changed. In a cluster, a join that is
    /// `UNAVAILABLE` may be done all the same, and is undone then, as below.
    ///
    /// # Locking
    ///
    /// None while it waits; then the user's lock and those of the rooms concerned.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is done, the join has changed nothing. In a cluster, its
    /// engine may do the join later. Then it is undone. If it has cost the connection the seat that
    /// it had, the connection's sink is closed with `CloseReason::SeatLost`.
    pub async fn join_channel(
        &self,
        connection: &VoiceConnection,
        channel: &ChannelId,
        request_id: &str,
        wall: SystemTime,
    ) -> Result<SessionId, RequestError> {
        let mut join = PendingJoin::to(self, request_id, channel.clone());
        let joined = ask_and_join(self, connection, &mut join, wall).await?;
        Ok(joined.session)
    }
}

/// Joins a channel, as [`VoiceServer::join_channel`] does.
///
/// # Errors
///
/// [`RequestError`] with `MALFORMED` or what [`VoiceServer::join_channel`] says.
///
/// # Cancel safety
///
/// That of [`VoiceServer::join_channel`].
pub async fn handle_voice_join<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    request_id: &str,
    request: VoiceJoinRequest,
    wall: SystemTime,
) -> Handled {
    let mut join = PendingJoin::new(server, request_id, &request)?;
    ask_and_join(server, connection, &mut join, wall)
        .await
        .map(drop)
}

pub(super) async fn ask_and_join<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    join: &mut PendingJoin,
    wall: SystemTime,
) -> Result<Joined, RequestError> {
    loop {
        let asked = server.directory().admit(connection.user(), &join.channel);
        let answer = asked.await;
        let progress = join.admitted(server, connection, answer, wall);
        #[cfg(feature = "cluster")]
        let progress = match progress {
            Progress::Proposed(proposed) => join.decided(server, connection, proposed.await),
            progress => progress,
        };
        if let Progress::Done(joined) = progress {
            return joined;
        }
    }
}

/// The response to a join, but for what the join finds.
struct Response {
    request_id: String,
    channel: ChannelId,
    ice_servers: Vec<IceServer>,
    is_charged: bool,
}

impl Response {
    /// The response, and its size in protobuf if the join is charged.
    fn make(self, snapshot: JoinSnapshot) -> (Signal, Option<usize>) {
        let response = VoiceJoinResponse {
            participants: snapshot.participants,
            ice_servers: self.ice_servers,
            quality_warning: snapshot.quality_warning,
            channel_id: self.channel.as_str().into(),
            session_id: snapshot.session.to_text(),
        };
        let bytes = self.is_charged.then(|| response.encoded_len());
        let payload = Payload::VoiceJoinResponse(response);
        (Signal::new(self.request_id, payload, Urgency::Reply), bytes)
    }
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

fn unavailable() -> RequestError {
    RequestError::new(Code::Unavailable, "temporarily unavailable, try again")
}
