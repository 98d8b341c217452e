//! A join: the only request that waits, since it asks the directory.

use std::{ops::ControlFlow, time::SystemTime};

use united_voice_proto::{
    voice::{VoiceErrorCode as Code, VoiceJoinRequest, VoiceJoinResponse},
    ws::envelope::Payload,
};

use super::{Handled, no_channel, reply_error};
use crate::{
    Admission, AdmitError, ChannelId, JoinError, RequestError, Signal, Urgency, VoiceConnection,
    VoiceDirectory, VoiceServer, rooms::join::JoinTicket,
};

/// A join asks the directory again if the policy changed while it was asked, but not more often than this in all.
const JOIN_ATTEMPTS: u8 = 5;

/// A join that asks the directory. It does not wait by itself: its owner asks, and calls [`admitted`](Self::admitted) with
/// the answer.
pub(crate) struct PendingJoin {
    pub(crate) request_id: String,
    pub(crate) channel: ChannelId,
    /// Taken before the directory is asked.
    ticket: JoinTicket,
    attempts_left: u8,
}

impl PendingJoin {
    pub(super) fn new<D: VoiceDirectory>(
        server: &VoiceServer<D>,
        request_id: &str,
        request: &VoiceJoinRequest,
    ) -> Result<Self, RequestError> {
        Ok(Self {
            request_id: request_id.into(),
            channel: ChannelId::new(&request.channel_id).map_err(no_channel)?,
            ticket: server.registry().begin_join(),
            attempts_left: JOIN_ATTEMPTS,
        })
    }

    /// Joins with the directory's answer, or says that the directory has to be asked again, since the policy changed.
    pub(crate) fn admitted<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        connection: &VoiceConnection,
        answer: Result<Admission, AdmitError>,
        wall: SystemTime,
    ) -> ControlFlow<Handled> {
        let joined = match answer {
            Ok(admission) => join(server, connection, self, admission, wall),
            Err(error) => {
                return ControlFlow::Break(Err(refusal(error).in_channel(self.channel.as_str())));
            }
        };
        self.attempts_left -= 1;
        if matches!(joined, Err(JoinError::PolicyChanged)) && self.attempts_left > 0 {
            self.ticket = server.registry().begin_join();
            return ControlFlow::Continue(());
        }
        ControlFlow::Break(
            joined.map_err(|error| RequestError::from(error).in_channel(self.channel.as_str())),
        )
    }

    /// Answers that the directory took too long.
    pub(crate) fn give_up(&self, connection: &VoiceConnection) {
        let error = unavailable().in_channel(self.channel.as_str());
        reply_error(connection, &self.request_id, &error);
    }
}

/// Joins a channel after asking the directory. One step: a join that is refused changes nothing.
///
/// It waits for the directory as long as that takes. [`ConnectionMachine`](crate::ConnectionMachine) gives it
/// [`Limits::directory_timeout`](crate::Limits::directory_timeout); a host that calls this should too, and drop the future
/// then.
///
/// # Errors
///
/// [`RequestError`] with `MALFORMED`, `CHANNEL_NOT_FOUND`, `NOT_A_VOICE_CHANNEL`, `FORBIDDEN`, `CHANNEL_FULL` or
/// `UNAVAILABLE`; nothing has changed.
///
/// # Cancel safety
///
/// If the future is dropped before it is done, the join has changed nothing.
pub async fn handle_voice_join<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    request_id: &str,
    request: VoiceJoinRequest,
    wall: SystemTime,
) -> Handled {
    let mut join = PendingJoin::new(server, request_id, &request)?;
    ask_and_join(server, connection, &mut join, wall).await
}

pub(super) async fn ask_and_join<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    join: &mut PendingJoin,
    wall: SystemTime,
) -> Handled {
    loop {
        let asked = server.directory().admit(connection.user(), &join.channel);
        let answer = asked.await;
        if let ControlFlow::Break(handled) = join.admitted(server, connection, answer, wall) {
            return handled;
        }
    }
}

fn join<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    join: &PendingJoin,
    admission: Admission,
    wall: SystemTime,
) -> Result<(), JoinError> {
    let ice_servers = server.ice_servers(connection.user(), wall);
    connection.join(&join.channel, join.ticket, admission, |snapshot| {
        let response = VoiceJoinResponse {
            participants: snapshot.participants,
            ice_servers,
            quality_warning: snapshot.quality_warning,
            channel_id: join.channel.as_str().into(),
            session_id: snapshot.session.to_text(),
        };
        let payload = Payload::VoiceJoinResponse(response);
        Signal::new(&*join.request_id, payload, Urgency::Reply)
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

fn unavailable() -> RequestError {
    RequestError::new(Code::Unavailable, "temporarily unavailable, try again")
}
