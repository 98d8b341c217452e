//! Reading protobuf from borrowed bytes.
//!
//! Each function takes bytes. It returns what it read and the bytes that follow, or `None` if the
//! bytes do not begin with what it reads.

use super::field::Field;

/// A number as protobuf writes it: seven bits in each byte, with the lowest bits first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Varint {
    pub(super) value: u64,
    /// The number takes more bytes than it needs. Every reader accepts that and no writer does it.
    pub(super) padded: bool,
}

/// A varint of at most 64 bits.
#[inline]
pub(super) fn varint(bytes: &[u8]) -> Option<(Varint, &[u8])> {
    // Nearly all tags and lengths take one byte or two.
    match *bytes {
        [byte, ref rest @ ..] if byte < 0x80 => {
            let (value, padded) = (byte.into(), false);
            Some((Varint { value, padded }, rest))
        }
        [low, high, ref rest @ ..] if high < 0x80 => {
            let value = u64::from(low & 0x7f) | u64::from(high) << 7;
            let padded = high == 0;
            Some((Varint { value, padded }, rest))
        }
        _ => long_varint(bytes),
    }
}

/// As [`varint`], of any length.
fn long_varint(bytes: &[u8]) -> Option<(Varint, &[u8])> {
    let mut value = 0;
    for (place, &byte) in bytes.iter().enumerate().take(MAX_VARINT_BYTES) {
        // The last byte has room for one bit.
        if place + 1 == MAX_VARINT_BYTES && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            let padded = byte == 0 && place > 0;
            return Some((Varint { value, padded }, &bytes[place + 1..]));
        }
    }
    None
}

/// Bytes that 64 bits take, seven in each.
const MAX_VARINT_BYTES: usize = 10;

/// Bytes after their length, as libraries write it: a padded length gives `None`.
#[inline]
pub(super) fn delimited(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = varint(bytes)?;
    if length.padded {
        return None;
    }
    rest.split_at_checked(usize::try_from(length.value).ok()?)
}

/// The text of this field as libraries write it. It is empty if another field comes next.
#[inline]
pub(super) fn text(field: Field<1>, bytes: &[u8]) -> Option<(&str, &[u8])> {
    let Some(rest) = bytes.strip_prefix(&field.tag) else {
        return Some(("", bytes));
    };
    let (text, rest) = delimited(rest)?;
    let text = std::str::from_utf8(text).ok()?;
    // Libraries leave an empty field out.
    (!text.is_empty()).then_some((text, rest))
}

/// As [`text`], but gives only the length of the text in bytes.
#[inline]
pub(super) fn text_len(field: Field<1>, bytes: &[u8]) -> Option<(usize, &[u8])> {
    let Some(rest) = bytes.strip_prefix(&field.tag) else {
        return Some((0, bytes));
    };
    let (text, rest) = delimited(rest)?;
    // Nearly all texts are ASCII, and that check is the faster one.
    let is_text = text.is_ascii() || std::str::from_utf8(text).is_ok();
    (is_text && !text.is_empty()).then_some((text.len(), rest))
}
