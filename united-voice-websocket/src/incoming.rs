//! Turns bytes into messages: unmasks frames, joins fragments, and checks the rules of RFC 6455 for
//! clients, each as early as possible. tungstenite parses the headers.

use std::{io::Cursor, mem, str};

use bytes::Bytes;
use bytestring::ByteString;
use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};
use united_voice_core::{CloseFrame, Frame, TransportError};

/// Two bytes, eight of length and four of mask.
const LONGEST_HEADER: usize = 14;

/// The largest payload of a control frame (RFC 6455, section 5.5).
const MAX_CONTROL_BYTES: u64 = 125;

/// The state of reading. Between two messages it has no memory on the heap.
#[derive(Default)]
pub(crate) struct Incoming {
    max_message_bytes: usize,
    /// The beginning of a header, if a read ended within one.
    header: [u8; LONGEST_HEADER],
    header_bytes: usize,
    frame: Option<OpenFrame>,
    message: Option<Message>,
    /// The payload of a control frame. It is apart from the message, because it may come between
    /// two fragments.
    control: Vec<u8>,
}

/// A frame after its header.
struct OpenFrame {
    opcode: OpCode,
    is_final: bool,
    /// Begins with the key for the next byte.
    mask: [u8; 4],
    /// Bytes of the payload that have not come yet.
    remaining: usize,
}

/// A message that is not complete.
struct Message {
    is_text: bool,
    bytes: Vec<u8>,
    /// How many bytes are known to be UTF-8. Stays 0 for a binary message.
    checked: usize,
}

impl Incoming {
    pub(crate) fn new(max_message_bytes: usize) -> Self {
        Self {
            max_message_bytes,
            ..Self::default()
        }
    }

    /// Takes bytes from the front of `input` until a frame is complete or no bytes are left. A frame
    /// that does not complete its message is a [`Frame::Fragment`].
    ///
    /// # Errors
    ///
    /// The first rule that the client broke. Nothing may be read after that.
    pub(crate) fn read(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, TransportError> {
        let mut frame = match self.frame.take() {
            Some(frame) => frame,
            None => match self.read_header(input)? {
                Some((header, length)) => self.open(&header, length)?,
                None => return Ok(None),
            },
        };
        let payload = match (frame.opcode, &mut self.message) {
            (OpCode::Data(_), Some(message)) => &mut message.bytes,
            _ => &mut self.control,
        };
        frame.read_payload(input, payload);
        if frame.remaining > 0 {
            self.frame = Some(frame);
            return Ok(None);
        }
        self.complete(&frame).map(Some)
    }

    /// Returns the next header and the length of its payload, or `None` if the header is not
    /// complete.
    fn read_header(
        &mut self,
        input: &mut &[u8],
    ) -> Result<Option<(FrameHeader, u64)>, TransportError> {
        let before = self.header_bytes;
        let parsed = if before == 0 {
            parse(input)?
        } else {
            let more = input.len().min(LONGEST_HEADER - before);
            self.header[before..before + more].copy_from_slice(&input[..more]);
            parse(&self.header[..before + more])?
        };
        match parsed {
            Some((header, length, size)) => {
                self.header_bytes = 0;
                *input = &input[size - before..];
                Ok(Some((header, length)))
            }
            None => {
                if before == 0 {
                    self.header[..input.len()].copy_from_slice(input);
                }
                self.header_bytes = before + input.len();
                *input = &[];
                Ok(None)
            }
        }
    }

    /// Checks everything that can be checked before the payload comes, above all its length.
    fn open(&mut self, header: &FrameHeader, length: u64) -> Result<OpenFrame, TransportError> {
        let remaining = usize::try_from(length).map_err(|_| TransportError::TooLarge)?;
        if remaining > self.max_message_bytes {
            return Err(TransportError::TooLarge);
        }
        let Some(mask) = header.mask else {
            return Err(TransportError::Protocol);
        };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(TransportError::Protocol);
        }
        match (header.opcode, &mut self.message) {
            (OpCode::Control(_), _) => {
                if !header.is_final || length > MAX_CONTROL_BYTES {
                    return Err(TransportError::Protocol);
                }
            }
            (OpCode::Data(Data::Continue), Some(message)) => {
                if remaining > self.max_message_bytes - message.bytes.len() {
                    return Err(TransportError::TooLarge);
                }
            }
            (OpCode::Data(data @ (Data::Text | Data::Binary)), message @ None) => {
                *message = Some(Message {
                    is_text: data == Data::Text,
                    bytes: Vec::new(),
                    checked: 0,
                });
            }
            // A second message before the end of the first, or a continuation of no message.
            (OpCode::Data(_), _) => return Err(TransportError::Protocol),
        }
        Ok(OpenFrame {
            opcode: header.opcode,
            is_final: header.is_final,
            mask,
            remaining,
        })
    }

