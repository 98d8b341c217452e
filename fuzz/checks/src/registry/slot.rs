//! A connection of the world, and the kinds of replies to it.

use united_voice_core::{CloseReason, QueueStream, VoiceConnection};
use united_voice_proto::{
    voice::VoiceErrorCode as Code,
    ws::{Envelope, envelope::Payload},
};

use crate::replica::Replica;

pub(super) struct Slot {
    pub(super) connection: VoiceConnection,
    pub(super) signals: QueueStream,
    pub(super) replica: Replica,
}

impl Slot {
    pub(super) fn is_open(&self) -> bool {
        match self.signals.close_reason() {
            None => true,
            Some(reason) => {
                assert_eq!(reason, CloseReason::SlowConsumer);
                false
            }
        }
    }

    /// Takes what waits.
    pub(super) fn read(&mut self) -> Vec<Envelope> {
        let mut envelopes = Vec::new();
        while let Some(signal) = self.signals.pop() {
            self.replica.apply(signal.envelope());
            envelopes.push(signal.envelope().clone());
        }
        envelopes
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    None,
    Error(Code),
    Joined,
    Left,
    State,
    Speaking,
    IceServers,
}

impl Reply {
    /// The kind of a reply.
    pub(super) fn of(payload: &Payload) -> Self {
        match payload {
            Payload::VoiceError(error) => Self::Error(error.code()),
            Payload::VoiceJoinResponse(_) => Self::Joined,
            Payload::VoiceLeaveEvent(_) => Self::Left,
            Payload::VoiceStateUpdate(_) => Self::State,
            Payload::VoiceSpeakingEvent(_) => Self::Speaking,
            Payload::VoiceIceServersResponse(_) => Self::IceServers,
            other => panic!("not a reply: {other:?}"),
        }
    }
}
