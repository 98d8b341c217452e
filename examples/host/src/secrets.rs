//! Secrets: the type, and those that are generated on the first start and kept in `secrets.toml`.

use std::{ffi::OsString, fmt, io, path::Path};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use toml::{Table, Value};

use crate::{
    config::{self, ConfigError, Document, Key, MAX_SECRET_BYTES},
    files,
};

const HEADER: &str = "# Generated on the first start; keep it to yourself. A value in the configuration wins over one here.\n\n";

/// A text that must not be seen. `Debug` hides it; only [`expose`](Self::expose) returns it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that already exists.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Makes 256 random bits, as URL-safe text.
    ///
    /// # Errors
    ///
    /// If the operating system gives no random bytes.
    pub fn generate() -> io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty, which means that there is no secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This secret, or `other` if this one is empty.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        if self.is_empty() {
            other.clone()
        } else {
            self.clone()
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() {
            "Secret(empty)"
        } else {
            "Secret(redacted)"
        })
    }
}

/// The secrets of the environment, or the generated ones. The file of the latter has the sections
/// and keys of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    jwt_secret: Secret,
    turn_shared_secret: Secret,
}

impl Secrets {
    /// The secret that signs tokens.
    pub fn jwt_secret(&self) -> &Secret {
        &self.jwt_secret
    }

    /// The secret that a TURN relay shares with this server.
    pub fn turn_shared_secret(&self) -> &Secret {
        &self.turn_shared_secret
    }

    pub(crate) const JWT_VARIABLE: &str = "UNITED_JWT_SECRET";
    const TURN_VARIABLE: &str = "UNITED_TURN_SHARED_SECRET";

    /// Reads the secrets of the environment. A variable that is absent or empty is no secret.
    ///
    /// There are no flags for them, since everybody on a machine can see the flags of a process.
    ///
    /// # Errors
    ///
    /// The name of a variable that is no UTF-8, or has more than 4096 bytes.
    pub(crate) fn from_environment(
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, &'static str> {
        let read = |name| match variable(name).map(OsString::into_string) {
            None => Ok(Secret::default()),
            Some(Ok(text)) if text.len() <= MAX_SECRET_BYTES => Ok(Secret::new(text)),
            Some(_) => Err(name),
        };
        Ok(Self {
            jwt_secret: read(Self::JWT_VARIABLE)?,
            turn_shared_secret: read(Self::TURN_VARIABLE)?,
        })
    }

    /// Reads the file, and generates each secret that it lacks. If this process owns the file, only
    /// the owner can read it afterwards (mode 0600).
    ///
    /// # Errors
    ///
    /// If the file cannot be read, written or understood. The message begins with the path and
    /// shows no secret.
    pub fn load_or_create(path: &Path) -> anyhow::Result<Self> {
        let unreadable = || format!("{}: cannot be read", path.display());
        let unwritable = || format!("{}: cannot be written", path.display());
        if !path.exists() {
            // Another process may do the same at this moment. The first file in place is the one
            // that both use.
            let fresh = Self::default().completed()?;
            files::create_private(path, &fresh.render()).with_context(unwritable)?;
        }
        let text = std::fs::read_to_string(path).with_context(unreadable)?;
        let kept = Self::parse(&text).with_context(|| format!("{}", path.display()))?;
        let completed = kept.clone().completed()?;
        if completed != kept {
            files::replace_private(path, &completed.render()).with_context(unwritable)?;
        }
        files::make_private(path).with_context(unreadable)?;
        Ok(completed)
    }

    fn parse(text: &str) -> Result<Self, ConfigError> {
        let document = Document::parse(text, &config::SECRETS)?;
        let mut secrets = Self::default();
        document.secret(&config::JWT_SECRET, &mut secrets.jwt_secret)?;
        document.secret(&config::SHARED_SECRET, &mut secrets.turn_shared_secret)?;
        Ok(secrets)
    }

    /// The same secrets, with new ones for those that are empty.
    pub(crate) fn completed(mut self) -> anyhow::Result<Self> {
        for secret in [&mut self.jwt_secret, &mut self.turn_shared_secret] {
            if secret.is_empty() {
                *secret = Secret::generate().context("the system gives no random bytes")?;
            }
        }
        Ok(self)
    }

    fn render(&self) -> String {
        let section = |key: &Key, secret: &Secret| {
            let value = Value::String(secret.expose().to_owned());
            let section = Table::from_iter([(key.name.to_owned(), value)]);
            (key.section.to_owned(), Value::Table(section))
        };
        let file = Table::from_iter([
            section(&config::JWT_SECRET, &self.jwt_secret),
            section(&config::SHARED_SECRET, &self.turn_shared_secret),
        ]);
        format!("{HEADER}{file}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.toml");
        let first = Secrets::load_or_create(&path).unwrap();
        assert!(first.jwt_secret().expose().len() >= 43);
        assert_ne!(first.jwt_secret(), first.turn_shared_secret());
        assert_eq!(Secrets::load_or_create(&path).unwrap(), first);
    }

    #[test]
    fn what_is_missing_is_added_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.toml");
        std::fs::write(&path, "[auth]\njwt_secret = 'with \"quotes\"'\n").unwrap();
        let first = Secrets::load_or_create(&path).unwrap();
        assert_eq!(first.jwt_secret().expose(), "with \"quotes\"");
        assert!(!first.turn_shared_secret().is_empty());
        assert_eq!(Secrets::load_or_create(&path).unwrap(), first);
    }

    #[test]
    fn the_environment_has_secrets_of_limited_length() {
        let with = |name: &'static str, value: &str| {
            let value = OsString::from(value);
            Secrets::from_environment(move |asked| (asked == name).then(|| value.clone()))
        };
        let jwt = with("UNITED_JWT_SECRET", "one").unwrap();
        assert_eq!(jwt.jwt_secret().expose(), "one");
        assert!(jwt.turn_shared_secret().is_empty());
        let turn = with("UNITED_TURN_SHARED_SECRET", "two").unwrap();
        assert_eq!(turn.turn_shared_secret().expose(), "two");
        let longest = "x".repeat(MAX_SECRET_BYTES);
        with("UNITED_JWT_SECRET", &longest).unwrap();
        let refused = with("UNITED_TURN_SHARED_SECRET", &format!("{longest}x"));
        assert_eq!(refused, Err("UNITED_TURN_SHARED_SECRET"));
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt as _;
            let wrong = |_: &str| Some(OsString::from_vec(vec![0xff]));
            assert_eq!(Secrets::from_environment(wrong), Err("UNITED_JWT_SECRET"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_readable_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secrets.toml");
        Secrets::load_or_create(&path).unwrap();
        assert_eq!(mode(&path), 0o600);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        Secrets::load_or_create(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn neither_debug_nor_an_error_shows_a_secret() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(redacted)");
        let dir = tempfile::tempdir().unwrap();
        for text in [
            "[auth]\njwt_secret = 777123",
            "[auth]\njwt_secret = hunter2",
            "[auth]\njwt_secret = [\"hunter2\"]",
        ] {
            let path = dir.path().join("secrets.toml");
            std::fs::write(&path, text).unwrap();
            let error = format!("{0:#} {0:?}", Secrets::load_or_create(&path).unwrap_err());
            assert!(
                !error.contains("hunter2") && !error.contains("777123"),
                "{error}"
            );
            assert!(
                error.contains("secrets.toml: [auth] jwt_secret: must be a text in quotes"),
                "{error}"
            );
        }
    }
}
