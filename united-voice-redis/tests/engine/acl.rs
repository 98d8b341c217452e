//! The user of `deploy/cluster/redis.conf` may do what a node does, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use redis::{InfoDict, RedisResult};
use united_voice_core::test_util::cluster_conformance;
use united_voice_redis::{
    Dialer, Member, Nid, Operation, Purpose, Reaped, Record, Restored, Scripts, Seat,
};
use united_voice_redis_server::Engine;

use crate::{
    cluster::{Cluster, KICKED, LEASE, Node, fresh_keys, leaving, muting, profile},
    nodes::Nodes,
};

/// The words of the user's line.
fn rule() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/cluster/redis.conf");
    let conf = fs::read_to_string(path).expect("deploy/cluster/redis.conf");
    let lines = conf.lines();
    let mut users = lines.filter_map(|line| line.strip_prefix("user united on "));
    let rule = users.next().expect("the nodes have a user");
    assert_eq!(users.next(), None, "redis-server refuses two lines");
    rule.split(' ').map(str::to_owned).collect()
}

/// The commands that the rule allows.
fn allowed(rule: &[String]) -> BTreeSet<String> {
    let commands = rule.iter().filter_map(|word| word.strip_prefix('+'));
    commands.map(str::to_owned).collect()
}

/// An engine in which the rule holds for the prefixes of the tests. Returns the user's URL.
fn restricted(engine: &Engine) -> String {
    let mut command = redis::cmd("ACL");
    command
        .arg("SETUSER")
        .arg("united")
        .arg("on")
        .arg(">secret");
    for word in rule() {
        command.arg(word.replace("{united}", "{test*}"));
    }
    command
        .exec(&mut engine.connection())
        .expect("a valid rule");
    format!("redis://united:secret@{}/", engine.address())
}

/// The commands that were run, by clients and by scripts.
fn used(engine: &Engine) -> BTreeSet<String> {
    let stats: InfoDict = redis::cmd("INFO")
        .arg("commandstats")
        .query(&mut engine.connection())
        .expect("an answer");
    let stats: BTreeMap<String, String> = stats
        .iter()
        .map(|(name, value)| {
            let value: String = redis::from_redis_value_ref(value).expect("a text");
            (name.clone(), value)
        })
        .collect();
    stats
        .iter()
        .filter(|(_, value)| !value.starts_with("calls=0,"))
        .filter_map(|(name, _)| Some(name.strip_prefix("cmdstat_")?.to_owned()))
        .collect()
}

/// What becomes of a seat in `hall` that the registration `earlier` had.
fn put_back(node: &mut Node, earlier: Nid, member: &Member) -> Restored {
    let outcome = node.run(&Operation::Reassert {
        earlier: vec![earlier],
        last: true,
        seats: vec![Seat {
            channel: "hall".into(),
            member: member.clone(),
        }],
    });
    match outcome.record {
        Record::Reasserted { results, .. } => results[0].1,
        other => panic!("{other:?}"),
    }
}

/// Each command that a node or one of its scripts can send, at least once.
async fn life(url: &str) {
    let mut cluster = Cluster::empty_by(url.to_owned());
    let [mut a, mut b, mut c] = cluster.nodes();
    cluster.admit();
    a.join(1, "ann", "hall");
    b.join(2, "ben", "hall");
    c.join(3, "cat", "hall");
    a.join(4, "ann", "porch");
    a.run(&muting(4, "ann", true));
    let kick = Operation::Kick {
        user: "ben".into(),
        channel: None,
        reason: KICKED,
        before: None,
    };
    a.run(&kick);
    let clear = Operation::Clear {
        channel: "porch".into(),
        reason: KICKED,
        before: None,
    };
    a.run(&clear);
    a.join(5, "ann", "hall");
    a.run(&leaving(5, "ann"));
    a.run(&Operation::Skip);
    let policy = a.scripts.policy(&a.of);
    policy.exec(&mut a.connection).expect("an epoch");

    // What the host and the tasks of a node ask.
    assert_eq!(cluster.users("hall"), ["cat"]);
    let counts = cluster.keys().counts(["hall", "porch"]);
    let counts: (u64, u64) = counts.query(&mut cluster.connection).expect("counts");
    assert_eq!(counts, (1, 0));
    let trim = cluster.keys().trim_inbox(a.of.nid, "1");
    trim.exec(&mut cluster.connection).expect("trimmed");
    let scripts = Arc::new(Scripts::new(fresh_keys()));
    let dialer = Dialer::new(url, None, scripts).expect("a URL");
    dialer.dial(Purpose::Calls).await.expect("dialed");

    // The engine was away for longer than a lease; then a node is found dead, with one seat, and
    // with a note of a seat that it no longer has.
    let before = cluster.time() - 2 * LEASE;
    cluster.set("heard", before);
    a.beat().expect("beaten");
    let now = cluster.time();
    cluster.lease_ends(c.of.nid, now - 1);
    let stray = cluster.key(&format!("ns:{}", c.of.nid));
    cluster.run::<()>(&["SADD", &stray, "\0\0\0\0\0\0\0\x09dan"]);
    a.beat().expect("beaten");
    assert_eq!(a.reap(c.of.nid).expect("reaped"), Reaped::Done(1));

    // A node puts a seat back, and a cluster whose nodes have another secret is refused.
    let mut again = cluster.register(Nid::new(2, 2), true).expect("registered");
    let ben = Member {
        session: 2,
        user: "ben".into(),
        profile: profile("ben"),
        ..again.join(6, "eve", "hall").member
    };
    assert_eq!(put_back(&mut again, b.of.nid, &ben), Restored::Seated);
    // The node that was dead is back.
    let cat = Member {
        session: 3,
        user: "cat".into(),
        profile: profile("cat"),
        ..ben
    };
    assert_eq!(put_back(&mut again, c.of.nid, &cat), Restored::Reaped);
    assert!(
        cluster
            .register_as(Nid::new(9, 1), false, b"other")
            .is_err()
    );
    for node in [&mut a, &mut again] {
        node.close().expect("closed");
    }
}

