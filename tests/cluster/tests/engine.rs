//! The engine fails.

use std::time::Duration;

use tokio::time::sleep;
use united_voice_cluster_tests::{Cluster, LEASE, promote, settles};
use united_voice_redis_server::Data;
use united_voice_scenarios::voice::VoiceErrorCode;

use crate::{ACTIX, AT_ONCE, AXUM, MIXED, UNACKNOWLEDGED, hear, heard_nothing, sessions};

/// How soon a node says that the engine does not answer.
const CUT_OFF: Duration = Duration::from_secs(LEASE.as_secs() * 2 / 3 + 1);
/// How soon after the engine everything works.
const BACK: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_wait_while_the_engine_pauses_for_a_moment() {
    let mut cluster = Cluster::start(ACTIX).await;
    let mut callers = cluster.town("general").await;
    let before = sessions(&callers);
    let eve = cluster.caller(1, "Eve").await;
    for caller in &callers {
        caller.chatter(true);
    }
    cluster.engine.pause();
    eve.join("general");
    callers[0].mute(true);
    // The cut-off comes two thirds of a lease after the last proven beat, which may have been a
    // third of a lease before the pause: this leaves a margin.
    sleep(LEASE / 6).await;
    assert_eq!(eve.view().session, None, "nobody can decide");
    cluster.engine.resume();
    for caller in &callers {
        caller.chatter(false);
    }
    callers.push(eve);
    cluster.agree(&callers, AT_ONCE).await;
    assert_eq!(sessions(&callers)[..4], before);
    for caller in &callers[1..4] {
        let mut told = caller.told();
        told.sort_unstable();
        assert_eq!(told, ["joined Eve", "state Ann true"]);
    }
    hear(&callers[..1], &["joined Eve"], AT_ONCE).await;
    let counts = cluster.ledger.counts();
    assert_eq!(counts.sent, counts.arrived, "none was refused");
}

