//! What the client sends, and the rules for what it is sent.

use united_voice_core::{Codec, Disconnect};
use united_voice_proto::{
    decode, encode_json, encode_protobuf,
    voice::{
        VoiceIceCandidate, VoiceIceServersRequest, VoiceJoinRequest, VoiceLeaveRequest,
        VoiceSdpOffer, VoiceSpeakingEvent, VoiceStateUpdate,
    },
    ws::{Envelope, envelope::Payload},
};

use super::wire::Wire;
use crate::{input::Input, replica::Replica};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The most bytes that a frame of the client makes the server send. Ids of 128 bytes take six times
/// as many in JSON, and a response has several.
const MOST_ANSWERED: usize = 3_000;

pub(super) struct Client {
    pub(super) wire: Wire,
    pub(super) replica: Replica,
    /// The subprotocol.
    settled: Option<Codec>,
    /// The kind of the server's first message.
    spoken: Option<Codec>,
    /// What the server has sent and is not read yet: a part of a frame.
    unread: Vec<u8>,
    /// The code of the server's close frame, or 1005.
    closed: Option<u16>,
    /// The client has sent something that may have been a close frame.
    may_be_echoed: bool,
    /// The server was told to shut down.
    pub(super) may_go_away: bool,
    /// Time that has passed.
    pub(super) millis: u64,
    sent_bytes: usize,
    received_bytes: usize,
}

impl Client {
    pub(super) fn new(wire: Wire, settled: Option<Codec>) -> Self {
        Self {
            wire,
            replica: Replica::new("alice"),
            settled,
            spoken: None,
            unread: Vec::new(),
            closed: None,
            may_be_echoed: false,
            may_go_away: false,
            millis: 0,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    pub(super) fn send(&mut self, input: &mut Input<'_>) {
        match input.below(8) {
            0..5 => {
                let (opcode, payload) = self.message(input);
                self.frame(0x80 | opcode, &payload, input);
            }
            5 => self.fragments(input),
            6 => {
                // Any first byte: reserved bits, unknown opcodes, fragments.
                let first = input.byte();
                self.may_be_echoed |= first & 0xf == CLOSE;
                self.frame(first, input.bytes(), input);
            }
            _ => {
                self.may_be_echoed = true;
                self.write(input.bytes());
            }
        }
    }

    pub(super) fn end(&mut self, input: &mut Input<'_>) {
        match input.below(8) {
            0 => self.wire.hang_up(false),
            1 => self.wire.hang_up(true),
            _ => {
                self.may_be_echoed = true;
                let code: u16 = input.pick(&[1000, 1001, 1005, 1012, 2999, 3000, 65_535]);
                let reason = input.text();
                let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
                let length = input.pick(&[0, 1, 2, 2, 10, 1_000]).min(payload.len());
                self.frame(0x80 | CLOSE, &payload[..length], input);
            }
        }
    }

    /// A message and its opcode.
    fn message(&self, input: &mut Input<'_>) -> (u8, Vec<u8>) {
        let envelope = match input.below(4) {
            0 => input.envelope(),
            1 => return (input.pick(&[TEXT, BINARY]), input.bytes().to_vec()),
            _ => Envelope {
                request_id: input.pick(&["", "1", "2"]).to_owned(),
                payload: Some(request(input)),
            },
        };
        let own = self.settled.unwrap_or(Codec::Protobuf);
        match input.pick(&[own, own, own, Codec::Protobuf, Codec::Json]) {
            Codec::Protobuf => (BINARY, encode_protobuf(&envelope).to_vec()),
            Codec::Json => (TEXT, encode_json(&envelope).into_bytes()),
        }
    }

    /// A message in several frames, with a ping among them.
    fn fragments(&mut self, input: &mut Input<'_>) {
        let (opcode, payload) = self.message(input);
        let count = 1 + input.below(4);
        let length = payload.len().div_ceil(count).max(1);
        let mut parts = payload.chunks(length).peekable();
        let mut opcode = opcode;
        while let Some(part) = parts.next() {
            let last = if parts.peek().is_none() { 0x80 } else { 0 };
            self.frame(last | opcode, part, input);
            opcode = 0;
            if input.flag() {
                self.frame(0x80 | input.pick(&[PING, PONG]), b"ping", input);
            }
        }
    }

    fn frame(&mut self, first: u8, payload: &[u8], input: &mut Input<'_>) {
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length @ 126..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        let mask = [input.byte(), 0, 0xff, 0x55];
        frame.extend(mask);
        let masked = payload.iter().zip(mask.iter().cycle());
        frame.extend(masked.map(|(byte, key)| byte ^ key));
        self.write(&frame);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.sent_bytes += bytes.len();
        self.wire.send(bytes);
    }

    /// Reads what the server has written. `actions` of another member may have caused some of it.
    pub(super) fn check_output(&mut self, actions: usize) {
        let written = self.wire.take();
        self.received_bytes += written.len();
        // The shortest frame of a client takes six bytes.
        let caused = self.sent_bytes / 6 + actions + 2;
        let seconds = usize::try_from(self.millis / 1_000).expect("a few minutes");
        let most = caused * MOST_ANSWERED + seconds * 200;
        assert!(
            self.received_bytes <= most,
            "{} of {most}",
            self.received_bytes
        );
        self.unread.extend(written);
        while let Some((opcode, payload)) = self.next_frame() {
            self.receive(opcode, &payload);
        }
    }

    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&[first, second], rest) = self.unread.split_first_chunk()?;
        assert_eq!(
            first & 0xf0,
            0x80,
            "the server sends whole messages without extensions"
        );
        assert!(second < 0x80, "a server masks nothing");
        let (length, rest) = match second {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            127 => panic!("no message of the server is that long"),
            short => (usize::from(short), rest),
        };
        let (payload, rest) = rest.split_at_checked(length)?;
        let payload = payload.to_vec();
        self.unread = rest.to_vec();
        Some((first & 0xf, payload))
    }