    /// Returns the message that this frame completes, or a [`Frame::Fragment`].
    fn complete(&mut self, frame: &OpenFrame) -> Result<Frame, TransportError> {
        let OpCode::Control(control) = frame.opcode else {
            if let Some(message) = self.message.take_if(|_| frame.is_final) {
                return message.into_frame();
            }
            if let Some(message) = &mut self.message {
                message.check_fragment()?;
            }
            return Ok(Frame::Fragment);
        };
        let payload = Bytes::from(mem::take(&mut self.control));
        Ok(match control {
            Control::Ping => Frame::Ping(payload),
            Control::Pong => Frame::Pong(payload),
            Control::Close => Frame::Close(close_frame(&payload)?),
            Control::Reserved(_) => return Err(TransportError::Protocol),
        })
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        let message = self.message.as_ref();
        self.control.capacity() + message.map_or(0, |message| message.bytes.capacity())
    }
}

impl OpenFrame {
    /// Moves payload from the front of `input` to the end of `payload`.
    fn read_payload(&mut self, input: &mut &[u8], payload: &mut Vec<u8>) {
        let (taken, rest) = input.split_at(self.remaining.min(input.len()));
        if payload.capacity() - payload.len() < taken.len() {
            // Exactly what most messages need, because they come in one piece. Otherwise the memory
            // doubles up to the announced length: a client must not make the server reserve memory
            // with an announced length alone.
            let growth = taken.len().max(payload.len()).min(self.remaining);
            payload.reserve_exact(growth);
        }
        let before = payload.len();
        payload.extend_from_slice(taken);
        unmask(&mut payload[before..], self.mask);
        self.mask.rotate_left(taken.len() % 4);
        self.remaining -= taken.len();
        *input = rest;
    }
}

impl Message {
    fn into_frame(self) -> Result<Frame, TransportError> {
        let bytes = Bytes::from(self.bytes);
        if self.is_text {
            let text = ByteString::try_from(bytes);
            text.map(Frame::Text)
                .map_err(|_| TransportError::InvalidUtf8)
        } else {
            Ok(Frame::Binary(bytes))
        }
    }

    /// Finds invalid text before the message is complete. A fragment may end within a character.
    fn check_fragment(&mut self) -> Result<(), TransportError> {
        if self.is_text {
            self.checked += match str::from_utf8(&self.bytes[self.checked..]) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return Err(TransportError::InvalidUtf8),
            };
        }
        Ok(())
    }
}

/// Parses the header at the beginning of `bytes`. Returns it with the length of the payload and its
/// own length.
fn parse(bytes: &[u8]) -> Result<Option<(FrameHeader, u64, usize)>, TransportError> {
    let mut cursor = Cursor::new(bytes);
    let parsed = FrameHeader::parse(&mut cursor).map_err(|_| TransportError::Protocol)?;
    Ok(parsed.map(|(header, length)| {
        let size = usize::try_from(cursor.position()).expect("a position within a slice");
        (header, length, size)
    }))
}

/// Removes the mask (RFC 6455, section 5.3), eight bytes at a time. The compiler turns this into
/// vector instructions.
fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let twice = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ twice).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

fn close_frame(payload: &[u8]) -> Result<Option<CloseFrame>, TransportError> {
    match payload {
        [] => Ok(None),
        [_] => Err(TransportError::Protocol),
        [high, low, reason @ ..] => {
            let reason = str::from_utf8(reason).map_err(|_| TransportError::InvalidUtf8)?;
            Ok(Some(CloseFrame {
                code: u16::from_be_bytes([*high, *low]),
                reason: reason.into(),
            }))
        }
    }
}
