//! How a server becomes one of several nodes that share their channels.

mod names;
mod url;

use std::{fs, time::Duration};

use anyhow::Context as _;
use united_voice_redis::{NodeConfig, NodeTask, RedisNode};

pub use self::{
    names::{ClusterPrefix, ClusterPrefixError, NodeName, NodeNameError},
    url::{ClusterUrl, ClusterUrlError},
};
use crate::Secret;

/// How long the engine may take for its first answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server needs to become a node: the section `[cluster]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// The engine; `None` for a server that is alone.
    pub url: Option<ClusterUrl>,
    /// The node's name in logs; `None` for that of the machine.
    pub node_name: Option<NodeName>,
    /// Servers of one prefix in one database of an engine share their channels.
    pub prefix: ClusterPrefix,
    /// How long a node may be silent before the others end its seats.
    pub lease_secs: u64,
    /// The file of the certificates that a `rediss://` engine must be signed by; empty for the
    /// system's.
    pub ca_file: String,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            url: None,
            node_name: None,
            prefix: ClusterPrefix::default(),
            lease_secs: 6,
            ca_file: String::new(),
        }
    }
}

impl ClusterConfig {
    /// Makes this process a node. `None` if the server is alone.
    ///
    /// All nodes need the same `jwt_secret`, and should have the same `turn_secret`: that of a relay
    /// that they share, or an empty one.
    ///
    /// # Errors
    ///
    /// If the engine does not answer for 10 s, cannot be used or refuses the node, or the
    /// certificates cannot be read.
    pub(crate) async fn connect(
        &self,
        jwt_secret: &Secret,
        turn_secret: &Secret,
    ) -> anyhow::Result<Option<(RedisNode, NodeTask)>> {
        let Some(url) = &self.url else {
            return Ok(None);
        };
        let mut config = NodeConfig::new(url.expose());
        let name = self.node_name.clone();
        let name = name.unwrap_or_else(NodeName::of_this_machine);
        config.name = name.to_string();
        config.prefix = self.prefix.to_string();
        config.lease = Duration::from_secs(self.lease_secs);
        config.secret = jwt_secret.expose().as_bytes().to_vec();
        config.rotated_secret = turn_secret.expose().as_bytes().to_vec();
        if !self.ca_file.is_empty() {
            let roots = fs::read(&self.ca_file);
            config.roots = Some(roots.with_context(|| {
                format!("[cluster] ca_file = \"{}\": cannot be read", self.ca_file)
            })?);
        }
        let joined = RedisNode::connect(config, PATIENCE).await;
        let joined = joined.context("cannot join the cluster")?;
        tracing::info!("this is the node {name} of the cluster {}", self.prefix);
        Ok(Some(joined))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_without_a_url_is_alone() {
        let alone = ClusterConfig::default();
        let joined = alone
            .connect(&Secret::new("s"), &Secret::default())
            .await
            .unwrap();
        assert!(joined.is_none());
    }

    #[tokio::test]
    async fn certificates_that_cannot_be_read_are_named() {
        let config = ClusterConfig {
            url: Some("rediss://hunter2@127.0.0.1".parse().unwrap()),
            ca_file: "/nowhere/ca.pem".to_owned(),
            ..ClusterConfig::default()
        };
        let refused = config.connect(&Secret::new("s"), &Secret::default()).await;
        let error = format!("{:#}", refused.err().unwrap());
        let expected = "[cluster] ca_file = \"/nowhere/ca.pem\": cannot be read: ";
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
