//! The ids of users, channels and sessions: validated, and cheap to clone.

use std::{fmt, num::ParseIntError, str::FromStr};

use arcstr::ArcStr;

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
        /// An id is 1 to [`MAX_ID_BYTES`] bytes of any UTF-8. Two ids are equal if their bytes are.
        /// Cloning copies a pointer.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(ArcStr);

        impl $name {
            /// Takes a copy of `text`.
            ///
            /// # Errors
            ///
            /// [`IdError`] if `text` is empty or too long.
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
                write!(f, concat!(stringify!($name), "({:?})"), self.as_str())
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
    /// The host's id of a user.
    UserId
}

id! {
    /// The host's id of a channel.
    ChannelId
}

/// One stay of one connection in one channel.
///
/// Each join makes a new session id. If a connection joins the channel that it is in already, it
/// keeps the id. Every removal from a channel names the session to remove. So if an old connection
/// acts late, it cannot remove the user's newer session.
///
/// A session id is no secret and grants nothing. Each registry counts upwards from a random number,
/// so two registries hardly ever make the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

impl SessionId {
    pub(crate) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The session with this number, as a backend has kept it.
    #[cfg(feature = "cluster")]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number of the session, for a backend to keep.
    #[cfg(feature = "cluster")]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The wire form.
    pub(crate) fn to_text(self) -> String {
        self.to_bytes().as_str().into()
    }

    /// The wire form on the stack. Every relayed message carries it, and the formatting of the
    /// standard library is several times slower.
    pub(crate) fn to_bytes(self) -> SessionText {
        let digit = |place: usize| {
            let nibble = self.0 >> (4 * (SESSION_DIGITS - 1 - place)) & 0xf;
            b"0123456789abcdef"[nibble as usize]
        };
        SessionText(std::array::from_fn(digit))
    }
}

const SESSION_DIGITS: usize = 16;

/// A [`SessionId`] in its wire form: all its hexadecimal digits.
pub(crate) struct SessionText([u8; SESSION_DIGITS]);

impl SessionText {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are ASCII")
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
        if text.len() != SESSION_DIGITS || text.starts_with('+') {
            return Err(SessionIdError(None));
        }
        let number = u64::from_str_radix(text, 16);
        number
            .map(Self)
            .map_err(|error| SessionIdError(Some(error)))
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
        let longest = UserId::new("é".repeat(64)).expect("128 bytes");
        assert_eq!(longest.as_str().len(), 128);
        let odd = ChannelId::new("a b\n").expect("any text is an id");
        assert_eq!(odd.to_string(), "a b\n");
    }

    #[test]
    fn session_ids_survive_text() {
        let id = SessionId::new(0x0123_4567_89ab_cdef);
        assert_eq!(id.to_string(), "0123456789abcdef");
        assert_eq!(SessionId::new(0x10).to_string(), "0000000000000010");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "10",
            "+123456789abcdef",
            "0123456789abcdeg",
            "00123456789abcdef",
        ] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad:?}");
        }
    }
}
