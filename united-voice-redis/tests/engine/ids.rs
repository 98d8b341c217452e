//! Ids may hold any byte.

use united_voice_redis::{Operation, Record};

use crate::cluster::{Cluster, KICKED, gone, muting, profile};

fn hostile() -> Vec<String> {
    let mut ids: Vec<String> = [
        "\0",
        "\n",
        "{",
        "}",
        "a|b",
        ":",
        "\r\n$1",
        "%s*?[",
        "é\u{1F600}",
        " ",
    ]
    .into_iter()
    .map(Into::into)
    .collect();
    ids.push("x".repeat(128));
    ids.push("\0".repeat(128));
    // They look like the records of the scripts.
    ids.push("00000001.00000001hall".into());
    ids.push("boot".into());
    ids
}

#[test]
fn every_operation_takes_any_id() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let before = cluster.all_keys();
    for (place, user) in hostile().iter().enumerate() {
        for channel in hostile() {
            let session = u64::MAX - place as u64;
            let joined = a.join(session, user, &channel);
            assert_eq!((&joined.member.user, &joined.channel), (user, &channel));
            b.join(place as u64, "neighbour", &channel);
            let members = cluster.roster(&channel).members;
            assert_eq!((members[0].session, &members[0].user), (session, user));
            assert_eq!(members[0].profile, profile(user));
            a.read();
            let state = a.run(&muting(session, user, true)).record;
            assert!(matches!(state, Record::State { channel: at, .. } if at == channel));
            assert_eq!(gone(&a.leave(session, user)), [session]);
            b.leave(place as u64, "neighbour");
        }
    }
    a.read();
    b.read();
    assert_eq!(cluster.all_keys(), before);
}

#[test]
fn a_kick_and_a_closed_channel_take_any_id() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    for id in hostile() {
        a.join(1, &id, &id);
        let kick = Operation::Kick {
            user: id.clone(),
            channel: Some(id.clone()),
            reason: KICKED,
            before: None,
        };
        assert_eq!(gone(&a.run(&kick).record), [1]);
        a.join(2, &id, &id);
        let clear = Operation::Clear {
            channel: id,
            reason: KICKED,
            before: None,
        };
        assert_eq!(gone(&a.run(&clear).record), [2]);
    }
}
