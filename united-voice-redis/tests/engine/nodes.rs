//! Whole nodes: core's servers, each with a backend on one engine.

use std::time::Duration;

use tokio::{task::JoinHandle, time::sleep};
use united_voice_core::{
    VoiceServer,
    test_util::{ClusterDirectory, ClusterUnderTest, cluster_conformance},
};
use united_voice_redis::{NodeConfig, RedisNode};
use united_voice_redis_server::{Engine, fresh_prefix};

/// Nodes of a cluster of its own.
pub(crate) struct Nodes {
    pub(crate) nodes: Vec<RedisNode>,
    pub(crate) prefix: String,
    servers: Vec<VoiceServer<ClusterDirectory>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Nodes {
    pub(crate) async fn start(engine: &Engine, count: usize, directory: ClusterDirectory) -> Self {
        let urls = vec![engine.url(); count];
        Self::start_by(engine, &urls, directory).await
    }

    /// A node for each of these ways to the engine.
    pub(crate) async fn start_by(
        engine: &Engine,
        urls: &[String],
        directory: ClusterDirectory,
    ) -> Self {
        let prefix = fresh_prefix();
        let mut nodes = Self {
            nodes: Vec::new(),
            prefix: prefix.clone(),
            servers: Vec::new(),
            tasks: Vec::new(),
        };
        for (number, url) in urls.iter().enumerate() {
            let mut config = NodeConfig::new(url);
            config.prefix.clone_from(&prefix);
            config.lease = Duration::from_secs(3);
            config.name = format!("node-{number}");
            let connected = RedisNode::connect(config, Duration::from_secs(10)).await;
            let (node, task) = connected.expect("connected");
            let server =
                VoiceServer::builder(directory.clone()).cluster(std::sync::Arc::new(node.clone()));
            let server = server.build().expect("valid limits");
            nodes.tasks.push(tokio::spawn(task.serve(server.replica())));
            nodes.nodes.push(node);
            nodes.servers.push(server);
        }
        // The first node of a cluster waits for others that may have seats. There are none.
        let mut control = engine.connection();
        let recover = format!("{{{prefix}}}:recover");
        let deleted = redis::cmd("DEL").arg(recover).exec(&mut control);
        deleted.expect("deleted");
        nodes
    }

    /// The process of a node dies: it says nothing any more. Its server is asked nothing.
    pub(crate) fn kill(&mut self, node: usize) {
        self.tasks.remove(node).abort();
        self.nodes.remove(node);
        self.servers.remove(node);
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl ClusterUnderTest for Nodes {
    fn servers(&self) -> &[VoiceServer<ClusterDirectory>] {
        &self.servers
    }

    async fn pass_time(&self) {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_on_redis_conform() {
    let engine = Engine::shared();
    cluster_conformance(20_000, |directory| Nodes::start(engine, 3, directory)).await;
}
