//! Messages in a stream of bytes (RFC 8656, sections 12.5 and 3.1). Each message contains its
//! length, and `ChannelData` is padded to a multiple of four bytes.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio_util::codec::Decoder;

/// The largest message from a client, and the largest datagram from a peer, in bytes. A packet that
/// crosses the internet without fragmentation is smaller.
pub(crate) const MAX_MESSAGE: usize = 1500;

/// The length of the header of `ChannelData`. A STUN header has its length field within these bytes
/// too.
const CHANNEL_HEADER: usize = 4;

const STUN_HEADER: usize = 20;

/// Bytes 4 to 8 of every STUN message.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Cuts a stream into messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Framing;

impl Decoder for Framing {
    type Item = Bytes;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Bytes>> {
        let Some(header) = source.first_chunk::<CHANNEL_HEADER>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let (message, padding) = match header[0] >> 6 {
            0 if length.is_multiple_of(4) => (STUN_HEADER + length, 0),
            1 => (CHANNEL_HEADER + length, length.wrapping_neg() % 4),
            _ => return Err(invalid("neither STUN nor ChannelData")),
        };
        if message > MAX_MESSAGE {
            return Err(invalid("the message is too long"));
        }
        if source.len() < message + padding {
            source.reserve(message + padding - source.len());
            return Ok(None);
        }
        let message = source.split_to(message).freeze();
        source.advance(padding);
        if !is_channel_data(&message) && !is_stun(&message) {
            return Err(invalid("no magic cookie"));
        }
        Ok(Some(message))
    }
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

pub(crate) fn is_channel_data(message: &[u8]) -> bool {
    message.len() >= CHANNEL_HEADER && message[0] >> 6 == 1
}

pub(crate) fn is_stun(message: &[u8]) -> bool {
    message.len() >= STUN_HEADER && message[0] >> 6 == 0 && message[4..8] == MAGIC_COOKIE
}

/// Whether the message is a request. Two bits within its type say so (RFC 8489, section 5).
pub(crate) fn is_request(message: &[u8]) -> bool {
    is_stun(message) && message[0] & 0x01 == 0 && message[1] & 0x10 == 0
}

/// Whether the message is an error response.
pub(crate) fn is_error(message: &[u8]) -> bool {
    is_stun(message) && message[0] & 0x01 == 0x01 && message[1] & 0x10 == 0x10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stun(kind: [u8; 2], body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        let mut message = [kind, length].concat();
        message.extend(MAGIC_COOKIE);
        message.extend([7; 12]);
        message.extend(body);
        message
    }

    fn channel_data(data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        [&[0x40, 0x01], &length[..], data].concat()
    }

    fn padded(message: &[u8]) -> Vec<u8> {
        let mut message = message.to_vec();
        message.resize(message.len().next_multiple_of(4), 0xee);
        message
    }

    #[test]
    fn messages_come_out_as_they_went_in_byte_by_byte_and_all_at_once() {
        let messages = [
            stun([0, 1], &[]),
            channel_data(&[]),
            channel_data(&[1]),
            channel_data(&[1, 2]),
            channel_data(&[1, 2, 3]),
            stun([0, 3], &[9; 8]),
            channel_data(&[1, 2, 3, 4]),
            channel_data(&[5; MAX_MESSAGE - CHANNEL_HEADER]),
            stun([0, 1], &[6; MAX_MESSAGE - STUN_HEADER]),
        ];
        let stream: Vec<u8> = messages
            .iter()
            .flat_map(|message| padded(message))
            .collect();

        let mut buffer = BytesMut::new();
        let mut slowly = Vec::new();
        for byte in &stream {
            buffer.extend([*byte]);
            slowly.extend(Framing.decode(&mut buffer).unwrap());
        }
        assert_eq!(slowly, messages);
        assert!(buffer.is_empty());

        let mut buffer = BytesMut::from(&stream[..]);
        let at_once: Vec<_> = std::iter::from_fn(|| Framing.decode(&mut buffer).unwrap()).collect();
        assert_eq!(at_once, messages);
    }

    #[test]
    fn invalid_messages_are_refused_as_early_as_possible() {
        let oversized = u16::try_from(MAX_MESSAGE - STUN_HEADER + 4).unwrap();
        let [high, low] = oversized.to_be_bytes();
        for (header, expected) in [
            (*b"GET ", "too long"),
            ([0x16, 3, 1, 2], "ChannelData"),
            ([0x80, 0, 0, 0], "ChannelData"),
            ([0xff; 4], "ChannelData"),
            ([0, 1, 0, 3], "ChannelData"),
            ([0, 1, high, low], "too long"),
            ([0, 1, 0xff, 0xfc], "too long"),
            ([0x40, 0, 0xff, 0xff], "too long"),
        ] {
            let error = Framing
                .decode(&mut BytesMut::from(&header[..]))
                .unwrap_err();
            assert!(error.to_string().contains(expected), "{header:?}: {error}");
        }
        let mut without_cookie = stun([0, 1], &[]);
        without_cookie[4] = 0;
        let error = Framing.decode(&mut BytesMut::from(&without_cookie[..]));
        assert!(error.unwrap_err().to_string().contains("cookie"));
    }

    #[test]
    fn kinds_of_messages() {
        let (request, indication) = (stun([0, 3], &[]), stun([0, 0x16], &[]));
        let (success, error) = (stun([1, 3], &[]), stun([1, 0x13], &[]));
        let data = channel_data(&[0; 32]);
        let all = [&request, &indication, &success, &error, &data];
        assert_eq!(
            all.map(|message| is_request(message)),
            [true, false, false, false, false]
        );
        assert_eq!(
            all.map(|message| is_error(message)),
            [false, false, false, true, false]
        );
        assert_eq!(
            all.map(|message| is_channel_data(message)),
            [false, false, false, false, true]
        );
        assert!(!is_stun(b"") && !is_channel_data(b"@") && !is_request(&request[..19]));
    }
}
