//! An engine whose memory is full.

use united_voice_redis::{Operation, Ran, Reaped, Record, Refusal, ScriptError};
use united_voice_redis_server::Engine;

use crate::{
    cluster::{Cluster, KICKED, gone, leaving, muting},
    overrun::Inbox,
    town::town,
};

#[test]
fn nobody_joins_a_full_engine_and_everything_else_works() {
    let engine = Engine::start();
    let mut cluster = Cluster::empty(&engine);
    let [mut a, mut b, mut c] = cluster.nodes();
    cluster.admit();
    for session in 1..=4 {
        a.join(session, &format!("user {session}"), "hall");
    }
    b.join(5, "user 5", "hall");
    c.join(6, "user 6", "hall");
    // Below what is in use already.
    cluster.run::<()>(&["CONFIG", "SET", "maxmemory", "1"]);

    let join = a.joining(9, "late", "hall", 0);
    let refused = a.send(a.number + 1, &join);
    assert!(matches!(refused, Err(ScriptError::NoMemory)), "{refused:?}");
    // The number is still to be used up.
    let next = a.send(a.number + 2, &leaving(1, "user 1"));
    assert_eq!(next.expect("an answer"), Ran::Gap);
    assert_eq!(
        a.run(&Operation::Skip).record,
        Record::Refused(Refusal::NoMemory)
    );

    assert_eq!(gone(&a.leave(1, "user 1")), [1]);
    assert!(matches!(
        a.run(&muting(2, "user 2", true)).record,
        Record::State { .. }
    ));
    assert!(a.beat().expect("beaten").has_inbox);
    let kick = Operation::Kick {
        user: "user 3".into(),
        channel: None,
        reason: KICKED,
        before: None,
    };
    assert_eq!(gone(&b.run(&kick).record), [3]);
    c.close().expect("closed");
    assert_eq!(b.reap(c.of.nid).expect("reaped"), Reaped::Done(1));
    assert_eq!(cluster.users("hall"), ["user 2", "user 4", "user 5"]);
    a.read();

    cluster.run::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    a.join(9, "late", "hall");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_finds_no_memory_or_no_inbox_is_refused_as_what_it_is() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    let mut connection = engine.connection();
    let mut limit = |bytes: &str| {
        let mut command = redis::cmd("CONFIG");
        command.arg("SET").arg("maxmemory").arg(bytes);
        command.exec(&mut connection).expect("set");
    };
    limit("1");
    clients[0].offer("ben").await;
    clients[0]
        .hears(&["error VOICE_ERROR_CODE_UNAVAILABLE"])
        .await;
    limit("0");
    clients[0].offer("ben").await;
    clients[1].hears(&["offer of ann"]).await;

    // Ben's node asks for its inbox once a second, and makes a new one then.
    let mut inbox = Inbox::of(&engine, &nodes, "node-1");
    assert_eq!(inbox.ask::<u8>(&["DEL"]), 1);
    clients[0].offer("ben").await;
    clients[0]
        .hears(&["error VOICE_ERROR_CODE_UNAVAILABLE"])
        .await;
}
