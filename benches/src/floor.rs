//! What any server has to do.

use std::sync::Arc;

use bytes::Bytes;
use united_voice_core::{
    Codec,
    proto::{
        self,
        ws::{Envelope, envelope::Payload},
    },
};

use crate::FrameQueue;

/// Decodes a frame, writes the sender, encodes and pushes: a relay without any rule.
///
/// # Panics
///
/// Where the frame is not an offer or a candidate.
pub fn relay_floor(codec: Codec, frame: &[u8], sender: &str, session: &str, target: &FrameQueue) {
    let mut envelope = proto::decode(codec, frame, 128 << 10).expect("an envelope");
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
    target.push(match codec {
        Codec::Protobuf => proto::encode_protobuf(&envelope),
        Codec::Json => proto::encode_json(&envelope).into(),
    });
}

/// Clones one encoded frame into each queue: a broadcast without any rule.
pub fn broadcast_floor<'a>(frame: &Bytes, queues: impl Iterator<Item = &'a FrameQueue>) {
    for queue in queues {
        queue.push(frame.clone());
    }
}

/// The floor of an operation that answers some and tells others: the messages that it sent, to the same queues, without a
/// server. Each is encoded once, out of an envelope that stands ready, and pushed to each recipient.
#[derive(Debug)]
pub struct Replay(Vec<Message>);

#[derive(Debug)]
struct Message {
    envelope: Envelope,
    recipients: Vec<Arc<FrameQueue>>,
}

impl Replay {
    /// Runs `operation` and keeps what it sends to `queues`, which has to be `frames` frames in all.
    ///
    /// # Panics
    ///
    /// Where it sends fewer or more, as a refused operation would, or where the replay doesn't send the same to the same, in
    /// whichever order.
    pub fn of(queues: &[Arc<FrameQueue>], frames: usize, operation: impl FnOnce()) -> Self {
        let sent = sent_by(operation, queues);
        assert_eq!(sent.iter().map(Vec::len).sum::<usize>(), frames);
        let mut distinct: Vec<&Bytes> = Vec::new();
        for frame in sent.iter().flatten() {
            if !distinct.contains(&frame) {
                distinct.push(frame);
            }
        }
        let message = |frame: &Bytes| Message {
            envelope: proto::decode(Codec::Protobuf, frame, frame.len()).expect("an envelope"),
            recipients: recipients(frame, &sent, queues),
        };
        let replay = Self(distinct.into_iter().map(message).collect());
        assert_eq!(sorted(sent_by(|| replay.run(), queues)), sorted(sent));
        replay
    }

    /// Sends it all again.
    pub fn run(&self) {
        for message in &self.0 {
            let frame = proto::encode_protobuf(&message.envelope);
            if let Some((last, others)) = message.recipients.split_last() {
                broadcast_floor(&frame, others.iter().map(|queue| &**queue));
                last.push(frame);
            }
        }
    }
}

/// The queues that got `frame`.
fn recipients(
    frame: &Bytes,
    sent: &[Vec<Bytes>],
    queues: &[Arc<FrameQueue>],
) -> Vec<Arc<FrameQueue>> {
    let got = sent.iter().zip(queues);
    got.filter(|(frames, _)| frames.contains(frame))
        .map(|(_, queue)| Arc::clone(queue))
        .collect()
}

fn sorted(mut sent: Vec<Vec<Bytes>>) -> Vec<Vec<Bytes>> {
    sent.iter_mut().for_each(|frames| frames.sort_unstable());
    sent
}

/// What `operation` puts into each of `queues`, which are emptied before and after: an operation and its floor have to
/// leave the same.
pub fn sent_by(operation: impl FnOnce(), queues: &[Arc<FrameQueue>]) -> Vec<Vec<Bytes>> {
    for queue in queues {
        queue.take();
    }
    operation();
    queues.iter().map(|queue| queue.take()).collect()
}
