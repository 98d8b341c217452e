//! Secrets: those configured, and those generated on the first start and kept in `secrets.toml`.

use std::{fmt, io, path::Path};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{config::ConfigError, files};

const HEADER: &str = "# Generated on the first start; keep it to yourself. A value in the configuration wins over one here.\n\n";

/// Text that must not be seen. `Debug` hides it; only [`expose`](Self::expose) gives it away.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps text that is already known.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Makes 256 random bits, as URL-safe text.
    ///
    /// # Errors
    ///
    /// When the operating system gives no random bytes.
    pub fn generate() -> io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This one, or `other` where this one is empty.
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

impl<'de> Deserialize<'de> for Secret {
    // Through `Value`, since serde's own message about a wrong type would quote the value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer) {
            Ok(toml::Value::String(text)) => Ok(Self(text)),
            _ => Err(D::Error::custom("a secret must be a string in quotes")),
        }
    }
}

/// The generated secrets. Its file has the sections and keys of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    auth: Auth,
    turn: Turn,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Auth {
    jwt_secret: Secret,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Turn {
    shared_secret: Secret,
}

impl Secrets {
    /// What signs tokens.
    pub fn jwt_secret(&self) -> &Secret {
        &self.auth.jwt_secret
    }

    /// What a TURN relay shares with this server.
    pub fn turn_shared_secret(&self) -> &Secret {
        &self.turn.shared_secret
    }

    /// Reads the file, after generating whatever it lacks. It ends up readable by its owner only (mode 0600).
    ///
    /// # Errors
    ///
    /// When the file cannot be read, written or understood. No message quotes its content.
    pub fn load_or_create(path: &Path) -> anyhow::Result<Self> {
        let context = || format!("cannot keep secrets in {}", path.display());
        if !path.exists() {
            // Another process may be doing the same: whichever file gets there first is the one that both use.
            let fresh = Self::default().completed().with_context(context)?;
            files::create_private(path, &fresh.render()).with_context(context)?;
        }
        let text = std::fs::read_to_string(path).with_context(context)?;
        let kept: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::syntax(&text, &error))
            .with_context(context)?;
        let completed = kept.clone().completed().with_context(context)?;
        if completed != kept {
            files::replace_private(path, &completed.render()).with_context(context)?;
        }
        files::make_private(path).with_context(context)?;
        Ok(completed)
    }

    fn completed(mut self) -> io::Result<Self> {
        for secret in [&mut self.auth.jwt_secret, &mut self.turn.shared_secret] {
            if secret.is_empty() {
                *secret = Secret::generate()?;
            }
        }
        Ok(self)
    }

    fn render(&self) -> String {
        #[derive(Serialize)]
        struct File<'a> {
            auth: AuthFile<'a>,
            turn: TurnFile<'a>,
        }
        #[derive(Serialize)]
        struct AuthFile<'a> {
            jwt_secret: &'a str,
        }
        #[derive(Serialize)]
        struct TurnFile<'a> {
            shared_secret: &'a str,
        }
        let file = File {
            auth: AuthFile {
                jwt_secret: self.jwt_secret().expose(),
            },
            turn: TurnFile {
                shared_secret: self.turn_shared_secret().expose(),
            },
        };
        let body = toml::to_string(&file).expect("two tables of strings are always valid TOML");
        format!("{HEADER}{body}")
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
            assert!(error.contains("line 2"), "{error}");
        }
    }
}
