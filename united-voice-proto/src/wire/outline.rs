//! The top level of a protobuf frame, without decoding what is in it.

use super::{
    field::{MAX_FIELD_NUMBER, VOICE_FIELDS, WireType, envelope::REQUEST_ID},
    read,
};

/// Whether a protobuf frame carries a voice payload: a field from 180 to 199 at its top level.
///
/// It does not look inside the field, so [`decode`](crate::decode) may still find fault with the
/// frame. It copies and allocates nothing. It is false for anything that is not protobuf from end
/// to end.
///
/// ```
/// use united_voice_proto::is_voice_frame;
///
/// assert!(is_voice_frame(b"\xa2\x0b\x00")); // field 180, no bytes
/// assert!(!is_voice_frame(b"\x0a\x017")); // a request id and nothing else
/// assert!(!is_voice_frame(b"{}"));
/// ```
#[must_use]
pub fn is_voice_frame(frame: &[u8]) -> bool {
    let mut voice = false;
    for field in Fields::new(frame) {
        let Ok(field) = field else { return false };
        voice |= VOICE_FIELDS.contains(&field.number);
    }
    voice
}

/// What stands at the top level of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outline {
    /// Nothing, or only request ids.
    OnlyRequestId,
    /// Some other field.
    Payload,
}

pub(crate) fn outline(frame: &[u8]) -> Outline {
    let payload = |field: Result<WireField<'_>, Broken>| {
        field.is_ok_and(|field| field.number != REQUEST_ID.number)
    };
    if Fields::new(frame).any(payload) {
        Outline::Payload
    } else {
        Outline::OnlyRequestId
    }
}

/// The last readable request id before the point where the frame breaks; empty if there is none.
pub(crate) fn recover_request_id(frame: &[u8]) -> String {
    Fields::new(frame)
        .map_while(Result::ok)
        .filter(|field| field.number == REQUEST_ID.number)
        .filter_map(|field| std::str::from_utf8(field.bytes?).ok())
        .last()
        .unwrap_or_default()
        .to_owned()
}

/// A field as it stands on the wire.
#[derive(Debug)]
struct WireField<'a> {
    number: u32,
    /// The content of a length-delimited field.
    bytes: Option<&'a [u8]>,
}

/// The rest of the frame cannot be read.
#[derive(Debug)]
struct Broken;

/// The fields of a message in the order of the wire. Ends after the first error.
#[derive(Debug)]
struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    fn field(&mut self) -> Result<WireField<'a>, Broken> {
        let (number, wire_type) = self.tag()?;
        let bytes = match wire_type {
            WireType::StartGroup => {
                self.skip_group()?;
                None
            }
            wire_type => self.value(wire_type)?,
        };
        Ok(WireField { number, bytes })
    }

    /// Skips to the end of the group that has just begun. It counts and does not recurse: the
    /// sender chooses how deep groups are nested.
    fn skip_group(&mut self) -> Result<(), Broken> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.tag()?.1 {
                WireType::StartGroup => depth += 1,
                WireType::EndGroup => depth -= 1,
                wire_type => {
                    self.value(wire_type)?;
                }
            }
        }
        Ok(())
    }

    fn tag(&mut self) -> Result<(u32, WireType), Broken> {
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > MAX_FIELD_NUMBER {
            return Err(Broken);
        }
        let number = u32::try_from(number).map_err(|_| Broken)?;
        Ok((number, WireType::of_tag(tag).ok_or(Broken)?))
    }

    fn value(&mut self, wire_type: WireType) -> Result<Option<&'a [u8]>, Broken> {
        match wire_type {
            WireType::Varint => self.varint().map(|_| None),
            WireType::Fixed64 => self.take(8).map(|_| None),
            WireType::Fixed32 => self.take(4).map(|_| None),
            WireType::LengthDelimited => {
                let length = usize::try_from(self.varint()?).map_err(|_| Broken)?;
                self.take(length).map(Some)
            }
            WireType::StartGroup | WireType::EndGroup => Err(Broken),
        }
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let (varint, rest) = read::varint(self.rest).ok_or(Broken)?;
        self.rest = rest;
        Ok(varint.value)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Broken)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<WireField<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}
