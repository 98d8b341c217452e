//! Three servers, an engine and a database.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;
use united_voice_postgres::Database;
use united_voice_redis_server::{Data, Engine, Proxy, fresh_prefix};
use united_voice_scenarios::{Codec, Server, ServerBuilder, ServerKind, User};

use crate::{Caller, Ledger, Node, sampler::Sampler};

/// The lease of the nodes.
pub const LEASE: Duration = Duration::from_secs(3);

/// A lease that does not end while a test waits.
const LONG_LEASE: Duration = Duration::from_secs(60);

/// The secrets of all nodes, which must be in no log.
pub(crate) const SECRETS: [&str; 2] = [
    "jwt value of the cluster, 32 bytes or more",
    "turn value of the cluster",
];

/// How many nodes a cluster has.
const NODES: usize = 3;

/// Where the nodes keep users and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// One folder for all nodes, which are of one kind.
    Sqlite(ServerKind),
    /// A database, and a folder for each node. The second node is Actix Web, the others are axum.
    Postgres,
}

/// Three servers, an engine and a database, with a channel `general`.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The engine. A test that makes it lose data does so through a method of the cluster, so that the
    /// limits of that time are known.
    pub engine: Engine,
    /// The engine that was replaced.
    old_engine: Option<Engine>,
    /// What became of each relayed message.
    pub ledger: Arc<Ledger>,
    /// A user that sits nowhere, for REST.
    pub admin: User,
    pub(crate) prefix: String,
    pub(crate) sampler: Sampler,
    addresses: Arc<[SocketAddr]>,
    _database: Option<Database>,
}

impl Cluster {
    /// Starts everything.
    ///
    /// # Panics
    /// If a part of it does not start.
    pub async fn start(storage: Storage) -> Self {
        let engine = Engine::start();
        Self::with(storage, LEASE, engine, fresh_prefix()).await
    }

    /// Starts everything with a lease for tests in which it must not matter that a lease ends.
    ///
    /// # Panics
    /// If a part of it does not start.
    pub async fn start_with_long_lease(storage: Storage) -> Self {
        let engine = Engine::start();
        // With any other prefix the first node waits for that long.
        let prefix = engine.prefix_without_recovery();
        Self::with(storage, LONG_LEASE, engine, prefix).await
    }

    async fn with(storage: Storage, lease: Duration, engine: Engine, prefix: String) -> Self {
        let mut ways = Vec::new();
        for _ in 0..NODES {
            ways.push(Proxy::before(engine.address()).await);
        }
        let database = (storage == Storage::Postgres).then(Database::new);
        let shared = match storage {
            Storage::Sqlite(kind) => Some(configured(Server::builder(kind), &prefix, lease)),
            Storage::Postgres => None,
        };
        let nodes = ways.into_iter().enumerate().map(|(number, way)| {
            let builder = match (&shared, &database) {
                (Some(shared), _) => shared.clone(),
                (None, database) => {
                    let kind = [ServerKind::Axum, ServerKind::Actix][number % 2];
                    let url = database.as_ref().expect("it is not SQLite").url();
                    configured(Server::builder(kind), &prefix, lease)
                        .environment("UNITED_DATABASE_URL", &url)
                }
            };
            let builder = builder
                .environment("UNITED_CLUSTER", &way.url())
                .flag(format!("--node-name=node-{number}"));
            Node::start(way, builder)
        });
        let nodes: Vec<_> = join_all(nodes).await;
        let admin = nodes[0].server().user("Admin").await;
        Self {
            addresses: nodes.iter().map(Node::address).collect(),
            nodes,
            ledger: Arc::default(),
            admin,
            sampler: Sampler::of(engine.address(), &prefix),
            engine,
            old_engine: None,
            prefix,
            _database: database,
        }
    }

    /// A new user, connected to a node. Every other one speaks JSON.
    pub async fn caller(&self, node: usize, name: &str) -> Caller {
        let running = self.nodes.iter().find_map(Node::running);
        let user = running.expect("a node runs").user(name).await;
        self.again(&user, node)
    }

    /// Another connection of a user.
    #[must_use]
    pub fn again(&self, user: &User, node: usize) -> Caller {
        let codec = [Codec::Protobuf, Codec::Json][node % 2];
        let (addresses, ledger) = (Arc::clone(&self.addresses), Arc::clone(&self.ledger));
        Caller::new(user, codec, node, addresses, ledger)
    }

    /// Ann and Cat on the first node, Ben on the second, Dan on the third, all in a channel, which
    /// everybody knows.
    ///
    /// # Panics
    /// If they do not get there.
    pub async fn town(&self, channel: &str) -> Vec<Caller> {
        let mut callers = Vec::new();
        for (node, name) in [(0, "Ann"), (1, "Ben"), (0, "Cat"), (2, "Dan")] {
            let caller = self.caller(node, name).await;
            caller.join(channel);
            caller.sits().await;
            callers.push(caller);
        }
        self.agree(&callers, Duration::from_secs(1)).await;
        for caller in &callers {
            let _ = caller.told();
        }
        callers
    }

