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
    // again after they were refused. Some leave before that, so that a node which knows only the
    // limit of before lets too many in. The last limit is lower than what is held.
    for (node, limit, stay) in [
        (0, 8, 0),
        (1, 6, 1),
        (2, 20, 2),
        (0, 9, 3),
        (1, 24, 5),
        (2, 2, 20),
    ] {
        let sit = newcomers.iter().filter(|one| one.view().session.is_some());
        for newcomer in sit.skip(stay) {
            newcomer.leave();
        }
        let held = callers.len() + stay;
        settles("the leaves", AFTER_THAW, async || {
            let seats = cluster.seats_in(&den).len();
            let waits = newcomers.iter().map(|one| one.view());
            let waits = waits.filter(|view| view.wants.is_none() && view.session.is_some());
            match (seats == held, waits.count()) {
                (true, 0) => Ok(()),
                waits => Err(format!("{seats} sit, not {held}: {waits:?}")),
            }
        })
        .await;
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
