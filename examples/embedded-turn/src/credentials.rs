//! Who may use the relay: user names and passwords as [`SharedSecret`] mints them.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use percent_encoding::percent_decode_str;
use turn::auth::generate_auth_key;
use united_voice_core::SharedSecret;

/// The realm of all users. Every key contains it, so a client must use the realm that it was told.
pub(crate) const REALM: &str = "united-voice";

/// Derives the key of a user name that is still valid.
#[derive(Clone)]
pub(crate) struct Credentials {
    secret: SharedSecret,
}

/// Why a user name is refused. The error has no detail, since anybody can send a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("another realm")]
    Realm,
    #[error("not a user name that this relay accepts")]
    Malformed,
    #[error("an expired user name")]
    Expired,
}

/// The content of a user name. It can be trusted only if the message that has it was signed with
/// the key.
#[derive(PartialEq, Eq)]
pub(crate) struct Claim<'a> {
    /// The user id, percent-encoded as in the user name. It is the same for all credentials of a
    /// user.
    pub(crate) user: &'a str,
    /// The key of the message's integrity check.
    pub(crate) key: Vec<u8>,
}

impl Credentials {
    pub(crate) fn new(secret: SharedSecret) -> Self {
        Self { secret }
    }

    /// Reads `{unix expiry}:{user id}`. Only the spelling that is minted is accepted: a second
    /// spelling would give a user a second quota.
    pub(crate) fn claim<'a>(
        &self,
        username: &'a str,
        realm: &str,
        now: SystemTime,
    ) -> Result<Claim<'a>, Refusal> {
        if realm != REALM {
            return Err(Refusal::Realm);
        }
        let (expiry, user) = username.split_once(':').ok_or(Refusal::Malformed)?;
        let expiry = expiry.parse().map_err(|_| Refusal::Malformed)?;
        let expiry = UNIX_EPOCH
            .checked_add(Duration::from_secs(expiry))
            .ok_or(Refusal::Malformed)?;
        let id = percent_decode_str(user)
            .decode_utf8()
            .map_err(|_| Refusal::Malformed)?;
        let minted = self.secret.mint(&id, Duration::ZERO, expiry);
        if id.is_empty() || minted.username != username {
            return Err(Refusal::Malformed);
        }
        if expiry < now {
            return Err(Refusal::Expired);
        }
        Ok(Claim {
            user,
            key: generate_auth_key(username, realm, &minted.credential),
        })
    }
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn credentials() -> Credentials {
        Credentials::new(SharedSecret::new("north"))
    }

    #[test]
    fn the_key_fits_the_minted_password_for_any_user_id() {
        let secret = SharedSecret::new("north");
        for user in [
            "alice",
            "@alice:example.org",
            "a b\"c\\d'",
            "100% union select",
            "\u{1F98A}\n\0",
            "%41",
            ":",
        ] {
            let minted = secret.mint(user, HOUR, now());
            let claim = credentials()
                .claim(&minted.username, REALM, now())
                .expect(user);
            let expected = generate_auth_key(&minted.username, REALM, &minted.credential);
            assert_eq!(claim.key, expected, "{user}");
            assert!(minted.username.ends_with(&format!(":{}", claim.user)));
        }
    }

    #[test]
    fn a_user_name_is_valid_until_the_end_of_its_second() {
        let minted = SharedSecret::new("north").mint("alice", HOUR, now());
        let at = |time| credentials().claim(&minted.username, REALM, time).err();
        assert_eq!(at(now() + HOUR), None);
        let late = now() + HOUR + Duration::from_nanos(1);
        assert_eq!(at(late), Some(Refusal::Expired));
    }

    #[test]
    fn other_spellings_are_malformed() {
        for username in [
            "",
            ":",
            "1700003600",
            "1700003600:",
            ":alice",
            "alice:1700003600",
            "+1700003600:alice",
            "01700003600:alice",
            " 1700003600:alice",
            "-1:alice",
            "1700003600.0:alice",
            "99999999999999999999999:alice",
            "18446744073709551615:alice",
            "1700003600:%61lice",
            "1700003600:a%20b%2",
            "1700003600:a b",
            "1700003600:%c3%a9",
            "1700003600:%FF",
        ] {
            let refusal = credentials().claim(username, REALM, now()).unwrap_err();
            assert_eq!(refusal, Refusal::Malformed, "{username:?}");
        }
    }

    #[test]
    fn the_realm_is_ours() {
        let minted = SharedSecret::new("north").mint("alice", HOUR, now());
        let refusal = credentials().claim(&minted.username, "elsewhere", now());
        assert_eq!(refusal.unwrap_err(), Refusal::Realm);
    }
}
