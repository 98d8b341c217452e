//! A server full of rooms, and a sink that costs as little as a sink can.

use std::{collections::VecDeque, sync::Arc, time::UNIX_EPOCH};

use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;
use united_voice_core::{
    Codec, OpenDirectory, Signal, SignalSink, SinkError, UserId, VoiceConnection, VoiceServer,
    proto::{
        self,
        voice::{VoiceIceCandidate, VoiceJoinRequest, VoiceSdpOffer, VoiceStateUpdate},
        ws::{Envelope, envelope::Payload},
    },
    signaling,
};

use crate::channel;

/// The largest frame that the benches decode.
const MAX_FRAME: usize = 128 << 10;

/// A queue of encoded frames: a lock, a push, and at its limit the oldest frame goes, so that it needs no reader.
#[derive(Debug, Default)]
pub struct FrameQueue(Mutex<VecDeque<Bytes>>);

impl FrameQueue {
    const CAPACITY: usize = 64;

    /// Pushes a frame.
    pub fn push(&self, frame: Bytes) {
        let mut frames = self.0.lock();
        if frames.len() == Self::CAPACITY {
            frames.pop_front();
        }
        frames.push_back(frame);
    }

    /// Takes all frames out, the oldest first.
    pub fn take(&self) -> Vec<Bytes> {
        self.0.lock().drain(..).collect()
    }
}

impl SignalSink for FrameQueue {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        self.push(signal.as_protobuf());
        Ok(())
    }

    fn deliver_owned(&self, signal: Signal) -> Result<(), SinkError> {
        self.push(signal.into_protobuf());
        Ok(())
    }
}

/// The same queue for somebody who speaks JSON.
struct Texts(Arc<FrameQueue>);

impl SignalSink for Texts {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        self.0.push(signal.as_json().into_bytes());
        Ok(())
    }

    fn deliver_owned(&self, signal: Signal) -> Result<(), SinkError> {
        self.0.push(signal.into_json().into_bytes());
        Ok(())
    }
}

/// Somebody in a room, and the way to them.
#[derive(Debug)]
pub struct Seated {
    /// The connection.
    pub connection: VoiceConnection,
    /// Where its signals go.
    pub queue: Arc<FrameQueue>,
}

/// A server and the people in its rooms.
#[derive(Debug)]
pub struct Hall {
    /// The server.
    pub server: VoiceServer<OpenDirectory>,
    /// Everybody, room by room, in the order in which they joined.
    pub seated: Vec<Seated>,
    /// What everybody is told in.
    codec: Codec,
}

impl Hall {
    /// `rooms` rooms with `members` people each; user `u-R-M` sits in `channel-R`.
    ///
    /// # Panics
    ///
    /// Where the server can't be built, which its defaults exclude.
    pub fn new(rooms: usize, members: usize) -> Self {
        Self::with_codec(Codec::Protobuf, rooms, members)
    }

    /// As [`new`](Self::new), with people who speak `codec`.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub fn with_codec(codec: Codec, rooms: usize, members: usize) -> Self {
        let server = VoiceServer::builder(OpenDirectory)
            .build()
            .expect("the default limits are valid");
        let mut hall = Self {
            server,
            seated: Vec::with_capacity(rooms * members),
            codec,
        };
        for room in 0..rooms {
            for member in 0..members {
                let seated = hall.connect(&format!("u-{room}-{member}"));
                hall.join(&seated.connection, &channel(room));
                hall.seated.push(seated);
            }
        }
        hall
    }

    /// A connection that sits nowhere.
    ///
    /// # Panics
    ///
    /// Where `user` is not a user id, or has too many connections.
    pub fn connect(&self, user: &str) -> Seated {
        let queue = Arc::new(FrameQueue::default());
        let user = UserId::new(user).expect("a user id");
        let sink: Arc<dyn SignalSink> = match self.codec {
            Codec::Protobuf => Arc::clone(&queue) as _,
            Codec::Json => Arc::new(Texts(Arc::clone(&queue))),
        };
        let connection = self.server.connect(&user, sink).expect("a connection");
        Seated { connection, queue }
    }

    /// Joins a channel through the handler, as a client's request would.
    ///
    /// # Panics
    ///
    /// Where the join does not succeed at once.
    pub fn join(&self, connection: &VoiceConnection, channel: &str) {
        let request = VoiceJoinRequest {
            channel_id: channel.into(),
        };
        signaling::handle_voice_join(&self.server, connection, "r", request, UNIX_EPOCH)
            .now_or_never()
            .expect("this directory needs no waiting")
            .expect("everybody may join");
    }

    /// The queues of everybody, in the order of `seated`.
    pub fn queues(&self) -> Vec<Arc<FrameQueue>> {
        let queues = self.seated.iter().map(|seated| Arc::clone(&seated.queue));
        queues.collect()
    }

    /// Decodes a frame and handles it, as a connection would.
    ///
    /// # Panics
    ///
    /// Where the frame is not an envelope.
    pub fn handle(&self, connection: &VoiceConnection, codec: Codec, frame: &[u8]) {
        let message = proto::Incoming::decode(codec, frame, MAX_FRAME);
        let message = message.expect("an envelope");
        signaling::dispatch(&self.server, connection, message, UNIX_EPOCH)
            .now_or_never()
            .expect("only a join waits");
    }
}

fn frame(payload: Payload) -> Bytes {
    proto::encode_protobuf(&Envelope {
        request_id: "42".into(),
        payload: Some(payload),
    })
}

/// What somebody who speaks JSON would write instead of a protobuf frame.
///
/// # Panics
///
/// Where it is not an envelope.
pub fn in_json(frame: &[u8]) -> Bytes {
    let envelope = proto::decode(Codec::Protobuf, frame, MAX_FRAME).expect("an envelope");
    proto::encode_json(&envelope).into()
}

/// A candidate of 200 bytes for user `target` in `channel`.
pub fn candidate_frame(channel: &str, target: &str) -> Bytes {
    frame(Payload::VoiceIceCandidate(VoiceIceCandidate {
        target_user_id: target.into(),
        candidate_json: "c".repeat(200),
        channel_id: channel.into(),
        ..VoiceIceCandidate::default()
    }))
}

/// An offer of 3 KB for user `target` in `channel`.
pub fn offer_frame(channel: &str, target: &str) -> Bytes {
    frame(Payload::VoiceSdpOffer(VoiceSdpOffer {
        target_user_id: target.into(),
        sdp: "s".repeat(3000),
        channel_id: channel.into(),
        ..VoiceSdpOffer::default()
    }))
}

/// A state update in `channel`.
pub fn state_frame(channel: &str) -> Bytes {
    frame(Payload::VoiceStateUpdate(VoiceStateUpdate {
        channel_id: channel.into(),
        muted: true,
        ..VoiceStateUpdate::default()
    }))
}
