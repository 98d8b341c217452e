//! Validated, cheaply cloned names of users, channels and sessions.

use std::{fmt, num::ParseIntError, str::FromStr, sync::Arc};

/// The longest user id, channel id, session id or request id, in bytes of UTF-8.
pub const MAX_ID_BYTES: usize = 128;

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("an id must not be empty")]
    Empty,
    /// The text has more than [`MAX_ID_BYTES`] bytes.
    #[error("an id has at most {MAX_ID_BYTES} bytes")]
    TooLong,
}

/// Whether `text` may serve as an id.
pub(crate) fn check_id(text: &str) -> Result<(), IdError> {
    match text.len() {
        0 => Err(IdError::Empty),
        1..=MAX_ID_BYTES => Ok(()),
        _ => Err(IdError::TooLong),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// One to [`MAX_ID_BYTES`] bytes of any UTF-8; compared byte by byte. Cloning copies a pointer.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a copy of `text`.
            ///
            /// # Errors
            ///
            /// [`IdError`] where `text` is empty or too long.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                check_id(text)?;
                Ok(Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;

            fn try_from(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id! {
    /// A user of the host server, as the host names them.
    UserId
}

id! {
    /// A channel of the host server, as the host names it.
    ChannelId
}

/// One stay of one connection in one channel.
///
/// New for each join, but kept when the same connection joins the channel again. Every removal names the session it
/// means, so what an old connection does late can't touch a newer one. It is no secret and grants nothing: a number
/// of the registry that made it, chosen at random when the registry was made, and a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    epoch: u64,
    counter: u64,
}

impl SessionId {
    pub(crate) const fn new(epoch: u64, counter: u64) -> Self {
        Self { epoch, counter }
    }

    /// The wire form.
    pub(crate) fn to_text(self) -> String {
        self.to_bytes().as_str().into()
    }

    /// The wire form on the stack: every relayed message carries it, and formatting is several times slower.
    pub(crate) fn to_bytes(self) -> SessionText {
        let mut text = SessionText {
            bytes: [0; SESSION_TEXT_BYTES],
            length: 0,
        };
        text.push_hex(self.epoch);
        text.push(b'-');
        text.push_hex(self.counter);
        text
    }
}

/// Two numbers of up to 16 digits, and the hyphen between them.
const SESSION_TEXT_BYTES: usize = 33;

/// A [`SessionId`] in its wire form.
pub(crate) struct SessionText {
    bytes: [u8; SESSION_TEXT_BYTES],
    length: usize,
}

impl SessionText {
    pub(crate) fn as_str(&self) -> &str {
        let text = std::str::from_utf8(&self.bytes[..self.length]);
        text.expect("digits and a hyphen are ASCII")
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn push_hex(&mut self, number: u64) {
        let digits = (64 - number.leading_zeros()).div_ceil(4).max(1) as usize;
        let place = &mut self.bytes[self.length..self.length + digits];
        let mut rest = number;
        for digit in place.iter_mut().rev() {
            *digit = b"0123456789abcdef"[(rest & 0xf) as usize];
            rest >>= 4;
        }
        self.length += digits;
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_bytes().as_str())
    }
}

/// The text is not a [`SessionId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a session id")]
pub struct SessionIdError(#[source] Option<ParseIntError>);

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        let (epoch, counter) = text.split_once('-').ok_or(SessionIdError(None))?;
        let parse =
            |digits| u64::from_str_radix(digits, 16).map_err(|error| SessionIdError(Some(error)));
        Ok(Self::new(parse(epoch)?, parse(counter)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_to_128_bytes() {
        assert_eq!(UserId::new(""), Err(IdError::Empty));
        assert_eq!(UserId::new("x".repeat(129)), Err(IdError::TooLong));
        assert_eq!(UserId::new("é".repeat(65)), Err(IdError::TooLong));
        assert_eq!(UserId::new("é".repeat(64)).unwrap().as_str().len(), 128);
        assert_eq!(ChannelId::new("a b\n").unwrap().to_string(), "a b\n");
    }

    #[test]
    fn session_ids_survive_text() {
        let id = SessionId::new(u64::MAX, 10);
        assert_eq!(id.to_string(), "ffffffffffffffff-a");
        assert_eq!(SessionId::new(0, 0x10).to_string(), "0-10");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-g",
            "1-1-1",
            "10000000000000000-0",
        ] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad:?}");
        }
    }
}
