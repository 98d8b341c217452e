//! Limits that change while everybody joins.

use futures::future::join_all;
use united_voice_cluster_tests::{Cluster, settles};

use crate::{AFTER_THAW, AT_ONCE, MIXED};

const STORM: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_one_node_answered_binds_every_join_after_it_on_the_others() {
    let cluster = Cluster::start(MIXED).await;
    let den = cluster.channel("Den", 64).await;
    let mut callers = cluster.town(&den).await;
    let newcomers = (0..STORM).map(|number| {
        let cluster = &cluster;
        async move { cluster.caller(number % 3, &format!("Guest {number}")).await }
    });
    let newcomers = join_all(newcomers).await;
    settles("the connections", AFTER_THAW, async || {
        let waits = newcomers.iter().find(|one| one.view().node.is_none());
        waits.map_or(Ok(()), |one| Err(one.user.name.clone()))
    })
    .await;

    // Each limit is set by another node, and the joins are sent when it has answered. All come
    // again after they were refused.
    for (node, limit) in [(0, 6), (1, 3), (2, 20), (0, 5), (1, 24)] {
        let held = cluster.seats_in(&den).len();
        assert_eq!(cluster.patch(node, &den, Some(limit)).await, 200);
        let limit = limit as usize;
        for newcomer in &newcomers {
            if newcomer.view().session.is_none() {
                newcomer.join(&den);
            }
        }
        settles("the answers", AFTER_THAW, async || {
            let waits = newcomers.iter().map(|one| one.view());
            let waits = waits.filter(|view| view.wants.is_some() && view.session.is_none());
            match waits.count() {
                0 => Ok(()),
                waits => Err(format!("{waits} wait")),
            }
        })
        .await;
        assert_eq!(cluster.seats_in(&den).len(), limit.max(held));
        for newcomer in &newcomers {
            let told = newcomer.told();
            let refusals = told.iter().filter(|told| told.starts_with("error"));
            for told in refusals {
                assert_eq!(told, "error CHANNEL_FULL");
            }
        }
    }
    callers.extend(newcomers);
    cluster.agree(&callers, AT_ONCE).await;
}
