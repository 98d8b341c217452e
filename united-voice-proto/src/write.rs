//! Envelopes written from borrowed texts, byte for byte as prost writes them.

use bytes::Bytes;

/// A part of a message. A text's number is below 16.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    Text(u8, &'a str),
    /// Fields that are encoded already.
    Fields(&'a [u8]),
}

/// The key of a string field whose number is below 16.
pub(crate) const fn text_key(field: u8) -> u8 {
    field << 3 | LENGTH_DELIMITED
}

const LENGTH_DELIMITED: u8 = 2;

/// An envelope with one payload, the field `payload`, that consists of these parts in this order.
#[inline]
pub(crate) fn envelope<const N: usize>(
    request_id: &str,
    payload: u32,
    parts: &[Part<'_>; N],
) -> Bytes {
    let body: usize = parts.iter().map(Part::len).sum();
    let request_id = Part::Text(1, request_id);
    let key = payload << 3 | u32::from(LENGTH_DELIMITED);
    let length = request_id.len() + varint_len(key as usize) + varint_len(body) + body;
    if length <= ShortFrame::CAPACITY {
        let mut frame = ShortFrame::new();
        put_envelope(&mut frame, request_id, key, body, parts);
        debug_assert_eq!(frame.length, length);
        Bytes::from_owner(frame)
    } else {
        let mut bytes = Vec::with_capacity(length);
        put_envelope(&mut bytes, request_id, key, body, parts);
        debug_assert_eq!(bytes.len(), length);
        bytes.into()
    }
}

#[inline]
fn put_envelope<const N: usize>(
    buffer: &mut impl Buffer,
    request_id: Part<'_>,
    key: u32,
    body: usize,
    parts: &[Part<'_>; N],
) {
    request_id.put(buffer);
    put_varint(buffer, key as usize);
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

/// What a broadcast mostly fits into: kept beside its reference count, it is one allocation.
struct ShortFrame {
    length: usize,
    bytes: [u8; Self::CAPACITY],
}

impl ShortFrame {
    /// Two ids of 36 bytes each, and some room for a request's.
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

impl Part<'_> {
    /// Proto3 leaves out what is empty.
    #[inline]
    fn len(&self) -> usize {
        match self {
            Self::Text(_, "") => 0,
            Self::Text(_, text) => 1 + varint_len(text.len()) + text.len(),
            Self::Fields(fields) => fields.len(),
        }
    }

    #[inline(always)]
    fn put(&self, buffer: &mut impl Buffer) {
        match *self {
            Self::Text(_, "") => {}
            Self::Text(field, text) => {
                match u8::try_from(text.len()) {
                    // Nearly always: both at once.
                    Ok(short @ 0..0x80) => buffer.put(&[text_key(field), short]),
                    _ => {
                        buffer.put(&[text_key(field)]);
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
