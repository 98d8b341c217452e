//! Reading a TOML text key by key, so that every error can name the key, show the value and say
//! what is allowed.

use std::{fmt::Display, str::FromStr};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use united_voice_core::{IceConfig, TurnConfig, TurnConfigError};

use super::{
    error::{ConfigError, shown},
    keys::{Key, MAX_NETWORKS, MAX_SECRET_BYTES, MAX_STUN_URLS, MAX_TEXT_BYTES},
};
use crate::{Secret, TrustedProxies, client_address::network};

/// A text whose sections and keys are all known. The values are checked as they are read.
///
/// Each method that reads a key leaves its target as it is if the key is absent.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    text: &'a str,
    sections: DeTable<'a>,
}

impl<'a> Document<'a> {
    /// Parses a text that may have `keys` and no others.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the text is not TOML, or has an unknown section or key.
    pub(crate) fn parse(text: &'a str, keys: &[&'static Key]) -> Result<Self, ConfigError> {
        let sections = DeTable::parse(text)
            .map_err(|error| ConfigError::syntax(text, &error, keys))?
            .into_inner();
        for (name, value) in &sections {
            check_section(name.get_ref(), value.get_ref(), keys)?;
        }
        Ok(Self { text, sections })
    }

    pub(crate) fn switch(&self, key: &Key, target: &mut bool) -> Result<(), ConfigError> {
        if let Some(value) = self.value(key) {
            let switch = value.get_ref().as_bool();
            *target = switch.ok_or_else(|| self.refused(key, value))?;
        }
        Ok(())
    }

    pub(crate) fn number<N>(&self, key: &Key, target: &mut N) -> Result<(), ConfigError>
    where
        N: TryFrom<u64>,
    {
        if let Some(value) = self.value(key) {
            *target = self.number_in(key, value)?;
        }
        Ok(())
    }

    /// A number of a key that has no default.
    pub(crate) fn optional_number<N>(
        &self,
        key: &Key,
        target: &mut Option<N>,
    ) -> Result<(), ConfigError>
    where
        N: TryFrom<u64>,
    {
        if let Some(value) = self.value(key) {
            *target = Some(self.number_in(key, value)?);
        }
        Ok(())
    }

    /// A host name or an IP address; the empty text means none.
    pub(crate) fn host(&self, key: &Key, target: &mut String) -> Result<(), ConfigError> {
        let Some(value) = self.value(key) else {
            return Ok(());
        };
        let host = value.get_ref().as_str();
        let host = host.ok_or_else(|| self.refused(key, value))?;
        // Nothing but the host can be wrong.
        if let (false, Err(TurnConfigError::Host { reason, .. })) =
            (host.is_empty(), TurnConfig::new(host, 1, "some secret", 1))
        {
            return Err(self.refused_because(key, value, reason));
        }
        host.clone_into(target);
        Ok(())
    }

    pub(crate) fn stun_urls(&self, key: &Key, target: &mut Vec<String>) -> Result<(), ConfigError> {
        if let Some(urls) = self.list(key, MAX_STUN_URLS, |entry| self.stun_url(key, entry))? {
            *target = urls;
        }
        Ok(())
    }

    pub(crate) fn networks(
        &self,
        key: &Key,
        target: &mut TrustedProxies,
    ) -> Result<(), ConfigError> {
        let entry = |entry: &Spanned<DeValue<'a>>| {
            let network = entry.get_ref().as_str().and_then(network);
            network.ok_or_else(|| self.refused(key, entry))
        };
        if let Some(networks) = self.list(key, MAX_NETWORKS, entry)? {
            *target = TrustedProxies::new(networks);
        }
        Ok(())
    }

    /// A list of at most `most` entries. `None` if the key is absent.
    fn list<T>(
        &self,
        key: &Key,
        most: usize,
        entry: impl FnMut(&Spanned<DeValue<'a>>) -> Result<T, ConfigError>,
    ) -> Result<Option<Vec<T>>, ConfigError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let entries = value.get_ref().as_array();
        let entries = entries.filter(|entries| entries.len() <= most);
        let entries = entries.ok_or_else(|| self.refused(key, value))?;
        entries
            .iter()
            .map(entry)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn stun_url(&self, key: &Key, entry: &Spanned<DeValue<'a>>) -> Result<String, ConfigError> {
        let url = entry.get_ref().as_str();
        let url = url.ok_or_else(|| self.refused(key, entry))?.to_owned();
        let checked = IceConfig::default().with_stun_urls(vec![url.clone()]);
        checked.map_err(|error| self.refused_because(key, entry, error.reason()))?;
        Ok(url)
    }

    /// A text that may be empty.
    pub(crate) fn text(&self, key: &Key, target: &mut String) -> Result<(), ConfigError> {
        if let Some(value) = self.value(key) {
            let text = value.get_ref().as_str();
            let text = text.filter(|text| text.len() <= MAX_TEXT_BYTES);
            text.ok_or_else(|| self.refused(key, value))?
                .clone_into(target);
        }
        Ok(())
    }

    pub(crate) fn secret(&self, key: &Key, target: &mut Secret) -> Result<(), ConfigError> {
        if let Some(value) = self.value(key) {
            let secret = value.get_ref().as_str();
            let secret = secret.filter(|secret| secret.len() <= MAX_SECRET_BYTES);
            *target = Secret::new(secret.ok_or_else(|| self.refused(key, value))?);
        }
        Ok(())
    }

    /// A text of a certain form.
    pub(crate) fn parsed<T>(&self, key: &Key, target: &mut T) -> Result<(), ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        if let Some(value) = self.value(key) {
            *target = self.parse_text(key, value)?;
        }
        Ok(())
    }

    /// A text of a certain form; the empty text means none.
    pub(crate) fn optional<T>(&self, key: &Key, target: &mut Option<T>) -> Result<(), ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        if let Some(value) = self.value(key) {
            *target = match value.get_ref().as_str() {
                Some("") => None,
                _ => Some(self.parse_text(key, value)?),
            };
        }
        Ok(())
    }

    fn parse_text<T>(&self, key: &Key, value: &Spanned<DeValue<'a>>) -> Result<T, ConfigError>
    where
        T: FromStr<Err: Display>,
    {
        let text = value.get_ref().as_str();
        let text = text.ok_or_else(|| self.refused(key, value))?;
        text.parse().map_err(|error: T::Err| {
            ConfigError::value_because(key, &self.written(value), error.to_string())
        })
    }

    fn value(&self, key: &Key) -> Option<&Spanned<DeValue<'a>>> {
        let section = self.sections.get(key.section)?.get_ref();
        section.as_table()?.get(key.name)
    }

    fn number_in<N>(&self, key: &Key, value: &Spanned<DeValue<'a>>) -> Result<N, ConfigError>
    where
        N: TryFrom<u64>,
    {
        let Some(integer) = value.get_ref().as_integer() else {
            let allowed = format!("{}, a whole number without quotes", key.takes);
            let written = self.written(value);
            return Err(ConfigError::value_because(key, &written, allowed));
        };
        u64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| key.takes.number(*number))
            .and_then(|number| N::try_from(number).ok())
            .ok_or_else(|| self.refused(key, value))
    }

    fn refused_because(
        &self,
        key: &Key,
        value: &Spanned<DeValue<'a>>,
        reason: &str,
    ) -> ConfigError {
        let allowed = format!("{}, and this one {reason}", key.takes);
        ConfigError::value_because(key, &self.written(value), allowed)
    }

    fn refused(&self, key: &Key, value: &Spanned<DeValue<'a>>) -> ConfigError {
        ConfigError::value(key, &self.written(value))
    }

    /// The value as the user wrote it. What is inside a list or a table is left out: it may be
    /// anything.
    fn written(&self, value: &Spanned<DeValue<'a>>) -> String {
        match value.get_ref() {
            DeValue::Array(_) => "[…]".to_owned(),
            DeValue::Table(_) => "{…}".to_owned(),
            _ => self.text.get(value.span()).unwrap_or("…").to_owned(),
        }
    }
}

/// Whether `keys` has the section with this name, and all the keys that are in it.
fn check_section(
    name: &str,
    value: &DeValue<'_>,
    keys: &[&'static Key],
) -> Result<(), ConfigError> {
    let of_section = keys.iter().filter(|key| key.section == name);
    let Some(section) = of_section.clone().map(|key| key.section).next() else {
        let mut sections: Vec<_> = keys
            .iter()
            .map(|key| format!("[{}]", key.section))
            .collect();
        sections.dedup();
        let (name, what) = match value {
            DeValue::Table(_) => (format!("[{}]", shown(name)), "section"),
            _ => (shown(name), "key outside of the sections"),
        };
        let known = sections.join(", ");
        return Err(ConfigError::Unknown { name, what, known });
    };
    let table = value.as_table().ok_or(ConfigError::NotASection(section))?;
    let unknown = |name: &&str| !of_section.clone().any(|key| key.name == *name);
    match table.keys().map(|name| &**name.get_ref()).find(unknown) {
        None => Ok(()),
        Some(name) => {
            let names: Vec<_> = of_section.map(|key| key.name).collect();
            Err(ConfigError::Unknown {
                name: format!("[{section}] {}", shown(name)),
                what: "key",
                known: names.join(", "),
            })
        }
    }
}