    /// Makes a voice channel with a limit, which the sampler watches.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn channel(&self, name: &str, limit: u32) -> String {
        let server = self.nodes[0].server();
        let channel = server.channel(&self.admin, name, Some(limit)).await;
        self.sampler.has(&channel, Some(limit as usize), 0, true);
        channel
    }

    /// Sets a channel's limit by a node. Returns the status.
    ///
    /// # Panics
    /// If the engine does not answer after the node did.
    pub async fn patch(&self, node: usize, channel: &str, limit: Option<u32>) -> u16 {
        let (path, body) = (
            format!("/api/channels/{channel}"),
            json!({ "maxParticipants": limit }),
        );
        let server = self.nodes[node].server();
        // It holds before the answer comes, and may hold if none does.
        let limit = limit.map(|limit| limit as usize);
        self.sampler.may_get(channel, limit);
        let patched = server.http(Method::PATCH, &path, Some(&self.admin), Some(body));
        let (status, _) = patched.await;
        if status == 200 {
            let seats = self.read_seats();
            let (is_whole, seats) = seats.expect("the engine answered the node");
            let count = seats.get(channel).map_or(0, Vec::len);
            self.sampler.has(channel, limit, count, is_whole);
        }
        status
    }

    /// The sum of one of the metrics over all nodes.
    ///
    /// # Panics
    /// If a node does not run, or has no such metric.
    pub async fn metrics(&self, name: &str) -> f64 {
        let values = self.nodes.iter().map(|node| node.metric(name));
        join_all(values).await.into_iter().sum()
    }

    /// Kills the engine and starts it again.
    pub fn restart_engine(&mut self, data: Data) {
        self.sampler.data_is_lost();
        self.engine.restart(data);
    }

    /// Empties the engine while it runs.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn flush_engine(&self) {
        self.sampler.data_is_lost();
        let flushed = redis::cmd("FLUSHALL").exec(&mut self.engine.connection());
        flushed.expect("flushed");
    }

    /// A replica of the engine that has all its data.
    ///
    /// # Panics
    /// If it does not start, or does not get the data.
    #[must_use]
    pub fn replica(&self) -> Engine {
        // Without the second argument the engine waits for more replicas before it sends its data.
        let setting = redis::cmd("CONFIG")
            .arg("SET")
            .arg("repl-diskless-sync-delay")
            .arg(0)
            .exec(&mut self.engine.connection());
        setting.expect("set");
        let replica = Engine::start();
        // By a command, not by an argument: it must be a primary after a restart, too.
        let of = redis::cmd("REPLICAOF")
            .arg(self.engine.address().ip().to_string())
            .arg(self.engine.address().port())
            .exec(&mut replica.connection());
        of.expect("a replica");
        let mut connection = replica.connection();
        let begun = Instant::now();
        loop {
            let info: redis::InfoDict = redis::cmd("INFO")
                .arg("replication")
                .query(&mut connection)
                .expect("an answer");
            if info.get::<String>("master_link_status").as_deref() == Some("up") {
                return replica;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "no replica");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the engine and leads all nodes to a replica, which becomes the primary.
    ///
    /// # Panics
    /// If the replica does not answer.
    pub fn fail_over(&mut self, replica: Engine) {
        self.sampler.data_is_lost();
        self.engine.kill();
        promote(&replica);
        self.sampler.lead_to(replica.address());
        for node in &self.nodes {
            node.way.lead_to(replica.address());
        }
        self.old_engine = Some(std::mem::replace(&mut self.engine, replica));
    }
}

/// Makes a replica a primary. It gets nothing more from its old one.
///
/// # Panics
/// If it does not answer.
pub fn promote(replica: &Engine) {
    let promoted = redis::cmd("REPLICAOF")
        .arg("NO")
        .arg("ONE")
        .exec(&mut replica.connection());
    promoted.expect("promoted");
}

fn configured(builder: ServerBuilder, prefix: &str, lease: Duration) -> ServerBuilder {
    let lease = lease.as_secs();
    builder
        .config(&format!(
            "[cluster]\nprefix = \"{prefix}\"\nlease_secs = {lease}\n\
             [limits]\nsign_ins_per_minute_per_address = 1000000\n\
             requests_per_minute_per_address = 1000000\n"
        ))
        .environment("UNITED_JWT_SECRET", SECRETS[0])
        .environment("UNITED_TURN_SHARED_SECRET", SECRETS[1])
}
