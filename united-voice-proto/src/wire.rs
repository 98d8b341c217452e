//! A look at the top level of a protobuf frame, without decoding what is in it.

/// The envelope's fields that are voice.
const VOICE_FIELDS: std::ops::RangeInclusive<u32> = 180..=199;
const REQUEST_ID_FIELD: u32 = 1;
const MAX_FIELD: u64 = (1 << 29) - 1;

/// Whether a protobuf frame carries a voice payload: a field from 180 to 199 at its top level.
///
/// Nothing inside the field is looked at, so [`decode`](crate::decode) may still find fault with the frame. Copies and
/// allocates nothing, and is false for anything that is not protobuf from end to end.
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

/// What there is at the top level of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outline {
    /// Nothing, or request ids.
    OnlyRequestId,
    /// Some other field.
    Payload,
}

pub(crate) fn outline(frame: &[u8]) -> Outline {
    let payload = |field: Result<Field<'_>, Broken>| {
        field.is_ok_and(|field| field.number != REQUEST_ID_FIELD)
    };
    if Fields::new(frame).any(payload) {
        Outline::Payload
    } else {
        Outline::OnlyRequestId
    }
}

/// The last readable request id before the point where the frame breaks, or nothing.
pub(crate) fn recover_request_id(frame: &[u8]) -> String {
    Fields::new(frame)
        .map_while(Result::ok)
        .filter(|field| field.number == REQUEST_ID_FIELD)
        .filter_map(|field| std::str::from_utf8(field.bytes?).ok())
        .last()
        .unwrap_or_default()
        .to_owned()
}

#[derive(Debug)]
struct Field<'a> {
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

    fn field(&mut self) -> Result<Field<'a>, Broken> {
        let (number, kind) = self.key()?;
        let bytes = match kind {
            WireType::StartGroup => {
                self.skip_group()?;
                None
            }
            WireType::EndGroup => return Err(Broken),
            kind => self.value(kind)?,
        };
        Ok(Field { number, bytes })
    }

    /// Skips to the end of the group just begun. Counts instead of recursing: depth is the sender's choice.
    fn skip_group(&mut self) -> Result<(), Broken> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.key()?.1 {
                WireType::StartGroup => depth += 1,
                WireType::EndGroup => depth -= 1,
                kind => {
                    self.value(kind)?;
                }
            }
        }
        Ok(())
    }

    fn key(&mut self) -> Result<(u32, WireType), Broken> {
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > MAX_FIELD {
            return Err(Broken);
        }
        let kind = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::LengthDelimited,
            3 => WireType::StartGroup,
            4 => WireType::EndGroup,
            5 => WireType::Fixed32,
            _ => return Err(Broken),
        };
        Ok((u32::try_from(number).map_err(|_| Broken)?, kind))
    }

    fn value(&mut self, kind: WireType) -> Result<Option<&'a [u8]>, Broken> {
        match kind {
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
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                return Err(Broken);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Broken)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Broken)?;
        self.rest = rest;
        Ok(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Broken>;

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

#[derive(Debug, Clone, Copy)]
enum WireType {
    Varint,
    Fixed64,
    LengthDelimited,
    StartGroup,
    EndGroup,
    Fixed32,
}
