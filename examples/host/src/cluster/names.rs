//! The names of a node and of its cluster.

use std::{fmt, str::FromStr};

/// The longest name of a node, in bytes.
const MAX_NODE_NAME: usize = 32;

/// A node's name in logs. It need not be unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeName(String);

/// A text that is no [`NodeName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", NodeName::EXPECTED)]
pub struct NodeNameError;

impl NodeName {
    /// What every error says.
    pub(crate) const EXPECTED: &str = "must be 1 to 32 characters out of A-Z a-z 0-9 . _ -";

    /// The machine's name, without the characters that a node's name has not.
    pub(super) fn of_this_machine() -> Self {
        #[cfg(unix)]
        let name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        #[cfg(not(unix))]
        let name = std::env::var("COMPUTERNAME").unwrap_or_default();
        let allowed = name.chars().filter(|char| is_allowed(*char));
        let allowed: String = allowed.take(MAX_NODE_NAME).collect();
        allowed.parse().unwrap_or_else(|_| Self("node".to_owned()))
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, NodeNameError> {
        if (1..=MAX_NODE_NAME).contains(&text.len()) && text.chars().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NodeNameError)
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the keys of a cluster in its engine begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterPrefix(String);

/// A text that is no [`ClusterPrefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", ClusterPrefix::EXPECTED)]
pub struct ClusterPrefixError;

impl ClusterPrefix {
    /// What every error says.
    pub(crate) const EXPECTED: &str = "must be 1 to 64 characters out of A-Z a-z 0-9 . _ - :";
}

impl Default for ClusterPrefix {
    fn default() -> Self {
        Self("united".to_owned())
    }
}

impl FromStr for ClusterPrefix {
    type Err = ClusterPrefixError;

    fn from_str(text: &str) -> Result<Self, ClusterPrefixError> {
        match united_voice_redis::Keys::new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(ClusterPrefixError),
        }
    }
}

impl fmt::Display for ClusterPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_allowed(char: char) -> bool {
    char.is_ascii_alphanumeric() || "._-".contains(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_a_short_plain_name() {
        for text in ["n", "node-1.example_COM", &"x".repeat(32)] {
            assert_eq!(text.parse::<NodeName>().expect(text).to_string(), text);
        }
        for text in ["", "a b", "ä", "a:b", "a\n", &"x".repeat(33)] {
            assert_eq!(text.parse::<NodeName>(), Err(NodeNameError), "{text:?}");
        }
    }

    #[test]
    fn every_machine_has_a_name() {
        let name = NodeName::of_this_machine().to_string();
        assert_eq!(name.parse::<NodeName>().unwrap().to_string(), name);
    }

    #[test]
    fn a_prefix_is_one_that_the_engine_may_have() {
        for text in ["united", "a:b-1._", &"x".repeat(64)] {
            assert_eq!(text.parse::<ClusterPrefix>().expect(text).to_string(), text);
        }
        for text in ["", "{a}", "a b", &"x".repeat(65)] {
            assert!(text.parse::<ClusterPrefix>().is_err(), "{text:?}");
        }
        let default = ClusterPrefix::default().to_string();
        assert_eq!(default.parse(), Ok(ClusterPrefix::default()));
    }
}
