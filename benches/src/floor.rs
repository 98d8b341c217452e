//! What any server has to do.

use bytes::Bytes;
use united_voice_core::{
    Codec,
    proto::{
        self,
        voice::{VoiceJoinResponse, VoiceParticipant, VoiceParticipantJoinedEvent},
        ws::{Envelope, envelope::Payload},
    },
};

use crate::FrameQueue;

/// Decodes a frame, writes the sender, encodes and pushes: a relay without any rule.
///
/// # Panics
///
/// Where the frame is not an offer or a candidate.
pub fn relay_floor(frame: &[u8], sender: &str, session: &str, target: &FrameQueue) {
    let mut envelope = proto::decode(Codec::Protobuf, frame, 128 << 10).expect("an envelope");
    envelope.request_id.clear();
    match &mut envelope.payload {
        Some(Payload::VoiceIceCandidate(candidate)) => {
            candidate.sender_user_id = sender.into();
            candidate.sender_session_id = session.into();
        }
        Some(Payload::VoiceSdpOffer(offer)) => {
            offer.sender_user_id = sender.into();
            offer.sender_session_id = session.into();
        }
        other => panic!("not a relayed message: {other:?}"),
    }
    target.push(proto::encode_protobuf(&envelope));
}

/// Decodes a join, answers it with `others` as participants, and tells each of them: a join without a registry.
///
/// # Panics
///
/// Where the frame is not a join.
pub fn join_floor(frame: &[u8], others: &[(VoiceParticipant, &FrameQueue)], joiner: &FrameQueue) {
    let envelope = proto::decode(Codec::Protobuf, frame, 128 << 10).expect("an envelope");
    let Some(Payload::VoiceJoinRequest(request)) = envelope.payload else {
        panic!("not a join");
    };
    let response = VoiceJoinResponse {
        participants: others.iter().map(|(who, _)| who.clone()).collect(),
        channel_id: request.channel_id.clone(),
        ..VoiceJoinResponse::default()
    };
    let payload = Some(Payload::VoiceJoinResponse(response));
    joiner.push(proto::encode_protobuf(&Envelope {
        request_id: envelope.request_id,
        payload,
    }));
    let joined = VoiceParticipantJoinedEvent {
        channel_id: request.channel_id,
        participant: others.first().map(|(who, _)| who.clone()),
    };
    let joined = proto::encode_protobuf(&Envelope {
        request_id: String::new(),
        payload: Some(Payload::VoiceParticipantJoinedEvent(joined)),
    });
    broadcast_floor(&joined, others.iter().map(|(_, queue)| *queue));
}

/// Clones one encoded frame into each queue: a broadcast without any rule.
pub fn broadcast_floor<'a>(frame: &Bytes, queues: impl Iterator<Item = &'a FrameQueue>) {
    for queue in queues {
        queue.push(frame.clone());
    }
}
