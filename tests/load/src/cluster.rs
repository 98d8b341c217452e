//! Several servers that share their channels, and the engine between them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use tempfile::TempDir;
use united_voice_redis_server::Engine;

use crate::{
    process::Process,
    program::{Places, Program},
    site::Site,
    target::Target,
};

/// A cluster of nodes on this machine, with one data folder.
#[derive(Debug)]
pub(crate) struct Cluster {
    nodes: Vec<Program>,
    engine: Engine,
    prefix: String,
    /// Removed after the nodes have ended.
    _home: TempDir,
}

impl Cluster {
    /// Starts the engine and the nodes, and waits until they listen.
    pub(crate) fn start(target: Target, places: &Places, count: usize) -> anyhow::Result<Self> {
        let name = target.executable().context("only our servers are nodes")?;
        let (engine, home) = (Engine::start(), TempDir::new()?);
        let prefix = engine.prefix_without_recovery();
        let executable = places.programs.join(name);
        // In turn: the first makes the database and the secrets.
        let nodes = (0..count).map(|number| {
            let name = format!("node-{number}");
            Program::start_node(&executable, home.path(), &engine, &prefix, &name)
        });
        Ok(Self {
            nodes: nodes.collect::<anyhow::Result<_>>()?,
            engine,
            prefix,
            _home: home,
        })
    }

    /// All nodes. The members of a room take them in turn.
    pub(crate) fn all_nodes(&self) -> Site {
        let sites = self.nodes.iter().map(Program::site);
        let (addresses, servers): (Vec<_>, Vec<_>) =
            sites.map(|it| (it.addresses, it.servers)).unzip();
        Site {
            addresses: addresses.concat(),
            servers: servers.concat(),
            engine: Some(engine_process(&self.engine)),
        }
    }

    /// One node alone. The others have no clients, and their processes are not watched.
    pub(crate) fn node(&self, number: usize) -> Site {
        Site {
            engine: Some(engine_process(&self.engine)),
            ..self.nodes[number].site()
        }
    }

    /// The bytes of the shortest message in the nodes' inboxes that has `least` bytes or more. Under
    /// load one entry has several messages, so the shortest entry has one.
    ///
    /// # Errors
    ///
    /// No such message is there.
    pub(crate) fn message_bytes(&self, least: usize) -> anyhow::Result<usize> {
        let mut connection = self.engine.connection();
        let pattern = format!("{{{}}}:in:*", self.prefix);
        let inboxes: Vec<String> = redis::cmd("KEYS").arg(pattern).query(&mut connection)?;
        let mut shortest: Option<usize> = None;
        for inbox in inboxes {
            let mut latest = redis::cmd("XREVRANGE");
            latest.arg(inbox).arg("+").arg("-").arg("COUNT").arg(200);
            let entries: Vec<(String, BTreeMap<String, Vec<u8>>)> =
                latest.query(&mut connection)?;
            let messages = entries.iter().filter_map(|(_, fields)| fields.get("m"));
            let bytes = messages.map(Vec::len).filter(|bytes| *bytes >= least);
            shortest = shortest.into_iter().chain(bytes).min();
        }
        shortest.context("no message has gone through the engine")
    }
}

/// This process in the place of servers, and its engine.
pub(crate) fn this_process(engine: &Engine) -> Site {
    Site {
        addresses: Vec::new(),
        servers: vec![Process {
            id: std::process::id(),
        }],
        engine: Some(engine_process(engine)),
    }
}

/// The process of an engine, to be watched.
fn engine_process(engine: &Engine) -> Process {
    Process { id: engine.pid() }
}
