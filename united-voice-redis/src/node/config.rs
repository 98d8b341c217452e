//! How a node joins its cluster.

use std::{fmt, time::Duration};

/// How a node joins its cluster.
#[derive(Clone)]
#[non_exhaustive]
pub struct NodeConfig {
    /// `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS.
    pub url: String,
    /// The certificates, in PEM, that a `rediss://` engine must be signed by; `None` for the
    /// system's.
    pub roots: Option<Vec<u8>>,
    /// Nodes with one prefix in one database of one engine are one cluster, `united` by default. See
    /// [`Keys::new`](crate::Keys::new).
    pub prefix: String,
    /// How long a node may be silent before the others end its seats: 3 s to 60 s, 6 s by default.
    /// All nodes must have the same, and nothing checks that.
    pub lease: Duration,
    /// A label for logs, at most 32 bytes, `node` by default. It need not be unique.
    pub name: String,
    /// A secret that all nodes share. The engine keeps no more of it than a keyed hash. A node with
    /// another one is refused. Empty by default: then any node with an empty one is let in.
    pub secret: Vec<u8>,
    /// A secret that all nodes should share and that is replaced node by node, such as that of the
    /// TURN server. The engine keeps no more of it than a keyed hash. A node logs a warning if
    /// another one has another secret when it starts. Empty by default.
    pub rotated_secret: Vec<u8>,
}

impl NodeConfig {
    /// A node of the cluster `united`, with a lease of 6 s.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            roots: None,
            prefix: "united".into(),
            lease: Duration::from_secs(6),
            name: "node".into(),
            secret: Vec::new(),
            rotated_secret: Vec::new(),
        }
    }
}

impl fmt::Debug for NodeConfig {
    /// Without URL and secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeConfig")
            .field("prefix", &self.prefix)
            .field("lease", &self.lease)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
