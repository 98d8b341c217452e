//! Encodes frames to bytes and decodes them again.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use tokio_util::codec::{
    Decoder, Encoder,
    length_delimited::{LengthDelimitedCodec, LengthDelimitedCodecError},
};
use united_voice_core::{CloseFrame, Frame, TransportError};

const MESSAGE: u8 = 0;
const PING: u8 = 1;
const PONG: u8 = 2;
const CLOSE: u8 = 3;

/// The largest content of a ping, a pong or a close frame in bytes. It is the same as in a
/// WebSocket.
const MAX_CONTROL_BYTES: usize = 125;

#[derive(Debug)]
pub(crate) struct FrameCodec {
    lengths: LengthDelimitedCodec,
}

impl FrameCodec {
    /// A codec that refuses incoming messages larger than `max_message_bytes`.
    pub(crate) fn new(max_message_bytes: usize) -> Self {
        let tag = 1;
        let lengths = LengthDelimitedCodec::builder()
            .max_frame_length(max_message_bytes.saturating_add(tag))
            .new_codec();
        Self { lengths }
    }
}

/// The reason why the stream can't be read further.
#[derive(Debug)]
pub(crate) enum ReadError {
    TooLarge,
    Protocol,
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref();
        if inner.is_some_and(|inner| inner.is::<LengthDelimitedCodecError>()) {
            return Self::TooLarge;
        }
        Self::Io(error)
    }
}

impl From<ReadError> for TransportError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLarge => Self::TooLarge,
            ReadError::Protocol => Self::Protocol,
            ReadError::Io(error) => Self::Io(error.into()),
        }
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLarge => Self::new(io::ErrorKind::InvalidData, "frame too large"),
            ReadError::Protocol => Self::new(io::ErrorKind::InvalidData, "not a frame"),
            ReadError::Io(error) => error,
        }
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = ReadError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Frame>, ReadError> {
        let frame = self.lengths.decode(bytes)?;
        frame.map(|frame| parse(frame.freeze())).transpose()
    }
}

fn parse(mut frame: Bytes) -> Result<Frame, ReadError> {
    let tag = frame.try_get_u8().map_err(|_| ReadError::Protocol)?;
    if tag != MESSAGE && frame.len() > MAX_CONTROL_BYTES {
        return Err(ReadError::Protocol);
    }
    match tag {
        MESSAGE => Ok(Frame::Binary(frame)),
        PING => Ok(Frame::Ping(frame)),
        PONG => Ok(Frame::Pong(frame)),
        CLOSE if frame.is_empty() => Ok(Frame::Close(None)),
        CLOSE => {
            let code = frame.try_get_u16().map_err(|_| ReadError::Protocol)?;
            let reason = ByteString::try_from(frame).map_err(|_| ReadError::Protocol)?;
            Ok(Frame::Close(Some(CloseFrame { code, reason })))
        }
        _ => Err(ReadError::Protocol),
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = io::Error;

    fn encode(&mut self, frame: Frame, bytes: &mut BytesMut) -> io::Result<()> {
        match frame {
            Frame::Binary(message) => put(bytes, MESSAGE, &message),
            Frame::Ping(content) => put(bytes, PING, &content),
            Frame::Pong(content) => put(bytes, PONG, &content),
            Frame::Close(None) => put(bytes, CLOSE, &[]),
            Frame::Close(Some(close)) => {
                let code = close.code.to_be_bytes();
                put(bytes, CLOSE, &[&code[..], close.reason.as_bytes()].concat())
            }
            // Only a connection that uses JSON sends text, and this transport asks `drive` for
            // protobuf. Nobody sends a message in parts here.
            Frame::Text(_) | Frame::Fragment => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn put(bytes: &mut BytesMut, tag: u8, content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len() + 1);
    let length = length.map_err(|_| io::ErrorKind::InvalidInput)?;
    bytes.reserve(5 + content.len());
    bytes.put_u32(length);
    bytes.put_u8(tag);
    bytes.put_slice(content);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_arrive_in_pieces_are_decoded() {
        let close = CloseFrame {
            code: 1013,
            reason: "slow".into(),
        };
        let frames = [
            Frame::Binary(Bytes::from_static(b"message")),
            Frame::Binary(Bytes::new()),
            Frame::Ping(Bytes::from_static(b"?")),
            Frame::Pong(Bytes::new()),
            Frame::Close(None),
            Frame::Close(Some(close)),
        ];
        let mut codec = FrameCodec::new(100);
        let mut wire = BytesMut::new();
        for frame in frames.clone() {
            codec.encode(frame, &mut wire).unwrap();
        }
        let mut arrived = BytesMut::new();
        let mut decoded = Vec::new();
        for byte in wire {
            arrived.put_u8(byte);
            decoded.extend(codec.decode(&mut arrived).unwrap());
        }
        assert_eq!(decoded, frames);
    }

    #[test]
    fn invalid_frames_are_refused() {
        let refused = |wire: &[u8]| {
            let mut wire = BytesMut::from(wire);
            FrameCodec::new(200).decode(&mut wire).unwrap_err()
        };
        for wire in [
            &[0, 0, 0, 0][..],            // not even a tag
            &[0, 0, 0, 1, 9],             // an unknown tag
            &[0, 0, 0, 2, CLOSE, 0],      // half a close code
            &[0, 0, 0, 4, 3, 3, 0, 0xff], // a reason that is not text
        ] {
            assert!(matches!(refused(wire), ReadError::Protocol), "{wire:?}");
        }
        let mut long_ping = vec![0, 0, 0, 127, PING];
        long_ping.resize(4 + 127, 0);
        assert!(matches!(refused(&long_ping), ReadError::Protocol));
        // The length alone is enough to refuse the frame.
        assert!(matches!(refused(&[0, 0, 0, 202]), ReadError::TooLarge));
    }
}
