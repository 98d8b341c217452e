//! What is wrong with a configuration, in one line.

use toml::de::DeValue;

use super::keys::Key;

/// The longest part of a value that an error shows, in characters.
const MAX_SHOWN: usize = 80;

/// A configuration that can't be used.
///
/// Each message is one line. It names the key, shows the value as it is written in the file, and
/// says what is allowed: `[turn] credential_ttl_secs = -5: must be 1 to 2592000`. No message shows
/// the value of a secret or of an unknown key, which may be a misspelled secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not TOML.
    #[error("line {line}: {message}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What is wrong, and the key of that line if there is one.
        message: String,
    },
    /// There is no such key or section.
    #[error("{name}: unknown {what}; known are {known}")]
    Unknown {
        /// The name as it is written: `[turn] colour`.
        name: String,
        /// `key`, `section` or `key outside of the sections`.
        what: &'static str,
        /// The names that there are.
        known: String,
    },
    /// A section's name stands for a value, or for a list.
    #[error("{0}: must be a section, written [{0}]")]
    NotASection(&'static str),
    /// A key has a value that it does not take, or lacks one that it needs.
    #[error("{key}{}: {allowed}", .value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default())]
    Value {
        /// `[turn] port`.
        key: String,
        /// The value as it is written, cut after 80 characters. `None` for a secret, and for a key
        /// that is missing.
        value: Option<String>,
        /// What is allowed.
        allowed: String,
    },
}

impl ConfigError {
    /// The value of `key`, written as `value`, is not one that the key takes.
    pub(super) fn value(key: &Key, value: &str) -> Self {
        Self::value_because(key, value, key.takes.to_string())
    }

    /// As [`value`](Self::value), with a text of its own about what is allowed.
    pub(super) fn value_because(key: &Key, value: &str, allowed: String) -> Self {
        Self::Value {
            key: key.to_string(),
            value: (!key.takes.is_secret()).then(|| shown(value)),
            allowed,
        }
    }

    /// The key is missing, though another value needs it.
    pub(super) fn missing(key: &Key, because: &str) -> Self {
        Self::Value {
            key: key.to_string(),
            value: None,
            allowed: format!("{}, {because}", key.takes),
        }
    }

    /// A text that is no TOML. If one of `keys` has a value on that line that is no TOML either,
    /// the error is about that value: a host without quotes is the most common mistake.
    pub(super) fn syntax(text: &str, error: &toml::de::Error, keys: &[&'static Key]) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let number = text.get(..start).unwrap_or(text).matches('\n').count();
        let number = first_line_of_value(text, number).unwrap_or(number);
        let syntax = |message| Self::Syntax {
            line: number + 1,
            message,
        };
        let line = text.lines().nth(number).unwrap_or_default();
        let before = text.lines().take(number);
        let section = before.filter_map(header).last().unwrap_or_default();
        let Some((name, rest)) = line.split_once('=') else {
            return syntax(error.message().to_owned());
        };
        let mut keys = keys.iter();
        let Some(key) = keys.find(|key| key.section == section && key.name == name.trim()) else {
            return syntax(error.message().to_owned());
        };
        let value = rest.split('#').next().unwrap_or_default().trim();
        // Several words may hold more than the value of this key: a secret, even.
        let is_one_word = !value.is_empty() && value.bytes().all(is_word_byte);
        let is_shown = is_one_word || key.takes.is_secret();
        if is_shown && DeValue::parse(rest.trim()).is_err() {
            return Self::value(key, value);
        }
        syntax(format!("{key}: {}", error.message()))
    }
}

/// The line on which a value begins that goes on to line `number`. The parser finds out that a value
/// of several lines is not closed only at the end of the text, where no line names its key.
fn first_line_of_value(text: &str, number: usize) -> Option<usize> {
    let lines: Vec<&str> = text.lines().take(number).collect();
    let value = |line: &str| {
        let (_, value) = line.split_once('=')?;
        let value = value.trim_start();
        let opens = ["\"\"\"", "'''", "[", "{"]
            .iter()
            .any(|mark| value.starts_with(mark));
        opens.then(|| value.to_owned())
    };
    let (first, mut value) =
        (lines.iter().enumerate().rev()).find_map(|(number, line)| Some((number, value(line)?)))?;
    for line in &lines[first + 1..] {
        if is_complete(&value) {
            return None;
        }
        value = value + "\n" + line;
    }
    (!is_complete(&value)).then_some(first)
}

/// Whether this is a value, perhaps with a comment behind it.
fn is_complete(value: &str) -> bool {
    let uncommented = value.rsplit_once('#').map_or(value, |(value, _)| value);
    [value, uncommented]
        .iter()
        .any(|value| DeValue::parse(value.trim()).is_ok())
}

/// The name of a section, if the line begins one.
fn header(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix('[')?;
    Some(name.split(']').next().unwrap_or(name).trim())
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._:-+/".contains(&byte)
}

/// The first line of a text that a user wrote, without control characters, and not too much of it.
pub(crate) fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut shown: String = line
        .chars()
        .filter(|char| !char.is_control())
        .take(MAX_SHOWN)
        .collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
