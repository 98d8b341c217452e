//! What the log says if the engine fails.

use united_voice_core::test_util::ClusterDirectory;
use united_voice_redis::NodeState;
use united_voice_redis_server::Engine;

use crate::{
    cluster::Cluster,
    log::Log,
    nodes::Nodes,
    town::{state, tell, until},
};

/// How many replicas the engine needs for a write. It has none.
fn need(engine: &Engine, replicas: &str) {
    tell(
        engine,
        &["CONFIG", "SET", "min-replicas-to-write", replicas],
    );
}

/// A cluster of one node.
async fn alone(engine: &Engine) -> (Nodes, Cluster) {
    let nodes = Nodes::start(engine, 1, ClusterDirectory::default()).await;
    let cluster = Cluster::beside(engine, &nodes.prefix);
    (nodes, cluster)
}

/// The engine loses the registration of the only node.
fn forget(cluster: &mut Cluster) {
    let pattern = cluster.key("n:*");
    let keys: Vec<String> = cluster.run(&["KEYS", &pattern]);
    assert_eq!(keys.len(), 1);
    cluster.run::<()>(&["DEL", &keys[0]]);
}

#[tokio::test]
async fn an_outage_is_one_warning_with_its_cause_and_one_line_at_its_end() {
    let log = Log::new();
    let engine = Engine::start();
    let (nodes, _) = alone(&engine).await;
    state(&nodes, NodeState::Ok).await;
    need(&engine, "1");
    state(&nodes, NodeState::CutOff).await;
    need(&engine, "0");
    until("it is over", || !log.lines("the outage is over").is_empty()).await;
    let warnings = log.lines("WARN");
    assert!(
        warnings.len() == 1 && warnings[0].contains("NOREPLICAS"),
        "{warnings:?}"
    );
    assert_eq!(log.lines("the outage is over").len(), 1);
}

#[tokio::test]
async fn a_registration_that_the_engine_lost_is_not_a_node_that_was_silent() {
    let log = Log::new();
    let engine = Engine::start();
    let (nodes, mut cluster) = alone(&engine).await;
    forget(&mut cluster);
    until("it has registered anew", || {
        nodes.nodes[0].metrics().resyncs == 1
    })
    .await;
    let warnings = log.lines("WARN");
    let expected = "the engine no longer knows its registration";
    assert!(
        warnings.len() == 1 && warnings[0].contains(expected),
        "{warnings:?}"
    );
    assert_eq!(nodes.nodes[0].metrics().fenced, 0);
}

#[tokio::test]
async fn a_registration_that_is_refused_again_and_again_is_one_warning_and_no_error_of_the_engine()
{
    let log = Log::new();
    let engine = Engine::start();
    let (nodes, mut cluster) = alone(&engine).await;
    let errors = nodes.nodes[0].metrics().engine_errors;
    let print = cluster.key("print");
    let ours: Vec<u8> = cluster.run(&["GET", &print]);
    cluster.run::<()>(&["SET", &print, "\u{2}of a later version"]);
    forget(&mut cluster);
    // It has tried a few times by then.
    state(&nodes, NodeState::CutOff).await;
    let refused = log.lines("incompatible version");
    assert!(
        refused.len() == 1 && refused[0].contains("WARN"),
        "{refused:?}"
    );
    let mut command = redis::cmd("SET");
    let put_back = command.arg(print).arg(ours);
    put_back.exec(&mut cluster.connection).expect("set");
    state(&nodes, NodeState::Ok).await;
    assert_eq!(nodes.nodes[0].metrics().engine_errors, errors);
}

#[tokio::test]
async fn a_script_that_fails_is_a_warning_with_its_cause() {
    let log = Log::new();
    let engine = Engine::start();
    let (nodes, mut cluster) = alone(&engine).await;
    // The script of the beat reads a sorted set there.
    let leases = cluster.key("leases");
    cluster.run::<()>(&["SET", &leases, "no sorted set"]);
    let failed = || log.lines("a script failed");
    until("it has failed", || !failed().is_empty()).await;
    assert!(
        failed()[0].contains("WARN") && failed()[0].contains("WRONGTYPE"),
        "{:?}",
        failed()
    );
    cluster.run::<()>(&["DEL", &leases]);
    until("it has registered anew", || {
        nodes.nodes[0].metrics().resyncs == 1
    })
    .await;
}
