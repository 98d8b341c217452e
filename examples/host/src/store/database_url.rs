//! The URL of a PostgreSQL database, which must not be seen.

use std::{fmt, str::FromStr};

use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::Secret;

/// The longest URL, in bytes.
const MAX_BYTES: usize = 4096;

/// The parameters that the driver knows. It would ignore any other one, and write it to the log.
const PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// The URL of a PostgreSQL database, such as `postgres://user:password@host:5432/database`.
///
/// It may hold a password, so `Debug` hides it and no error shows it. What it leaves out comes from
/// the environment variables of libpq (`PGUSER`, `PGPASSWORD`, …) and its password file.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Secret);

/// A text that is no [`DatabaseUrl`]. The error does not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// It is too long, no URL, or one of another kind of database.
    #[error("{}", DatabaseUrl::EXPECTED)]
    Malformed,
    /// It has a parameter that the driver does not know.
    #[error(
        "{}, and this one has an unknown parameter; known are sslmode, sslrootcert, sslcert, \
         sslkey, host, hostaddr, port, user, password, dbname, application_name, options and \
         statement-cache-capacity",
        DatabaseUrl::EXPECTED
    )]
    UnknownParameter,
    /// A parameter has a value that the driver does not take.
    #[error(
        "{}, and this one has a parameter with a wrong value",
        DatabaseUrl::EXPECTED
    )]
    WrongParameter,
}

impl DatabaseUrl {
    /// What every error says.
    pub(crate) const EXPECTED: &str = "must be a URL such as \
         postgres://user:password@host:5432/database, with special characters percent-encoded, of \
         at most 4096 bytes (the value is not shown)";

    /// What the driver makes of the URL and the environment.
    pub(super) fn options(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let options: PgConnectOptions = self.0.expose().parse()?;
        // The driver would look for a host whose name has brackets.
        let host = options.get_host().strip_prefix('[');
        match host.and_then(|host| host.strip_suffix(']')) {
            Some(ip) => Ok(options.clone().host(ip)),
            None => Ok(options),
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        if text.len() > MAX_BYTES {
            return Err(DatabaseUrlError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| DatabaseUrlError::Malformed)?;
        // The part behind `#` of a password that is not encoded.
        let is_cut = url.fragment().is_some();
        if !matches!(url.scheme(), "postgres" | "postgresql") || url.cannot_be_a_base() || is_cut {
            return Err(DatabaseUrlError::Malformed);
        }
        let is_known = |name: &str| PARAMETERS.contains(&name) || name.starts_with("options[");
        if !url.query_pairs().all(|(name, _)| is_known(&name)) {
            return Err(DatabaseUrlError::UnknownParameter);
        }
        let url = Self(Secret::new(text));
        match url.options() {
            Ok(_) => Ok(url),
            Err(_) => Err(DatabaseUrlError::WrongParameter),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_postgresql_are_taken() {
        for text in [
            "postgres://united:pw@db.example:5432/united",
            "postgresql://united@[::1]/united?sslmode=verify-full&sslrootcert=/ca.pem",
            "postgres://u%40x:p%2F%3A@h/d?statement-cache-capacity=0",
            "postgres:///united?host=/run/postgresql&user=united",
            "postgres://h/d?options[statement_timeout]=5s",
        ] {
            text.parse::<DatabaseUrl>().expect(text);
        }
    }

    #[test]
    fn an_ipv6_address_loses_its_brackets() {
        let url: DatabaseUrl = "postgres://u@[::1]:6543/d".parse().unwrap();
        let options = url.options().unwrap();
        assert_eq!((options.get_host(), options.get_port()), ("::1", 6543));
    }

    #[test]
    fn anything_else_is_refused_and_never_shown() {
        use DatabaseUrlError::{Malformed, UnknownParameter, WrongParameter};
        let long = format!("postgres://u:hunter2@h/{}", "d".repeat(MAX_BYTES));
        for (text, expected) in [
            ("", Malformed),
            ("hunter2", Malformed),
            ("mysql://u:hunter2@h/d", Malformed),
            ("postgres:hunter2", Malformed),
            ("postgres://u:hunter2@h:port/d", Malformed),
            // Passwords that are not encoded.
            ("postgres://u:hunter2/x@h/d", Malformed),
            ("postgres://u:hunter2?x@h/d", Malformed),
            ("postgres://u:2#hunter2@h/d", Malformed),
            (long.as_str(), Malformed),
            ("postgres://u@h/d?hunter2=1", UnknownParameter),
            ("postgres://u@h/d?pasword=hunter2", UnknownParameter),
            ("postgres://u@h/d?sslmode=hunter2", WrongParameter),
            ("postgres://u@h/d?port=hunter2", WrongParameter),
        ] {
            let error = text.parse::<DatabaseUrl>().expect_err(text);
            assert_eq!(error, expected, "{text}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        let url: DatabaseUrl = "postgres://u:hunter2@h/d".parse().unwrap();
        assert_eq!(format!("{url:?}"), "DatabaseUrl(redacted)");
    }
}
