//! How seats end and flags change.

use united_voice_redis::{Flags, Operation, Record, Refusal};

use crate::cluster::{Cluster, KICKED, LEFT, gone, left, muting};

fn kick(user: &str, channel: Option<&str>) -> Operation {
    Operation::Kick {
        user: user.into(),
        channel: channel.map(Into::into),
        reason: KICKED,
        before: None,
    }
}

fn clear(channel: &str) -> Operation {
    Operation::Clear {
        channel: channel.into(),
        reason: KICKED,
        before: None,
    }
}

#[test]
fn a_leave_is_told_to_the_nodes_of_the_room() {
    let mut cluster = Cluster::new();
    let [mut a, mut b, mut c] = cluster.nodes();
    a.join(1, "ann", "hall");
    b.join(2, "ben", "hall");
    c.join(3, "cid", "yard");
    a.read();
    b.read();
    c.read();
    let record = a.leave(1, "ann");
    let seat = &left(&record).seats[0];
    assert_eq!(
        (seat.session, &*seat.user, &*seat.channel),
        (1, "ann", "hall")
    );
    assert_eq!(left(&record).reason, LEFT);
    let heard = b.read();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].record, record);
    assert!(c.read().is_empty());
    assert_eq!(cluster.users("hall"), ["ben"]);
}

#[test]
fn the_last_leave_leaves_no_keys_behind() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let before = cluster.all_keys();
    a.join(1, "ann", "hall");
    assert!(cluster.all_keys().len() > before.len());
    a.leave(1, "ann");
    assert_eq!(cluster.all_keys(), before);
}

#[test]
fn a_late_leave_does_not_touch_the_newer_seat() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.join(1, "ann", "hall");
    b.join(2, "ann", "hall");
    assert_eq!(a.leave(1, "ann"), Record::Refused(Refusal::Stale));
    assert_eq!(cluster.users("hall"), ["ann"]);
}

#[test]
fn only_the_node_of_a_seat_ends_it_or_changes_its_state() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.join(1, "ann", "hall");
    assert_eq!(b.leave(1, "ann"), Record::Refused(Refusal::Stale));
    let refused = b.run(&muting(1, "ann", true)).record;
    assert_eq!(refused, Record::Refused(Refusal::Stale));
    assert!(!cluster.roster("hall").members[0].flags.muted());
}

#[test]
fn a_state_is_told_to_all_nodes_and_kept() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.join(1, "ann", "hall");
    b.join(2, "ben", "hall");
    a.read();
    let own = a.run(&muting(1, "ann", true));
    let told = b.read().pop().expect("an entry");
    assert_eq!((&told.record, told.version), (&own.record, own.version));
    assert_eq!(
        own.record,
        Record::State {
            channel: "hall".into(),
            session: 1,
            flags: Flags::own(true, false),
        }
    );
    let members = cluster.roster("hall").members;
    assert_eq!(members[0].flags, Flags::own(true, false));
    assert_eq!(
        (&*members[0].user, members[0].session),
        ("ann", 1),
        "it keeps its place"
    );
}

#[test]
fn a_member_cannot_change_the_bits_of_the_server() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    a.join(1, "ann", "hall");
    let all = Operation::State {
        session: 1,
        user: "ann".into(),
        flags: Flags(0xffff),
    };
    a.run(&all);
    assert_eq!(
        cluster.roster("hall").members[0].flags,
        Flags::own(true, true)
    );
}

#[test]
fn a_kick_ends_the_seat_on_another_node_and_says_how_many() {
    let mut cluster = Cluster::new();
    let [mut a, mut b, mut c] = cluster.nodes();
    a.join(1, "ann", "hall");
    b.join(2, "ben", "hall");
    let outcome = c.run(&kick("ann", None)).record;
    assert_eq!(gone(&outcome), [1]);
    assert_eq!(left(&outcome).reason, KICKED);
    for node in [&mut a, &mut b] {
        let heard = node.read().pop().expect("an entry");
        assert_eq!((gone(&heard.record), heard.asked), (vec![1], None));
    }
    // Nobody is there any more, or not in this channel.
    assert_eq!(gone(&c.run(&kick("ann", None)).record), [0_u64; 0]);
    assert_eq!(gone(&c.run(&kick("ben", Some("yard"))).record), [0_u64; 0]);
    assert_eq!(gone(&c.run(&kick("ben", Some("hall"))).record), [2]);
}

#[test]
fn a_channel_is_closed_in_chunks_of_fifty() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    for session in 1..=120 {
        let node = if session % 2 == 0 { &mut a } else { &mut b };
        node.join(session, &format!("user {session}"), "hall");
    }
    a.read();
    let mut ended = Vec::new();
    for (expected, more) in [(50, true), (50, true), (20, false)] {
        let outcome = b.run(&clear("hall")).record;
        assert_eq!(
            (left(&outcome).seats.len(), left(&outcome).more),
            (expected, more)
        );
        ended.extend(gone(&outcome));
    }
    let heard: Vec<_> = a
        .read()
        .iter()
        .flat_map(|entry| gone(&entry.record))
        .collect();
    assert_eq!(heard, ended, "both nodes see one order");
    ended.sort_unstable();
    assert!(ended.into_iter().eq(1..=120));
    assert!(cluster.users("hall").is_empty());
    assert_eq!(gone(&b.run(&clear("hall")).record), [0_u64; 0]);
}
