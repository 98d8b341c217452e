//! The URL of the engine, which must not be seen.

use std::{fmt, str::FromStr};

use url::Url;

use crate::Secret;

/// The longest URL, in bytes.
const MAX_BYTES: usize = 4096;

/// The URL of the Redis or Valkey that a cluster shares, such as
/// `redis://user:password@host:6379/0`.
///
/// It may hold a password, so `Debug` hides it and no error shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterUrl(Secret);

/// A text that is no [`ClusterUrl`]. The error does not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", ClusterUrl::EXPECTED)]
pub struct ClusterUrlError;

impl ClusterUrl {
    /// What every error says.
    pub(crate) const EXPECTED: &str = "must be a URL such as redis://user:password@host:6379/0, or \
         rediss:// for TLS, with special characters percent-encoded, of at most 4096 bytes (the \
         value is not shown)";

    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl FromStr for ClusterUrl {
    type Err = ClusterUrlError;

    fn from_str(text: &str) -> Result<Self, ClusterUrlError> {
        if text.len() > MAX_BYTES {
            return Err(ClusterUrlError);
        }
        let url = Url::parse(text).map_err(|_| ClusterUrlError)?;
        let path = url.path();
        let database = path.strip_prefix('/').unwrap_or(path);
        // The parts behind `?` and `#` of a password that is not encoded. In the driver, `#insecure`
        // would turn the check of certificates off.
        let is_cut = url.query().is_some() || url.fragment().is_some();
        let is_right = matches!(url.scheme(), "redis" | "rediss")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && (database.is_empty() || database.parse::<u16>().is_ok())
            && !is_cut;
        if is_right {
            Ok(Self(Secret::new(text)))
        } else {
            Err(ClusterUrlError)
        }
    }
}

impl fmt::Debug for ClusterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterUrl(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_redis_are_taken() {
        for text in [
            "redis://127.0.0.1",
            "redis://engine.example:6380/",
            "redis://:pw@engine.example:6379/3",
            "rediss://united:p%2F%23@engine.example/15",
            "redis://[::1]:6379",
        ] {
            text.parse::<ClusterUrl>().expect(text);
        }
    }

    #[test]
    fn anything_else_is_refused_and_never_shown() {
        let long = format!("redis://u:hunter2@{}", "h".repeat(MAX_BYTES));
        for text in [
            "",
            "hunter2",
            "127.0.0.1:6379",
            "http://u:hunter2@h",
            "redis:hunter2",
            "redis://",
            "redis+unix:///hunter2",
            "redis://h:port",
            "redis://h/hunter2",
            "redis://h/-1",
            "redis://h/1/2",
            "redis://h//3",
            "redis://u:2#hunter2@h",
            "redis://u:hunter2?x@h",
            "redis://h/?protocol=hunter2",
            "rediss://h/#insecure",
            long.as_str(),
        ] {
            let error = text.parse::<ClusterUrl>().expect_err(text);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let url: ClusterUrl = "redis://u:hunter2@h".parse().unwrap();
        assert_eq!(format!("{url:?}"), "ClusterUrl(redacted)");
    }
}
