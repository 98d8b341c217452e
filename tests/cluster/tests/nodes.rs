//! A node is killed, frozen or ended.

use std::time::Duration;

use united_voice_cluster_tests::{Cluster, LEASE};

use crate::{AT_ONCE, AXUM, MIXED, hear, heard_nothing};

/// How long the seats of a node that died may last.
const REAPED: Duration = Duration::from_secs(LEASE.as_secs() + 3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_members_of_a_killed_node_are_gone_after_its_lease_and_their_places_are_free() {
    let mut cluster = Cluster::start(MIXED).await;
    let den = cluster.channel("Den", 4).await;
    let mut callers = cluster.town(&den).await;
    let dan = callers.pop().expect("four came");
    // He does not come back by himself.
    let user = dan.user.clone();
    cluster.nodes[2].kill();
    drop(dan);
    hear(&callers, &["left Dan DISCONNECTED"], REAPED).await;
    cluster.agree(&callers, AT_ONCE).await;
    callers.push(cluster.again(&user, 0));
    callers[3].join(&den);
    hear(&callers[..3], &["joined Dan"], AT_ONCE).await;
    cluster.agree(&callers, AT_ONCE).await;
    // The node itself comes back, too, as a new one.
    cluster.nodes[2].start_again().await;
    cluster.agree(&callers, AT_ONCE).await;
    heard_nothing(&callers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_before_the_killed_node_is_missed_takes_the_seat_over() {
    let mut cluster = Cluster::start(AXUM).await;
    let den = cluster.channel("Den", 4).await;
    let callers = cluster.town(&den).await;
    for caller in &callers {
        caller.chatter(true);
    }
    cluster.nodes[2].kill();
    hear(&callers[..3], &["left Dan REPLACED", "joined Dan"], LEASE).await;
    cluster.agree(&callers, AT_ONCE).await;
    // Nobody notices that the dead node is reaped.
    tokio::time::sleep(REAPED).await;
    for caller in &callers {
        caller.chatter(false);
    }
    cluster.agree(&callers, AT_ONCE).await;
    heard_nothing(&callers);
    let counts = cluster.ledger.counts();
    assert!(counts.arrived > 50, "{counts:?}");
}