/// Everything that CONTRACT 6.4 says of an engine that does not answer: who may do what, and that
/// the clients of before have lost nothing afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_engine_each_node_serves_its_own_and_afterwards_nobody_has_lost_a_seat() {
    let mut cluster = Cluster::start(MIXED).await;
    let mut callers = cluster.town("general").await;
    let before = sessions(&callers);
    let (eve, gus) = (
        cluster.caller(0, "Eve").await,
        cluster.caller(1, "Gus").await,
    );
    cluster.engine.pause();
    for node in &cluster.nodes {
        node.is("cut-off", CUT_OFF).await;
    }

    // A join is refused, and a rejoin is not.
    eve.join("general");
    settles("a refusal", Duration::from_secs(10), async || {
        let told = eve.view().told;
        let is_refused = told.iter().any(|told| told == "error UNAVAILABLE");
        is_refused.then_some(()).ok_or_else(|| format!("{told:?}"))
    })
    .await;
    callers[0].join("general");
    callers[0].mute(true);
    settles("the answers", AT_ONCE, async || {
        let view = callers[0].view();
        let is_done = view.pending.is_empty() && view.muted;
        is_done.then_some(()).ok_or_else(|| format!("{view:?}"))
    })
    .await;
    assert_eq!(sessions(&callers), before);
    hear(&callers[2..3], &["state Ann true"], AT_ONCE).await;
    heard_nothing(&callers[..2]);
    heard_nothing(&callers[3..]);

    // Ann and Cat share a node.
    for (to, arrives) in [("Cat", true), ("Ben", false), ("Dan", false)] {
        let before = cluster.ledger.counts();
        callers[0].relay(to);
        let took = settles("the fate of a message", AT_ONCE, async || {
            let is_sent = cluster.ledger.counts().sent > before.sent;
            is_sent.then_some(()).ok_or("it was not sent")?;
            cluster.ledger.check()
        })
        .await;
        assert!(took < UNACKNOWLEDGED, "it was sent all the same");
        let after = cluster.ledger.counts();
        assert_eq!(after.arrived > before.arrived, arrives, "{to}");
    }
    assert_eq!(
        cluster.ledger.last_refusal(),
        Some(VoiceErrorCode::Unavailable)
    );

    for (number, node) in cluster.nodes.iter().enumerate() {
        let admin = Some(&cluster.admin);
        let there = node
            .server()
            .get("/api/voice/general/participants", admin)
            .await;
        assert_eq!(there.0, 200, "{there:?}");
        assert_eq!(there.1.as_array().map(Vec::len), Some(4));
        let elsewhere = node
            .server()
            .get("/api/voice/lounge/participants", admin)
            .await;
        assert_eq!(elsewhere.0, 503, "{elsewhere:?}");
        assert_eq!(node.server().get("/api/channels", admin).await.0, 200);
        assert_eq!(cluster.patch(number, "general", Some(5)).await, 503);
    }

    // Cat leaves, which Ann hears at once and the others when they can.
    callers[2].leave();
    hear(&callers[..1], &["left Cat LEFT"], AT_ONCE).await;
    assert_eq!(callers[2].view().session, None);

    cluster.engine.resume();
    for node in &cluster.nodes {
        node.is("ok", BACK).await;
    }
    let cat = callers.remove(2);
    callers.push(eve);
    cluster.agree(&callers, BACK).await;
    let after = sessions(&callers);
    assert_eq!(
        [&after[..2], &after[2..3]].concat(),
        [&before[..2], &before[3..]].concat()
    );
    for caller in &callers[1..3] {
        let told = caller.told();
        assert!(told.contains(&"state Ann true".to_owned()), "{told:?}");
        assert!(told.contains(&"left Cat LEFT".to_owned()), "{told:?}");
        assert_eq!(told.len(), 3, "{told:?}");
    }
    // The limit that was answered with 503 holds on all nodes: there are four.
    cat.join("general");
    cat.sits().await;
    gus.join("general");
    settles("a refusal", AT_ONCE, async || {
        let told = gus.view().told;
        let is_refused = told.last().is_some_and(|told| told == "error CHANNEL_FULL");
        is_refused.then_some(()).ok_or_else(|| format!("{told:?}"))
    })
    .await;
    callers.push(cat);
    cluster.agree(&callers, AT_ONCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_without_the_engine_costs_nobody_a_seat() {
    let mut cluster = Cluster::start(MIXED).await;
    let callers = cluster.town("general").await;
    let before = sessions(&callers);
    for caller in &callers {
        caller.chatter(true);
    }
    cluster.engine.pause();
    sleep(Duration::from_secs(60)).await;
    cluster.engine.resume();
    for caller in &callers {
        caller.chatter(false);
    }
    cluster.agree(&callers, BACK).await;
    assert_eq!(sessions(&callers), before);
    heard_nothing(&callers);
    let counts = cluster.ledger.counts();
    assert!(counts.arrived > 50 && counts.refused > 50, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_was_killed_and_has_its_data_costs_nobody_a_seat() {
    let mut cluster = Cluster::start(AXUM).await;
    let callers = cluster.town("general").await;
    let before = sessions(&callers);
    for caller in &callers {
        caller.chatter(true);
    }
    callers[0].mute(true);
    settles("her state", AT_ONCE, async || {
        let told = callers[3].view().told;
        (!told.is_empty())
            .then_some(())
            .ok_or_else(|| "nothing".to_owned())
    })
    .await;
    cluster.engine.wait_until_written();
    cluster.restart_engine(Data::Kept);
    callers[1].mute(true);
    for caller in &callers {
        caller.chatter(false);
    }
    cluster.agree(&callers, BACK).await;
    assert_eq!(sessions(&callers), before);
    for (number, caller) in callers.iter().enumerate() {
        let told = caller.told();
        let others = ["state Ann true", "state Ben true"];
        let expected = others
            .into_iter()
            .enumerate()
            .filter(|(of, _)| *of != number);
        assert_eq!(told, expected.map(|(_, told)| told).collect::<Vec<_>>());
    }
}

/// Restarted empty, and flushed. A full channel stays full: somebody waits in front of it.
async fn loses_all_data(mut cluster: Cluster, lose: impl FnOnce(&mut Cluster)) {
    let den = cluster.channel("Den", 4).await;
    let mut callers = cluster.town(&den).await;
    callers[0].mute(true);
    hear(&callers[1..], &["state Ann true"], AT_ONCE).await;
    let before = sessions(&callers);
    let eve = cluster.caller(1, "Eve").await;
    for caller in &callers {
        caller.chatter(true);
    }
    lose(&mut cluster);
    // Joins are refused until all seats are back, and then there is no place.
    for _ in 0..3 {
        eve.join(&den);
        sleep(LEASE / 6).await;
    }
    let full = settles("a full channel", LEASE + BACK, async || {
        let told = eve.view().told;
        let is_full = told.last().is_some_and(|told| told == "error CHANNEL_FULL");
        is_full.then_some(()).ok_or_else(|| format!("{told:?}"))
    });
    full.await;
    for caller in &callers {
        caller.chatter(false);
    }
    cluster.agree(&callers, LEASE + BACK).await;
    assert_eq!(sessions(&callers), before, "the same stays");
    heard_nothing(&callers);
    assert!(callers.iter().all(|caller| caller.view().ends.is_empty()));
    let lost = cluster
        .metrics("united_voice_cluster_seats_lost_total")
        .await;
    assert_eq!(lost, 0.0, "seats were lost");
    let back = cluster
        .metrics("united_voice_cluster_reasserted_total")
        .await;
    assert!(back >= 4.0, "{back} seats were put back");
    let here = cluster.metrics("united_voice_participants").await;
    assert_eq!(here, 4.0, "each counts its own");
    // Life goes on.
    let dan = callers.pop().expect("four came");
    dan.leave();
    hear(&callers, &["left Dan LEFT"], AT_ONCE).await;
    eve.join(&den);
    eve.sits().await;
    callers.extend([dan, eve]);
    cluster.agree(&callers, AT_ONCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_back_without_its_data_gets_the_seats_back_and_nobody_is_told() {
    let cluster = Cluster::start(MIXED).await;
    loses_all_data(cluster, |cluster| cluster.restart_engine(Data::Lost)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_engine_gets_the_seats_back_and_nobody_is_told() {
    let cluster = Cluster::start(ACTIX).await;
    loses_all_data(cluster, |cluster| cluster.flush_engine()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_behind_is_told_what_it_missed() {
    let mut cluster = Cluster::start(MIXED).await;
    let mut callers = cluster.town("general").await;
    let replica = cluster.replica();
    promote(&replica);
    // From here on the replica knows nothing.
    let ben = callers.remove(1);
    ben.leave();
    callers[0].mute(true);
    let eve = cluster.caller(1, "Eve").await;
    eve.join("general");
    eve.sits().await;
    callers.extend([eve, ben]);
    cluster.agree(&callers, AT_ONCE).await;
    let before = sessions(&callers);
    for caller in &callers {
        let _ = caller.told();
        caller.chatter(true);
    }
    cluster.fail_over(replica);
    for caller in &callers {
        caller.chatter(false);
    }
    cluster.agree(&callers, BACK).await;
    assert_eq!(sessions(&callers), before);
    heard_nothing(&callers);
    callers[4].join("general");
    hear(&callers[..4], &["joined Ben"], BACK).await;
    cluster.agree(&callers, AT_ONCE).await;
}
