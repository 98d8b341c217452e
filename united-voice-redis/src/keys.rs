//! The names of the keys. The scripts make most of them; what is read without a script is here.

use thiserror::Error;

use crate::Nid;

/// The longest prefix, in bytes.
pub const MAX_PREFIX_BYTES: usize = 64;

/// The prefix of all keys of one cluster, with its hash tag.
///
/// Nodes with one prefix in one database of one engine are one cluster. The tag puts all keys into
/// one slot, so that one script may change any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    tagged: String,
}

/// A prefix that cannot be a hash tag.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PrefixError {
    /// Without a prefix there is no hash tag.
    #[error("the prefix is empty")]
    Empty,
    /// Longer than [`MAX_PREFIX_BYTES`].
    #[error("the prefix has {0} bytes, more than {MAX_PREFIX_BYTES}")]
    TooLong(usize),
    /// Braces would end the hash tag early, and other characters make keys hard to type.
    #[error("the prefix {0:?} may have only ASCII letters, digits, `.`, `_`, `-` and `:`")]
    Character(String),
}

impl Keys {
    /// The keys under `prefix`, such as `united`.
    ///
    /// # Errors
    ///
    /// The prefix is empty, too long or has other characters than ASCII letters, digits, `.`, `_`,
    /// `-` and `:`.
    pub fn new(prefix: &str) -> Result<Self, PrefixError> {
        if prefix.is_empty() {
            return Err(PrefixError::Empty);
        }
        if prefix.len() > MAX_PREFIX_BYTES {
            return Err(PrefixError::TooLong(prefix.len()));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
        if !prefix.chars().all(is_plain) {
            return Err(PrefixError::Character(prefix.into()));
        }
        Ok(Self {
            tagged: format!("{{{prefix}}}:"),
        })
    }

    /// What stands in front of every key, `{prefix}:`. The scripts take it as their only key.
    pub fn tagged(&self) -> &str {
        &self.tagged
    }

    /// The inbox of a node, a Stream.
    pub fn inbox(&self, nid: Nid) -> String {
        format!("{}in:{nid}", self.tagged)
    }

    pub(crate) fn room(&self, room: &str) -> String {
        format!("{}r:{room}", self.tagged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_becomes_a_hash_tag() {
        let keys = Keys::new("united").expect("plain");
        assert_eq!(keys.tagged(), "{united}:");
        assert_eq!(keys.room("a}b"), "{united}:r:a}b");
        assert_eq!(
            keys.inbox(Nid::new(0xab, 1)),
            "{united}:in:000000ab.00000001"
        );
    }

    #[test]
    fn a_prefix_that_would_break_the_tag_is_refused() {
        assert_eq!(Keys::new(""), Err(PrefixError::Empty));
        assert_eq!(Keys::new(&"x".repeat(65)), Err(PrefixError::TooLong(65)));
        for bad in ["a}", "{", "a b", "é", "a\0"] {
            assert_eq!(Keys::new(bad), Err(PrefixError::Character(bad.into())));
        }
    }
}
