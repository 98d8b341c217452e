//! Floors: the work that any server has to do, with the same sinks and readers as the operations.

use std::{collections::VecDeque, task::Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use united_voice_core::{
    Codec, QueueSink, Signal, SignalSink, outbound_queue,
    proto::{
        self,
        ws::{Envelope, envelope::Payload},
    },
};

use crate::{Inbox, QUEUE_BYTES, QUEUE_MESSAGES};

/// Decodes a frame, writes the sender, encodes and pushes: a relay without any rule.
///
/// # Panics
///
/// If the frame is not an offer or a candidate, or the queue is full.
pub fn relay_floor(codec: Codec, frame: &[u8], sender: &str, session: &str, target: &BareQueue) {
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
    let pushed = target.push(match codec {
        Codec::Protobuf => proto::encode_protobuf(&envelope),
        Codec::Json => proto::encode_json(&envelope).into(),
    });
    assert!(pushed, "the reader keeps up");
}

/// Pushes one signal, encoded before, into each queue: a broadcast without any rule.
///
/// # Panics
///
/// If a queue is full.
#[inline]
pub fn broadcast_floor<'a>(signal: &Signal, queues: impl IntoIterator<Item = &'a QueueSink>) {
    for queue in queues {
        queue.deliver(signal).expect("the reader keeps up");
    }
}

/// The queues of a room without a server, for recipients that speak protobuf.
pub fn floor_room(members: usize) -> (Vec<QueueSink>, Vec<Inbox>) {
    let queue = |_| {
        let (sink, stream) = outbound_queue(QUEUE_MESSAGES, QUEUE_BYTES);
        (sink, Inbox::new(stream, Codec::Protobuf))
    };
    (0..members).map(queue).unzip()
}

/// The least that a queue of frames can be: a lock, a deque with a limit in messages and bytes, and
/// a waker for the reader of an empty queue. [`outbound_queue`](united_voice_core::outbound_queue)
/// is measured against it.
#[derive(Debug)]
pub struct BareQueue(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    frames: VecDeque<Bytes>,
    bytes: usize,
    waker: Option<Waker>,
}

impl Default for BareQueue {
    /// A queue with a reader that waits.
    fn default() -> Self {
        Self(Mutex::new(Waiting {
            frames: VecDeque::new(),
            bytes: 0,
            waker: Some(Waker::noop().clone()),
        }))
    }
}

impl BareQueue {
    /// Pushes a frame. Returns whether there was room for it.
    #[inline]
    pub fn push(&self, frame: Bytes) -> bool {
        let mut waiting = self.0.lock();
        let bytes = waiting.bytes + frame.len();
        if waiting.frames.len() >= QUEUE_MESSAGES || bytes > QUEUE_BYTES {
            return false;
        }
        waiting.bytes = bytes;
        waiting.frames.push_back(frame);
        let waker = (waiting.frames.len() == 1).then(|| waiting.waker.clone());
        drop(waiting);
        if let Some(Some(waker)) = waker {
            waker.wake();
        }
        true
    }

    /// The oldest frame.
    #[inline]
    pub fn pop(&self) -> Option<Bytes> {
        let mut waiting = self.0.lock();
        let frame = waiting.frames.pop_front()?;
        waiting.bytes -= frame.len();
        Some(frame)
    }

    /// Takes one frame.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[inline]
    pub fn take_one(&self) {
        self.pop().expect("one frame was sent");
    }

    /// All frames, the oldest first.
    pub fn take(&self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.pop()).collect()
    }
}

/// The floor of an operation that sends several messages, for example a join: an answer, and events
/// for the others. The same messages go to one [bare queue](BareQueue) for each recipient, without
/// a server. Each message is encoded once, from an envelope that is ready, and pushed to each
/// recipient.
#[derive(Debug)]
pub struct Replay {
    messages: Vec<Message>,
    queues: Vec<BareQueue>,
}

#[derive(Debug)]
struct Message {
    envelope: Envelope,
    /// The positions of their queues in [`Replay::queues`].
    recipients: Vec<usize>,
}

impl Replay {
    /// A floor that sends what an operation sent. `sent` has the frames of each recipient, and
    /// `frames` is their number in all.
    ///
    /// # Panics
    ///
    /// If the operation sent fewer or more frames, as a refused one would. Also if the replay does
    /// not send the same frames to the same recipients, in any order.
    pub fn of(sent: Vec<Vec<Bytes>>, frames: usize) -> Self {
        assert_eq!(sent.iter().map(Vec::len).sum::<usize>(), frames);
        let mut distinct: Vec<&Bytes> = Vec::new();
        for frame in sent.iter().flatten() {
            if !distinct.contains(&frame) {
                distinct.push(frame);
            }
        }
        let message = |frame: &Bytes| Message {
            envelope: proto::decode(Codec::Protobuf, frame, frame.len()).expect("an envelope"),
            recipients: (0..sent.len())
                .filter(|recipient| sent[*recipient].contains(frame))
                .collect(),
        };
        let replay = Self {
            messages: distinct.into_iter().map(message).collect(),
            queues: sent.iter().map(|_| BareQueue::default()).collect(),
        };
        replay.send();
        let replayed = replay.queues.iter().map(BareQueue::take).collect();
        assert_eq!(sorted(replayed), sorted(sent));
        replay
    }

    /// Sends all messages again, and empties the queues as their readers would.
    pub fn run(&self) {
        self.send();
        for queue in &self.queues {
            while queue.pop().is_some() {}
        }
    }

    fn send(&self) {
        for message in &self.messages {
            let frame = proto::encode_protobuf(&message.envelope);
            for recipient in &message.recipients {
                let pushed = self.queues[*recipient].push(frame.clone());
                assert!(pushed, "the reader keeps up");
            }
        }
    }
}

fn sorted(mut sent: Vec<Vec<Bytes>>) -> Vec<Vec<Bytes>> {
    sent.iter_mut().for_each(|frames| frames.sort_unstable());
    sent
}
