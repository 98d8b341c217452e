//! A client without a transport: a connection with a sink that records its signals.

use std::{num::NonZeroU32, sync::Arc};

use crate::{
    Admission, JoinError, Profile, RelayError, SessionId, Signal, Urgency, VoiceConnection,
    VoiceRoomRegistry,
    proto::{
        voice::{VoiceIceCandidate, VoiceJoinResponse},
        ws::{Envelope, envelope::Payload},
    },
    rooms::{join::JoinTicket, snapshot::JoinSnapshot},
    test_util::RecordingSink,
};

use super::{channel, lines::line, user};

pub(crate) fn registry() -> VoiceRoomRegistry {
    VoiceRoomRegistry::new(64)
}

pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) connection: VoiceConnection,
    pub(crate) sink: Arc<RecordingSink>,
    registry: VoiceRoomRegistry,
}

impl Client {
    pub(crate) fn new(registry: &VoiceRoomRegistry, name: &str) -> Self {
        Self::with_sink(registry, name, RecordingSink::default())
    }

    /// A client whose sink holds `capacity` signals.
    pub(crate) fn slow(registry: &VoiceRoomRegistry, name: &str, capacity: usize) -> Self {
        Self::with_sink(registry, name, RecordingSink::with_capacity(capacity))
    }

    fn with_sink(registry: &VoiceRoomRegistry, name: &str, sink: RecordingSink) -> Self {
        Self::with_shared_sink(registry, name, Arc::new(sink))
    }

    /// Another connection of the same user, over the same sink.
    pub(crate) fn twin(&self) -> Self {
        Self::with_shared_sink(&self.registry, &self.name, Arc::clone(&self.sink))
    }

    fn with_shared_sink(
        registry: &VoiceRoomRegistry,
        name: &str,
        sink: Arc<RecordingSink>,
    ) -> Self {
        let connection = registry
            .connect(&user(name), sink.clone())
            .expect("connected");
        Self {
            name: name.into(),
            connection,
            sink,
            registry: registry.clone(),
        }
    }

    /// A client that has joined and has read all messages so far.
    pub(crate) fn joined(registry: &VoiceRoomRegistry, name: &str, channel: &str) -> Self {
        let client = Self::new(registry, name);
        client.join(channel).expect("joined");
        client.sink.take();
        client
    }

    pub(crate) fn join(&self, channel: &str) -> Result<SessionId, JoinError> {
        self.join_limited(channel, 0)
    }

    /// Joins under a hard limit. 0 means no limit.
    pub(crate) fn join_limited(&self, channel: &str, limit: u32) -> Result<SessionId, JoinError> {
        self.join_with(self.ticket(), channel, limit)
    }

    /// Joins with a ticket that was taken earlier.
    pub(crate) fn join_with(
        &self,
        ticket: JoinTicket,
        name: &str,
        limit: u32,
    ) -> Result<SessionId, JoinError> {
        let channel = channel(name);
        let admission = self.admission(limit);
        self.connection
            .join(&channel, ticket, admission, |snapshot| {
                response(name, snapshot)
            })
    }

    pub(crate) fn ticket(&self) -> JoinTicket {
        self.registry.begin_join()
    }

    pub(crate) fn admission(&self, limit: u32) -> Admission {
        let profile = Profile::new(self.name.to_uppercase()).with_pubkey("key");
        Admission::new(profile).with_max_participants(NonZeroU32::new(limit))
    }

    /// Sends `content` to another participant.
    pub(crate) fn send(&self, channel: &str, to: &str, content: &str) -> Result<(), RelayError> {
        self.send_as("", (channel, to), content)
    }

    /// Does the same, by a request that a refusal may name later.
    pub(crate) fn send_as(
        &self,
        request_id: &str,
        (channel, to): (&str, &str),
        content: &str,
    ) -> Result<(), RelayError> {
        self.connection.relay(
            request_id,
            VoiceIceCandidate {
                channel_id: channel.into(),
                target_user_id: to.into(),
                candidate_json: content.into(),
                ..VoiceIceCandidate::default()
            },
        )
    }

    /// The messages that arrived since the last call.
    pub(crate) fn take(&self) -> Vec<Envelope> {
        self.sink.take()
    }

    /// The messages that arrived since the last call, one line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.take().iter().map(line).collect()
    }
}

pub(crate) fn response(channel: &str, snapshot: JoinSnapshot) -> Signal {
    // In the tests of races, others may act between the decision and the seat.
    crate::sync::interleave();
    let response = VoiceJoinResponse {
        participants: snapshot.participants,
        quality_warning: snapshot.quality_warning,
        channel_id: channel.into(),
        session_id: snapshot.session.to_string(),
        ..VoiceJoinResponse::default()
    };
    Signal::new("join", Payload::VoiceJoinResponse(response), Urgency::Reply)
}

/// The user ids in a channel, in joining order.
pub(crate) fn roster(registry: &VoiceRoomRegistry, name: &str) -> Vec<String> {
    let participants = registry.participants(&channel(name));
    participants.into_iter().map(|who| who.user_id).collect()
}

/// A response for tests that do not read it.
#[cfg(united_voice_shuttle)]
pub(crate) fn empty_response() -> Signal {
    let response = VoiceJoinResponse::default();
    Signal::new("", Payload::VoiceJoinResponse(response), Urgency::Reply)
}
