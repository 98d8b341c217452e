//! The configuration of the example servers.

use united_voice_host::{Config, ConfigError, Relay, TEMPLATE};

use crate::input::Input;

/// Reads the bytes as a configuration, and as the value of one key.
///
/// # Panics
///
/// If a configuration is accepted that the library refuses, or if an error is not one line or does
/// not name the key.
pub fn check(bytes: &[u8]) {
    any_text(&String::from_utf8_lossy(bytes));

    let mut input = Input::new(bytes);
    let keys = keys();
    let (section, key) = keys[input.below(keys.len())];
    let value = String::from_utf8_lossy(input.rest());
    // One line, or else the value could hold other keys.
    let value = value.lines().next().unwrap_or_default();
    let text = format!("[{section}]\n{key} = {value}\n");
    // With an external relay, `enabled` needs another key.
    if let Err(error) = parse(&text, Relay::Embedded) {
        let message = error.to_string();
        assert!(
            message.contains(&format!("[{section}] {key}")),
            "{text:?}: {message}"
        );
    }
}

/// The keys of the template with their sections.
fn keys() -> Vec<(&'static str, &'static str)> {
    let mut section = "";
    let mut keys = Vec::new();
    for line in TEMPLATE.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ") {
            keys.push((section, key));
        }
    }
    keys
}

fn any_text(text: &str) {
    for relay in [Relay::Embedded, Relay::External] {
        let _ = parse(text, relay);
    }
}

fn parse(text: &str, relay: Relay) -> Result<Config, ConfigError> {
    let parsed = Config::parse(text, relay);
    match &parsed {
        Ok(config) => {
            assert_eq!(config.limits().validate(), Ok(()));
            assert_eq!(Config::parse(text, relay).as_ref(), Ok(config));
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty() && message.len() < 2000, "{message}");
            assert!(!message.chars().any(char::is_control), "{message:?}");
        }
    }
    parsed
}
