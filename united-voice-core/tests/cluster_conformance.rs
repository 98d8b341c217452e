//! The engine in memory passes the suite that every backend has to pass, with all delays.

#![cfg(feature = "cluster")]

use std::{future::ready, sync::Arc};

use fastrand::Rng;
use united_voice_core::{
    VoiceServer,
    test_util::{
        ClusterDirectory, ClusterUnderTest, MemoryEngine, MemoryNode, cluster_conformance,
    },
};

struct Nodes {
    nodes: Vec<Arc<MemoryNode>>,
    servers: Vec<VoiceServer<ClusterDirectory>>,
    rng: std::sync::Mutex<Rng>,
}

impl Nodes {
    fn start(directory: &ClusterDirectory, seed: u64) -> Self {
        let engine = MemoryEngine::new();
        let nodes: Vec<_> = (0..3).map(|_| engine.node()).collect();
        let server = |node: &Arc<MemoryNode>| {
            let server = VoiceServer::builder(directory.clone()).cluster(node.clone());
            let server = server.build().expect("valid limits");
            node.serve(server.replica());
            server
        };
        Self {
            servers: nodes.iter().map(server).collect(),
            nodes,
            rng: std::sync::Mutex::new(Rng::with_seed(seed)),
        }
    }
}

impl ClusterUnderTest for Nodes {
    fn servers(&self) -> &[VoiceServer<ClusterDirectory>] {
        &self.servers
    }

    /// Moves one message of one node.
    async fn pass_time(&self) {
        let (node, sends) = {
            let mut rng = self.rng.lock().expect("not poisoned");
            (rng.usize(..self.nodes.len()), rng.bool())
        };
        if sends {
            self.nodes[node].send_one();
        } else {
            self.nodes[node].receive_one();
        }
        // Tokio lets a task that never waits make no progress.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_engine_in_memory_conforms() {
    for seed in 0..20 {
        cluster_conformance(100_000, |directory| ready(Nodes::start(&directory, seed))).await;
    }
}
