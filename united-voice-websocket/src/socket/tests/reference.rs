//! Compares with tungstenite's own WebSocket. For all bytes that a client may send, in pieces of
//! any size, the messages, the answers and the kind of error must be the same.

use std::{
    collections::VecDeque,
    io::{self, Cursor, Read, Write},
};

use futures::FutureExt as _;
use proptest::{collection::vec, prelude::*, sample::Index};
use tokio::io::ReadBuf;
use tungstenite::{
    Error, Message,
    error::ProtocolError,
    protocol::{self, Role, WebSocketConfig},
};

use super::*;

/// Messages and sums of fragments exceed it, and control frames can be too long without exceeding
/// it.
const LIMIT: usize = 200;

/// The messages of a connection, the error that ended it, and the bytes that were written.
type Outcome = (Vec<Frame>, Option<&'static str>, Vec<u8>);

/// A frame of a client. Most are valid.
#[derive(Clone, Debug)]
struct Sent {
    is_final: bool,
    reserved_bits: u8,
    opcode: u8,
    payload: Vec<u8>,
    mask: Option<[u8; 4]>,
    /// The length takes at least this many extra bytes. More than needed is against the RFC, and
    /// tungstenite accepts it.
    length_bytes: usize,
}

impl Sent {
    fn write_to(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self.is_final) << 7 | self.reserved_bits << 4 | self.opcode);
        let masked = u8::from(self.mask.is_some()) << 7;
        let length = self.payload.len() as u64;
        match (self.length_bytes, length) {
            (0, ..126) => bytes.push(masked | self.payload.len() as u8),
            (0..=2, _) => {
                bytes.push(masked | 126);
                bytes.extend(&length.to_be_bytes()[6..]);
            }
            _ => {
                bytes.push(masked | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        let mask = self.mask.unwrap_or_default();
        bytes.extend(self.mask.iter().flatten());
        let masked = self.payload.iter().zip(mask.iter().cycle());
        bytes.extend(masked.map(|(byte, key)| byte ^ key));
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let payload = prop_oneof![
        6 => "[a-zä🎤]{0,40}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..130),
        1 => vec(Just(b'x'), 0..LIMIT + 10),
        // Two parts of a text that is cut within a character.
        2 => Just("ä🎤".as_bytes()[..4].to_vec()),
        2 => Just("ä🎤".as_bytes()[4..].to_vec()),
        // Close codes.
        2 => (prop_oneof![Just(1000_u16), 990..1020_u16, 2990..5010_u16], "[a-z]{0,5}")
            .prop_map(|(code, reason)| [&code.to_be_bytes(), reason.as_bytes()].concat()),
    ];
    let opcode =
        prop_oneof![8 => Just(0), 8 => 1..=2_u8, 1 => Just(8), 4 => 9..=10_u8, 1 => 0..16_u8];
    (
        prop::bool::weighted(0.6),
        prop_oneof![60 => Just(0), 1 => 1..8_u8],
        opcode,
        payload,
        prop::option::weighted(0.98, any::<[u8; 4]>()),
        prop_oneof![8 => Just(0), 1 => Just(2), 1 => Just(8)],
    )
        .prop_map(
            |(is_final, reserved_bits, opcode, payload, mask, length_bytes)| Sent {
                // Control frames in fragments are invalid, so there are only a few.
                is_final: is_final || (opcode > 7 && mask.is_some_and(|mask| mask[0] > 9)),
                reserved_bits,
                opcode,
                payload,
                mask,
                length_bytes,
            },
        )
}

/// A stream that returns one piece for each read and takes everything that is written.
#[derive(Default)]
struct Script {
    pieces: VecDeque<Vec<u8>>,
    written: Vec<u8>,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.pieces.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.pieces.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn ours(early: &[u8], pieces: VecDeque<Vec<u8>>) -> Outcome {
    let mut limits = Limits::default();
    limits.max_message_bytes = LIMIT;
    let script = Script {
        pieces,
        ..Script::default()
    };
    let mut socket = WebSocket::new(script, early, &limits);
    let mut frames = Vec::new();
    let end = loop {
        match socket.next().now_or_never().expect("never pending") {
            // tungstenite does not tell of them.
            Some(Ok(Frame::Fragment)) => {}
            Some(Ok(frame)) => frames.push(frame),
            Some(Err(error)) => break Some(kind(&error)),
            None => break None,
        }
    };
    // After an error, what still comes is dropped, in several turns if there is much.
    while socket.next().now_or_never().is_none() {}
    assert!(matches!(socket.next().now_or_never(), Some(None)));
    (frames, end, socket.stream.written)
}

fn kind(error: &TransportError) -> &'static str {
    match error {
        TransportError::TooLarge => "too large",
        TransportError::InvalidUtf8 => "no text",
        TransportError::Protocol => "protocol",
        _ => "gone",
    }
}

struct Synchronous(Cursor<Vec<u8>>, Vec<u8>);

impl Read for Synchronous {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut self.0, buf)
    }
}

impl Write for Synchronous {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Write::write(&mut self.1, buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(bytes: &[u8]) -> Outcome {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let stream = Synchronous(Cursor::new(bytes.to_vec()), Vec::new());
    let mut socket = protocol::WebSocket::from_raw_socket(stream, Role::Server, Some(config));
    let mut frames = Vec::new();
    let end = loop {
        match socket.read() {
            Ok(message) => frames.push(frame(message)),
            Err(Error::ConnectionClosed) => break None,
            Err(Error::Capacity(_)) => break Some("too large"),
            Err(Error::Utf8(_)) => break Some("no text"),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                break Some("gone");
            }
            Err(Error::Protocol(_)) => break Some("protocol"),
            Err(error) => panic!("{error}"),
        }
    };
    (frames, end, socket.get_ref().1.clone())
}

fn frame(message: Message) -> Frame {
    match message {
        Message::Binary(bytes) => Frame::Binary(bytes),
        Message::Text(text) => Frame::Text(text.as_str().into()),
        Message::Ping(bytes) => Frame::Ping(bytes),
        Message::Pong(bytes) => Frame::Pong(bytes),
        Message::Close(close) => Frame::Close(close.map(|close| CloseFrame {
            code: close.code.into(),
            reason: close.reason.as_str().into(),
        })),
        Message::Frame(_) => unreachable!("only ever written"),
    }
}

fn in_pieces(bytes: &[u8], cuts: &[Index]) -> VecDeque<Vec<u8>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let pieces = cuts.windows(2).map(|cut| bytes[cut[0]..cut[1]].to_vec());
    // A read of nothing means the end.
    pieces.filter(|piece| !piece.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn a_client_is_understood_as_by_tungstenite(
        sent in vec(sent(), 0..12),
        cuts in vec(any::<Index>(), 0..30),
        early in any::<Index>(),
    ) {
        let mut bytes = Vec::new();
        sent.iter().for_each(|frame| frame.write_to(&mut bytes));
        let (early, rest) = bytes.split_at(early.index(bytes.len() + 1));
        prop_assert_eq!(ours(early, in_pieces(rest, &cuts)), theirs(&bytes));
    }

    /// If the bytes end within a frame, tungstenite reports a lost connection. Here the header may
    /// be enough to report a broken rule instead.
    #[test]
    fn a_client_that_breaks_off_is_understood_too(
        sent in vec(sent(), 1..12),
        end in any::<Index>(),
    ) {
        let mut bytes = Vec::new();
        sent.iter().for_each(|frame| frame.write_to(&mut bytes));
        bytes.truncate(end.index(bytes.len()));
        let (frames, end, written) = ours(&[], in_pieces(&bytes, &[]));
        let theirs = theirs(&bytes);
        prop_assert_eq!((&frames, &written), (&theirs.0, &theirs.2));
        if theirs.1 != Some("gone") {
            prop_assert_eq!(end, theirs.1);
        } else {
            prop_assert!(end.is_some());
        }
    }
}
