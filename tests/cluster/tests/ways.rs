//! The way between one node and the engine fails.

use std::time::Duration;

use tokio::time::sleep;
use united_voice_cluster_tests::{Cluster, LEASE, settles};
use united_voice_redis_server::{Proxy, Way};
use united_voice_scenarios::voice::VoiceErrorCode;

use crate::{ACTIX, AFTER_THAW, AT_ONCE, AXUM, UNACKNOWLEDGED, hear, heard_nothing, sessions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_way_to_the_engine_costs_nobody_a_seat_and_loses_no_message() {
    type Break = fn(&Proxy);
    let breaks: [(&str, Break); 7] = [
        ("cut", Proxy::cut),
        ("stalled", Proxy::stall),
        // What the node asks arrives late, and is asked again over the next connection.
        ("stalled to the engine", |way| way.stall_way(Way::ToServer)),
        // The engine did it, and the node does not know. The answers come late.
        ("stalled to the node", |way| way.stall_way(Way::ToClients)),
        ("silent for the present connections", Proxy::swallow),
        ("half-open", Proxy::half_open),
        ("slow", |way| way.delay(Duration::from_millis(150))),
    ];
    let cluster = Cluster::start(AXUM).await;
    let callers = cluster.town("general").await;
    let before = sessions(&callers);
    let way = &cluster.nodes[2].way;
    for (name, fault) in breaks {
        for caller in &callers {
            caller.chatter(true);
        }
        fault(way);
        // The stalls are longer than the node waits for an answer.
        sleep(LEASE * 6 / 10).await;
        callers[3].mute(true);
        way.mend();
        callers[3].mute(false);
        for caller in &callers {
            caller.chatter(false);
        }
        cluster.agree(&callers, AFTER_THAW).await;
        assert_eq!(sessions(&callers), before, "{name}");
        hear(
            &callers[..3],
            &["state Dan true", "state Dan false"],
            AT_ONCE,
        )
        .await;
        heard_nothing(&callers);
    }
    let counts = cluster.ledger.counts();
    assert!(counts.arrived > 200, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_serves_its_own_until_it_is_back_and_then_their_seats_are_lost() {
    let cluster = Cluster::start(ACTIX).await;
    let mut callers = cluster.town("general").await;
    let fay = cluster.caller(2, "Fay").await;
    fay.join("general");
    fay.sits().await;
    let old_dan = callers.pop().expect("four came");
    hear(&callers, &["joined Fay"], AT_ONCE).await;
    let _ = (fay.told(), old_dan.told());
    let node = &cluster.nodes[2];
    node.way.stall();
    node.is("cut-off", LEASE * 2 / 3 + AT_ONCE).await;

    // Within the node everything goes on.
    old_dan.mute(true);
    hear(std::slice::from_ref(&fay), &["state Dan true"], AT_ONCE).await;
    let before = cluster.ledger.counts();
    old_dan.relay("Fay");
    settles("a message within the node", AT_ONCE, async || {
        let counts = cluster.ledger.counts();
        (counts.arrived > before.arrived)
            .then_some(())
            .ok_or_else(|| format!("{counts:?}"))
    })
    .await;
    // Beyond it nothing does.
    old_dan.relay("Ann");
    let took = settles("a refusal", AT_ONCE, async || {
        let counts = cluster.ledger.counts();
        (counts.refused > before.refused)
            .then_some(())
            .ok_or_else(|| format!("{counts:?}"))
    })
    .await;
    assert!(took < UNACKNOWLEDGED, "it was sent all the same");
    assert_eq!(
        cluster.ledger.last_refusal(),
        Some(VoiceErrorCode::Unavailable)
    );

    // The others miss both, and Dan comes back through another node.
    settles("the ends of the stays", LEASE + LEASE, async || {
        let told = callers[0].view().told;
        if told.len() == 2 {
            Ok(())
        } else {
            Err(format!("{told:?}"))
        }
    })
    .await;
    let dan = cluster.again(&old_dan.user, 1);
    dan.join("general");
    dan.sits().await;
    callers.push(dan);
    for caller in &callers[..3] {
        settles("his return", AT_ONCE, async || {
            let told = caller.view().told;
            if told.len() == 3 {
                Ok(())
            } else {
                Err(format!("{told:?}"))
            }
        })
        .await;
        let mut told = caller.told();
        told[..2].sort_unstable();
        assert_eq!(
            told,
            [
                "left Dan DISCONNECTED",
                "left Fay DISCONNECTED",
                "joined Dan"
            ]
        );
    }
    assert!(old_dan.view().session.is_some(), "nobody has told him");

    node.way.mend();
    node.is("ok", AFTER_THAW).await;
    settles("the ends of the stays", AFTER_THAW, async || {
        let (dan, fay) = (old_dan.view(), fay.view());
        let replaced = dan
            .told
            .last()
            .is_some_and(|last| last == "error SESSION_REPLACED");
        match (replaced, &fay.ends[..]) {
            (true, [1013]) => Ok(()),
            now => Err(format!("{now:?}")),
        }
    })
    .await;
    old_dan.leave();
    hear(&callers[..3], &["joined Fay"], AFTER_THAW).await;
    callers.push(fay);
    cluster.agree(&callers, AT_ONCE).await;
    drop(old_dan);
    sleep(LEASE).await;
    cluster.agree(&callers, AT_ONCE).await;
    heard_nothing(&callers[..3]);
}
