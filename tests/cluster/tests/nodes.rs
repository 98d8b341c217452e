//! A node is killed, frozen or ended.

use std::time::Duration;

use tokio::time::sleep;
use united_voice_cluster_tests::{Caller, Cluster, LEASE, settles};

use crate::{ACTIX, AFTER_THAW, AT_ONCE, AXUM, MIXED, hear, heard_nothing, sessions};

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
    sleep(REAPED).await;
    for caller in &callers {
        caller.chatter(false);
    }
    cluster.agree(&callers, AT_ONCE).await;
    heard_nothing(&callers);
    let counts = cluster.ledger.counts();
    assert!(counts.arrived > 50, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_frozen_for_a_moment_loses_nothing() {
    let mut cluster = Cluster::start(ACTIX).await;
    let callers = cluster.town("general").await;
    let before = sessions(&callers);
    for caller in &callers {
        caller.chatter(true);
    }
    cluster.nodes[2].freeze();
    sleep(LEASE / 2).await;
    cluster.nodes[2].thaw();
    sleep(LEASE / 3).await;
    for caller in &callers {
        caller.chatter(false);
    }
    cluster.agree(&callers, AFTER_THAW).await;
    assert_eq!(sessions(&callers), before);
    heard_nothing(&callers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_members_of_a_node_that_was_frozen_for_too_long_lose_their_seats() {
    let mut cluster = Cluster::start(MIXED).await;
    let mut callers = cluster.town("general").await;
    let old_dan = callers.pop().expect("four came");
    let mut others = Vec::new();
    for name in ["Fay", "Gus", "Hal"] {
        let caller = cluster.caller(2, name).await;
        caller.join("general");
        caller.sits().await;
        others.push(caller);
    }
    let [fay, gus, hal] = <[Caller; 3]>::try_from(others).expect("three");
    hear(
        &callers,
        &["joined Fay", "joined Gus", "joined Hal"],
        AT_ONCE,
    )
    .await;
    cluster.nodes[2].freeze();
    gone(&callers, &["Dan", "Fay", "Gus", "Hal"], REAPED).await;
    // Dan comes back through another node. The others' clients have noticed nothing, and what they
    // do now is read by nobody until the thaw.
    let dan = cluster.again(&old_dan.user, 0);
    dan.join("general");
    dan.sits().await;
    hear(&callers, &["joined Dan"], AT_ONCE).await;
    callers.push(dan);
    fay.relay("Ann");
    gus.leave();
    hal.stay_out();
    hal.mute(true);
    sleep(AT_ONCE / 2).await;
    let arrived = cluster.ledger.counts().arrived;

    cluster.nodes[2].thaw();
    settles("the ends of the stays", AFTER_THAW, async || {
        let (dan, fay, hal) = (old_dan.view(), fay.view(), hal.view());
        let replaced = dan
            .told
            .last()
            .is_some_and(|last| last == "error SESSION_REPLACED");
        match (replaced, &fay.ends[..], &hal.ends[..], gus.view().session) {
            (true, [1013], [1013], None) => Ok(()),
            now => Err(format!("{now:?}, Hal: {hal:?}")),
        }
    })
    .await;
    assert_eq!(old_dan.view().ends, [0; 0], "his connection stays open");
    assert_eq!(cluster.ledger.counts().arrived, arrived, "Fay is nobody");
    let node = &cluster.nodes[2];
    assert!(node.metric("united_voice_cluster_fenced_total").await >= 1.0);
    // Gus may have left before the node knew that his seat was gone.
    let lost = node.metric("united_voice_cluster_seats_lost_total").await;
    assert!((3.0..=4.0).contains(&lost), "{lost} seats were lost");
    // What the old connection does late touches nobody.
    old_dan.leave();
    drop(old_dan);
    // Fay comes back by herself, as a newcomer.
    hear(&callers, &["joined Fay"], AFTER_THAW).await;
    callers.push(fay);
    cluster.agree(&callers, AT_ONCE).await;
    sleep(REAPED).await;
    cluster.agree(&callers, AT_ONCE).await;
    heard_nothing(&callers[..4]);
    assert_eq!(gus.view().session, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_ends_takes_its_members_along_at_once() {
    // The others would take the members of a node that is silent away, too, but much later.
    let mut cluster = Cluster::start_with_long_lease(MIXED).await;
    let mut callers = cluster.town("general").await;
    let dan = callers.pop().expect("four came");
    for caller in &callers {
        caller.chatter(true);
    }
    dan.stay_out();
    let ending = cluster.nodes[2].end();
    let (status, _) = tokio::join!(
        ending,
        hear(&callers, &["left Dan DISCONNECTED"], Duration::from_secs(2))
    );
    assert!(status.success(), "{status}");
    assert_eq!(dan.view().ends, [1001]);
    for caller in &callers {
        caller.chatter(false);
    }
    cluster.agree(&callers, AT_ONCE).await;
    // He comes back through another node.
    dan.join("general");
    dan.sits().await;
    hear(&callers, &["joined Dan"], AT_ONCE).await;
    callers.push(dan);
    cluster.agree(&callers, AT_ONCE).await;
}

/// Waits until these callers were told that these members left, in any order, and nothing else.
async fn gone(callers: &[Caller], names: &[&str], within: Duration) {
    for caller in callers {
        settles("the ends of the stays", within, async || {
            let told = caller.view().told;
            if told.len() < names.len() {
                return Err(format!("{told:?}"));
            }
            Ok(())
        })
        .await;
        let mut told = caller.told();
        told.sort_unstable();
        let expected = names.iter().map(|name| format!("left {name} DISCONNECTED"));
        assert_eq!(told, expected.collect::<Vec<_>>());
    }
}