    fn receive(&mut self, opcode: u8, payload: &[u8]) {
        assert_eq!(self.closed, None, "a frame after the close frame");
        match opcode {
            TEXT => self.read_message(Codec::Json, payload),
            BINARY => self.read_message(Codec::Protobuf, payload),
            CLOSE => {
                assert!(payload.len() <= 125);
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                self.check_close(code);
                self.closed = Some(code.unwrap_or(1005));
            }
            PING | PONG => assert!(payload.len() <= 125),
            other => panic!("no such opcode: {other}"),
        }
    }

    fn read_message(&mut self, codec: Codec, payload: &[u8]) {
        let spoken = *self.spoken.get_or_insert(codec);
        assert_eq!(codec, self.settled.unwrap_or(spoken));
        let envelope = decode(codec, payload, usize::MAX).expect("the server's own");
        assert!(envelope.request_id.len() <= 128);
        self.replica.apply(&envelope);
    }

    fn check_close(&self, code: Option<u16>) {
        match code {
            Some(1001) if self.may_go_away => {}
            Some(1002 | 1007 | 1008 | 1009 | 1013) => {}
            // RFC 6455, section 7.4: the codes that may be in a frame.
            Some(1000..=1003 | 1008..=1014 | 3000..=4999) | None => {
                assert!(self.may_be_echoed, "the server closed with {code:?}");
            }
            Some(other) => panic!("the server closed with {other}"),
        }
    }

    /// The reason that `drive` gives is that of the close frame.
    pub(super) fn check_end(&self, disconnect: Disconnect) {
        let expected = disconnect.close_frame().map(|frame| frame.code);
        match (self.closed, disconnect) {
            // It could not be sent, or it answers the client's.
            (None, _) | (Some(_), Disconnect::Closed) => {}
            (Some(code), _) => assert_eq!(Some(code), expected, "{disconnect:?}"),
        }
    }
}

fn request(input: &mut Input<'_>) -> Payload {
    let channel_id = input
        .pick(&["a", "a", "a", "b", "tiny", "slow", "text", ""])
        .to_owned();
    match input.below(9) {
        0..3 => Payload::VoiceJoinRequest(VoiceJoinRequest { channel_id }),
        3 => Payload::VoiceLeaveRequest(VoiceLeaveRequest { channel_id }),
        4 => Payload::VoiceIceServersRequest(VoiceIceServersRequest { channel_id }),
        5 => Payload::VoiceStateUpdate(VoiceStateUpdate {
            channel_id,
            muted: input.flag(),
            ..VoiceStateUpdate::default()
        }),
        6 => Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
            channel_id,
            speaking: input.flag(),
            ..VoiceSpeakingEvent::default()
        }),
        7 => Payload::VoiceSdpOffer(VoiceSdpOffer {
            channel_id,
            target_user_id: "bob".to_owned(),
            sdp: input.text(),
            ..VoiceSdpOffer::default()
        }),
        _ => Payload::VoiceIceCandidate(VoiceIceCandidate {
            channel_id,
            target_user_id: input.pick(&["bob", "alice", ""]).to_owned(),
            candidate_json: input.text(),
            ..VoiceIceCandidate::default()
        }),
    }
}