#[tokio::test]
async fn the_rule_has_each_command_that_is_used_and_no_other() {
    let engine = Engine::start();
    let url = restricted(&engine);
    let reset = redis::cmd("CONFIG").arg("RESETSTAT").to_owned();
    reset.exec(&mut engine.connection()).expect("reset");
    life(&url).await;
    let mut used = used(&engine);
    // The test's own, and what the client crate says of itself, which may be refused.
    for own in ["config|resetstat", "auth", "client|setinfo"] {
        used.remove(own);
    }
    assert_eq!(used, allowed(&rule()));
}

/// The rule is complete, whatever branch of a script runs.
#[test]
fn the_rule_has_each_command_of_the_source() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let scripts = fs::read_dir(source.join("scripts")).expect("the scripts are there");
    let mut named = BTreeSet::new();
    for script in scripts {
        let text = fs::read_to_string(script.expect("readable").path()).expect("readable");
        for call in text.split("call('").skip(1) {
            let mut words = call.split('\'');
            let command = words.next().expect("a command").to_lowercase();
            match command.as_str() {
                "xinfo" => named.insert(format!(
                    "xinfo|{}",
                    words.nth(1).expect("a word").to_lowercase()
                )),
                _ => named.insert(command),
            };
        }
        assert!(!text.contains("pcall("), "another way to call a command");
    }
    for file in ["reads.rs", "connection.rs", "scripts.rs", "calls.rs"] {
        let text = fs::read_to_string(source.join(file)).expect("readable");
        for call in text.split("cmd(\"").skip(1) {
            let (command, _) = call.split_once('"').expect("a name");
            match command {
                "SCRIPT" => named.insert("script|load".into()),
                _ => named.insert(command.to_lowercase()),
            };
        }
    }
    assert_eq!(named, allowed(&rule()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_conform_as_the_restricted_user() {
    let engine = Engine::start();
    let urls = vec![restricted(&engine); 3];
    cluster_conformance(2_000, |directory| {
        Nodes::start_by(&engine, &urls, directory)
    })
    .await;
}

#[test]
fn the_user_can_do_nothing_else() {
    let engine = Engine::start();
    let client = redis::Client::open(restricted(&engine)).expect("a URL");
    let mut connection = client.get_connection().expect("let in");
    let mut answer = |words: &[&str]| -> RedisResult<redis::Value> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query(&mut connection)
    };
    answer(&["GET", "{test}:boot"]).expect("a key of the prefix");
    for refused in [
        &["GET", "{other}:boot"][..],
        &["GET", "test"],
        &["FLUSHALL"],
        &["KEYS", "*"],
        &["CONFIG", "GET", "*"],
        &["ACL", "LIST"],
        &["EVAL", "return 1", "0"],
        &["SCRIPT", "FLUSH"],
        &["PUBLISH", "channel", "text"],
    ] {
        let error = answer(refused).expect_err("refused");
        assert_eq!(error.code(), Some("NOPERM"), "{refused:?}: {error}");
    }
}
