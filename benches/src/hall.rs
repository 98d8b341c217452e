//! A server full of rooms. Every member has the queue that ships, and an inbox that reads it as
//! `drive` does.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use futures::{FutureExt, Stream};
use united_voice_core::{
    Codec, OpenDirectory, QueueStream, Signal, Urgency, UserId, VoiceConnection, VoiceServer,
    outbound_queue,
    proto::{
        self,
        voice::{VoiceIceCandidate, VoiceJoinRequest, VoiceSdpOffer, VoiceStateUpdate},
        ws::{Envelope, envelope::Payload},
    },
    signaling,
};

use crate::{QUEUE_BYTES, QUEUE_MESSAGES, channel};

/// The largest frame that the benches decode.
const MAX_FRAME: usize = 128 << 10;

/// Somebody in a room.
#[derive(Debug)]
pub struct Seated {
    /// The connection.
    pub connection: VoiceConnection,
    /// What the server sends to it.
    pub inbox: Inbox,
}

/// The reading end of an [`outbound_queue`]. It takes each signal out as one frame, which is what
/// `drive` does.
#[derive(Debug)]
pub struct Inbox {
    stream: QueueStream,
    codec: Codec,
}

impl Inbox {
    /// The inbox of a connection that speaks `codec`.
    ///
    /// # Panics
    ///
    /// If something waits in the queue already.
    pub fn new(mut stream: QueueStream, codec: Codec) -> Self {
        stream.set_codec(codec);
        // A connection that waits has left its waker in the queue, and every push into the empty
        // queue has to wake it. So this inbox leaves one too.
        let waiting = Pin::new(&mut stream).poll_next(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(waiting, Poll::Pending), "the queue is new");
        Self { stream, codec }
    }

    /// The oldest frame.
    #[inline]
    pub fn pop(&mut self) -> Option<Bytes> {
        let signal = self.stream.pop()?;
        Some(match self.codec {
            Codec::Protobuf => signal.into_protobuf(),
            Codec::Json => signal.into_json().into_bytes(),
        })
    }

    /// Takes the one frame that an operation sends.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[inline]
    pub fn take_one(&mut self) {
        self.pop().expect("one frame was sent");
    }

    /// All frames, the oldest first.
    pub fn take(&mut self) -> Vec<Bytes> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    /// Drops all frames.
    #[inline]
    pub fn clear(&mut self) {
        while self.pop().is_some() {}
    }
}

/// A server and the members of its rooms.
#[derive(Debug)]
pub struct Hall {
    /// The server.
    pub server: VoiceServer<OpenDirectory>,
    /// All members, room by room, in the order in which they joined.
    pub seated: Vec<Seated>,
    /// The encoding that every member speaks.
    codec: Codec,
}

impl Hall {
    /// `rooms` rooms with `members` members each. User `u-R-M` sits in `channel-R`.
    ///
    /// # Panics
    ///
    /// If the server can't be built, which its defaults exclude.
    pub fn new(rooms: usize, members: usize) -> Self {
        Self::with_codec(Codec::Protobuf, rooms, members)
    }

    /// As [`new`](Self::new), with members that speak `codec`.
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
        hall.clear();
        hall
    }

    /// A connection without a seat.
    ///
    /// # Panics
    ///
    /// If `user` is not a user id, or has too many connections.
    pub fn connect(&self, user: &str) -> Seated {
        let user = UserId::new(user).expect("a user id");
        let (sink, stream) = outbound_queue(QUEUE_MESSAGES, QUEUE_BYTES);
        let connection = self.server.connect(&user, sink.into());
        Seated {
            connection: connection.expect("a connection"),
            inbox: Inbox::new(stream, self.codec),
        }
    }

    /// Joins a channel through the handler, as a client's request would.
    ///
    /// # Panics
    ///
    /// If the join does not succeed at once.
    pub fn join(&self, connection: &VoiceConnection, channel: &str) {
        let request = VoiceJoinRequest {
            channel_id: channel.into(),
        };
        signaling::handle_voice_join(&self.server, connection, "r", request, UNIX_EPOCH)
            .now_or_never()
            .expect("this directory needs no waiting")
            .expect("everybody may join");
    }

    /// Everybody reads all that was sent to them.
    #[inline]
    pub fn clear(&mut self) {
        for seated in &mut self.seated {
            seated.inbox.clear();
        }
    }

    /// Takes the members out of the hall: their connections and their inboxes, each side by side.
    /// They stay in their rooms.
    pub fn take_seated(&mut self) -> (Vec<VoiceConnection>, Vec<Inbox>) {
        let seated = self.seated.drain(..);
        seated
            .map(|seated| (seated.connection, seated.inbox))
            .unzip()
    }

    /// What `operation` sends to each of `seated`, in their order.
    pub fn sent_by(&mut self, operation: impl FnOnce(&Self)) -> Vec<Vec<Bytes>> {
        self.clear();
        operation(self);
        let inboxes = self.seated.iter_mut().map(|seated| &mut seated.inbox);
        inboxes.map(Inbox::take).collect()
    }

    /// Decodes a frame and handles it, as a connection would.
    ///
    /// # Panics
    ///
    /// If the frame is not an envelope.
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

/// The same message as a client that speaks JSON writes it.
///
/// # Panics
///
/// If it is not an envelope.
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

/// A state update in `channel`, as a client sends it.
pub fn state_frame(channel: &str) -> Bytes {
    frame(Payload::VoiceStateUpdate(VoiceStateUpdate {
        channel_id: channel.into(),
        muted: true,
        ..VoiceStateUpdate::default()
    }))
}

/// What the members of `channel` are told of such an update by `user`, encoded already.
pub fn state_signal(channel: &str, user: &str) -> Signal {
    let update = VoiceStateUpdate {
        channel_id: channel.into(),
        user_id: user.into(),
        muted: true,
        ..VoiceStateUpdate::default()
    };
    let signal = Signal::new("", Payload::VoiceStateUpdate(update), Urgency::Event);
    signal.as_protobuf();
    signal
}
