//! WebSocket frames written by hand (RFC 6455, section 5.2), so that they can be wrong.

/// Bits and opcodes of the first byte.
pub mod bits {
    /// The frame is the last of its message.
    pub const FIN: u8 = 0x80;
    /// A reserved bit.
    pub const RSV1: u8 = 0x40;
    /// A further frame of a message.
    pub const CONTINUATION: u8 = 0x0;
    /// A text message.
    pub const TEXT: u8 = 0x1;
    /// A binary message.
    pub const BINARY: u8 = 0x2;
    /// A close frame.
    pub const CLOSE: u8 = 0x8;
    /// A ping.
    pub const PING: u8 = 0x9;
    /// A pong.
    pub const PONG: u8 = 0xa;
}

/// Any mask does. This one is not zero, so that a server which does not unmask is noticed.
const MASK: [u8; 4] = [0x5a, 0x3c, 0x99, 0x17];

/// A whole frame as a client must send it: masked.
#[must_use]
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u64::try_from(payload.len()).expect("a length has at most 64 bits");
    let mut frame = head(first, length);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

/// The head of a masked frame that announces so many bytes.
#[must_use]
pub fn head(first: u8, length: u64) -> Vec<u8> {
    let mut head = length_head(first, 0x80, length);
    head.extend(MASK);
    head
}

/// A whole frame without a mask, which a client must not send.
#[must_use]
pub fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u64::try_from(payload.len()).expect("a length has at most 64 bits");
    let mut frame = length_head(first, 0, length);
    frame.extend(payload);
    frame
}

fn length_head(first: u8, mask_bit: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => head.push(mask_bit | short),
        (_, Ok(medium)) => {
            head.push(mask_bit | 126);
            head.extend(medium.to_be_bytes());
        }
        _ => {
            head.push(mask_bit | 127);
            head.extend(length.to_be_bytes());
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_form_of_the_rfc() {
        let first = bits::FIN | bits::TEXT;
        assert_eq!(unmasked(first, b"Hello"), b"\x81\x05Hello");
        assert_eq!(
            masked(first, b"ab"),
            [0x81, 0x82, 0x5a, 0x3c, 0x99, 0x17, b'a' ^ 0x5a, b'b' ^ 0x3c]
        );
        assert_eq!(head(first, 126)[..4], [0x81, 0xfe, 0, 126]);
        assert_eq!(head(first, 65_536)[..5], [0x81, 0xff, 0, 0, 0]);
        assert_eq!(head(first, 65_536).len(), 14);
    }
}
