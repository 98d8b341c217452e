//! Writing envelopes from borrowed texts, byte for byte as `prost` writes them.

use bytes::Bytes;

use super::field::{self, Field};

/// A part of a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    /// The tag of a text field, and the text.
    Text([u8; 1], &'a str),
    /// Fields that are encoded already.
    Fields(&'a [u8]),
}

/// An envelope whose payload consists of these parts, in this order.
#[inline]
pub(super) fn envelope<const N: usize>(
    request_id: &str,
    payload: Field<2>,
    parts: &[Part<'_>; N],
) -> Bytes {
    let body: usize = parts.iter().map(Part::len).sum();
    let request_id = Part::text(field::envelope::REQUEST_ID, request_id);
    let length = request_id.len() + payload.tag.len() + varint_len(body) + body;
    if length <= ShortFrame::CAPACITY {
        let mut frame = ShortFrame::new();
        put_envelope(&mut frame, request_id, payload, body, parts);
        debug_assert_eq!(frame.length, length);
        Bytes::from_owner(frame)
    } else {
        let mut bytes = Vec::with_capacity(length);
        put_envelope(&mut bytes, request_id, payload, body, parts);
        debug_assert_eq!(bytes.len(), length);
        bytes.into()
    }
}

#[inline]
fn put_envelope<const N: usize>(
    buffer: &mut impl Buffer,
    request_id: Part<'_>,
    payload: Field<2>,
    body: usize,
    parts: &[Part<'_>; N],
) {
    request_id.put(buffer);
    buffer.put(&payload.tag);
    put_varint(buffer, body);
    for part in parts {
        part.put(buffer);
    }
}

trait Buffer {
    fn put(&mut self, bytes: &[u8]);
}

impl Buffer for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A frame of the size that most broadcasts have. `Bytes` keeps it beside its reference count, so
/// it takes one allocation and not two.
struct ShortFrame {
    length: usize,
    bytes: [u8; Self::CAPACITY],
}

impl ShortFrame {
    /// Enough for two ids of 36 bytes each and a short request id.
    const CAPACITY: usize = 120;

    const fn new() -> Self {
        Self {
            length: 0,
            bytes: [0; Self::CAPACITY],
        }
    }
}

impl Buffer for ShortFrame {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }
}

impl AsRef<[u8]> for ShortFrame {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl<'a> Part<'a> {
    #[inline]
    pub(super) const fn text(field: Field<1>, text: &'a str) -> Self {
        Self::Text(field.tag, text)
    }

    /// The bytes that the part takes. Proto3 leaves an empty text out.
    #[inline]
    fn len(&self) -> usize {
        match self {
            Self::Text(_, "") => 0,
            Self::Text(tag, text) => tag.len() + varint_len(text.len()) + text.len(),
            Self::Fields(fields) => fields.len(),
        }
    }

    // `always`: the kind of each part is known at compile time. If the compiler decides, it makes
    // one function of this, which checks the kind of each part at run time.
    #[inline(always)]
    fn put(&self, buffer: &mut impl Buffer) {
        match *self {
            Self::Text(_, "") => {}
            Self::Text([tag], text) => {
                match u8::try_from(text.len()) {
                    // Nearly all texts are this short. Tag and length then take one copy.
                    Ok(length @ 0..0x80) => buffer.put(&[tag, length]),
                    _ => {
                        buffer.put(&[tag]);
                        put_varint(buffer, text.len());
                    }
                }
                buffer.put(text.as_bytes());
            }
            Self::Fields(fields) => buffer.put(fields),
        }
    }
}

#[inline]
fn varint_len(value: usize) -> usize {
    if value < 0x80 {
        return 1;
    }
    let bits = usize::BITS - value.leading_zeros();
    bits.div_ceil(7) as usize
}

#[inline]
fn put_varint(buffer: &mut impl Buffer, mut value: usize) {
    while value >= 0x80 {
        buffer.put(&[value as u8 | 0x80]);
        value >>= 7;
    }
    buffer.put(&[value as u8]);
}
