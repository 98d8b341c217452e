//! The secret with which a client signs in again as the same user.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The shortest and the longest secret, in bytes.
const ALLOWED: std::ops::RangeInclusive<usize> = 16..=128;

/// A secret of the client's choosing, as it is stored: only its SHA-256.
///
/// A fast hash is enough, since this secret is made by a program and never typed: 16 random bytes
/// can't be guessed, however fast the guesses are. The look-up needs a hash that is the same each
/// time, so each could not have a salt of its own. A client that takes a short sentence instead
/// risks that somebody who steals the database guesses it; but next to the database lies the secret
/// that signs everybody's tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginKey([u8; 32]);

/// A text that is no login key. The error does not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a loginKey is a text of {} to {} bytes", ALLOWED.start(), ALLOWED.end())]
pub struct LoginKeyError;

impl LoginKey {
    /// Hashes the secret.
    ///
    /// # Errors
    ///
    /// [`LoginKeyError`] if it has fewer than 16 or more than 128 bytes.
    pub fn new(secret: &str) -> Result<Self, LoginKeyError> {
        if ALLOWED.contains(&secret.len()) {
            Ok(Self(Sha256::digest(secret).into()))
        } else {
            Err(LoginKeyError)
        }
    }

    pub(crate) fn hash(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for LoginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_in_bytes() {
        for (secret, allowed) in [
            ("k".repeat(15), false),
            ("k".repeat(16), true),
            ("é".repeat(8), true),
            ("k".repeat(128), true),
            ("é".repeat(65), false),
            (String::new(), false),
        ] {
            assert_eq!(LoginKey::new(&secret).is_ok(), allowed, "{secret}");
        }
    }

    #[test]
    fn only_the_hash_is_kept() {
        // The digest is as `sha256sum` prints it.
        let key = LoginKey::new("0123456789abcdef").unwrap();
        assert_eq!(key.hash()[..4], [0x9f, 0x9f, 0x51, 0x11]);
        let shown = format!("{key:?} {:?}", LoginKey::new("hunter2"));
        assert!(!shown.contains("0123") && !shown.contains("hunter2"));
    }
}
