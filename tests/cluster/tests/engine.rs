//! The engine fails.

use tokio::time::sleep;
use united_voice_cluster_tests::{Cluster, LEASE};

use crate::{ACTIX, AT_ONCE, hear, sessions};

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
    sleep(LEASE / 3).await;
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
