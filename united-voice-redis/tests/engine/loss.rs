//! What happens after the engine lost data: all of it, or its last second.

use std::num::NonZeroU32;

use united_voice_redis::{
    Flags, Member, Nid, Operation, Ran, Reaped, Record, Refusal, RegisterError, Restored,
    ScriptError, Seat,
};
use united_voice_redis_server::Engine;

use crate::cluster::{Cluster, LEASE, LEFT, Node, gone, leaving, left, muting};

/// What a node knows of a seat of its own.
pub(crate) fn seat(channel: &str, member: &Member) -> Seat {
    Seat {
        channel: channel.into(),
        member: member.clone(),
    }
}

pub(crate) fn reassert(node: &mut Node, earlier: &[Nid], seats: &[Seat]) -> Vec<Restored> {
    let outcome = node.run(&Operation::Reassert {
        earlier: earlier.into(),
        last: true,
        seats: seats.into(),
    });
    match outcome.record {
        Record::Reasserted { results, .. } => {
            let sessions: Vec<_> = results.iter().map(|(session, _)| *session).collect();
            let asked: Vec<_> = seats.iter().map(|seat| seat.member.session).collect();
            assert_eq!(sessions, asked);
            results.into_iter().map(|(_, result)| result).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Deletes all keys of this test.
pub(crate) fn flush(cluster: &mut Cluster) {
    let keys = cluster.all_keys();
    redis::cmd("DEL")
        .arg(keys)
        .exec(&mut cluster.connection)
        .expect("deleted");
}

/// Takes a seat out of the engine without a trace, as the loss of the last second would.
pub(crate) fn lose(cluster: &mut Cluster, nid: Nid, channel: &str, user: &str, session: u64) {
    let tag = cluster.keys().tagged().to_string();
    let field = session.to_be_bytes();
    let member = [&field[..], user.as_bytes()].concat();
    redis::pipe()
        .hdel(format!("{tag}r:{channel}"), &field)
        .hdel(format!("{tag}u:{user}"), &field)
        .srem(format!("{tag}ns:{nid}"), member)
        .hincr(format!("{tag}rn:{channel}"), nid.to_string(), -1)
        .exec(&mut cluster.connection)
        .expect("deleted");
}

#[test]
fn a_fresh_engine_admits_no_join_for_a_lease() {
    let mut cluster = Cluster::empty(Engine::shared());
    let mut node = cluster.node(1);
    assert_eq!(node.try_join(1, "ann", "hall", 9), Err(Refusal::Recovering));
    assert!(cluster.roster("hall").is_recovering);
    let left = node.beat().expect("beaten").recovery_us;
    assert!(left > LEASE / 2 && left <= LEASE, "{left}");
    // The lease is over.
    let now = cluster.time();
    cluster.set("recover", now - 1);
    assert_eq!(node.beat().expect("beaten").recovery_us, 0);
    node.try_join(1, "ann", "hall", 9).expect("admitted");
    assert!(!cluster.roster("hall").is_recovering);
}

/// Otherwise the host would hear that nobody was there.
#[test]
fn nobody_is_kicked_while_seats_may_be_missing() {
    let mut cluster = Cluster::empty(Engine::shared());
    let mut node = cluster.node(1);
    let user = Operation::Kick {
        user: "ann".into(),
        channel: None,
        reason: 1,
        before: None,
    };
    let room = Operation::Clear {
        channel: "hall".into(),
        reason: 1,
        before: None,
    };
    for kick in [&user, &room] {
        let record = node.run(kick).record;
        assert_eq!(record, Record::Refused(Refusal::Recovering));
    }
    let now = cluster.time();
    cluster.set("recover", now - 1);
    node.try_join(1, "ann", "hall", 9).expect("admitted");
    assert_eq!(gone(&node.run(&user).record), [1]);
}

#[test]
fn joins_wait_until_every_node_has_put_its_seats_back() {
    let mut cluster = Cluster::empty(Engine::shared());
    let mut fresh = cluster.node(1);
    let mut back = cluster.register(Nid::new(2, 2), true).expect("registered");
    let lost = cluster.register(Nid::new(3, 2), true).expect("registered");
    let now = cluster.time();
    cluster.set("recover", now - 1);
    assert!(fresh.beat().expect("beaten").recovery_us > 0);
    assert_eq!(
        fresh.try_join(1, "ann", "hall", 9),
        Err(Refusal::Recovering)
    );
    reassert(&mut back, &[], &[]);
    assert_eq!(
        fresh.try_join(1, "ann", "hall", 9),
        Err(Refusal::Recovering)
    );
    // The third node died before it was done.
    cluster.lease_ends(lost.of.nid, now - 1);
    fresh.beat().expect("beaten");
    assert_eq!(fresh.reap(lost.of.nid).expect("reaped"), Reaped::Done(0));
    fresh.try_join(1, "ann", "hall", 9).expect("admitted");
}

#[test]
fn joins_do_not_wait_for_ever_for_a_node_that_puts_nothing_back() {
    let mut cluster = Cluster::empty(Engine::shared());
    let mut fresh = cluster.node(1);
    cluster.register(Nid::new(2, 2), true).expect("registered");
    let now = cluster.time();
    let minute = 60_000_000;
    cluster.set("recover", now - minute + minute / 2);
    assert!(fresh.beat().expect("beaten").recovery_us > 0);
    cluster.set("recover", now - minute);
    // A join finds it out by itself.
    fresh.try_join(1, "ann", "hall", 9).expect("admitted");
    assert_eq!(fresh.beat().expect("beaten").recovery_us, 0);
    assert!(!cluster.roster("hall").is_recovering);
}

#[test]
fn after_a_partial_loss_joins_do_not_wait() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    cluster.register(Nid::new(2, 2), true).expect("registered");
    assert_eq!(a.beat().expect("beaten").recovery_us, 0);
    a.try_join(1, "ann", "hall", 9).expect("admitted");
}

#[test]
fn every_script_notices_that_all_data_was_lost() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    flush(&mut cluster);
    for somebody_registers in [false, true] {
        if somebody_registers {
            cluster.node(5);
        }
        assert!(matches!(
            a.send(1, &leaving(1, "ann")),
            Err(ScriptError::Reboot)
        ));
        assert!(matches!(a.beat(), Err(ScriptError::Reboot)));
        assert!(matches!(a.reap(Nid::new(5, 1)), Err(ScriptError::Reboot)));
        assert!(matches!(a.close(), Err(ScriptError::Reboot)));
        let policy = a
            .scripts
            .policy(&a.of)
            .query(&mut a.connection)
            .expect("an answer");
        let policy = united_voice_redis::parse_policy(policy);
        assert!(matches!(policy, Err(ScriptError::Reboot)));
    }
}

#[test]
fn after_a_full_loss_everybody_sits_as_before_and_survivors_before_newcomers() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let ann = a.try_join(1, "ann", "hall", 2).expect("free").member;
    let ben = b.try_join(2, "ben", "hall", 2).expect("free").member;
    a.run(&muting(1, "ann", true));
    let before = cluster.roster("hall").members;
    flush(&mut cluster);

    // Ben's node is first. Nobody can take a place meanwhile, and the limit, since lowered, is not
    // asked.
    let mut b2 = cluster.register(Nid::new(2, 2), true).expect("registered");
    let mut a2 = cluster.register(Nid::new(1, 2), true).expect("registered");
    let ben = Member {
        limit: NonZeroU32::new(1),
        ..ben
    };
    assert_eq!(
        reassert(&mut b2, &[b.of.nid], &[seat("hall", &ben)]),
        [Restored::Seated]
    );
    let ann = Member {
        flags: Flags::own(true, false),
        limit: NonZeroU32::new(1),
        ..ann
    };
    assert_eq!(b2.try_join(9, "cid", "hall", 2), Err(Refusal::Recovering));
    assert_eq!(
        reassert(&mut a2, &[a.of.nid], &[seat("hall", &ann)]),
        [Restored::Seated]
    );

    let after = cluster.roster("hall").members;
    let places = |members: &[Member]| -> Vec<_> {
        members
            .iter()
            .map(|m| (m.session, m.version, m.user.clone(), m.flags))
            .collect()
    };
    assert_eq!(places(&after), places(&before));
    // The other node is told the seat, and where to send messages to it now.
    let heard = b2.read();
    let Record::Seats(seats) = &heard.last().expect("an entry").record else {
        panic!("{heard:?}");
    };
    assert_eq!(
        (seats[0].member.session, seats[0].member.nid),
        (1, a2.of.nid)
    );
    assert_eq!(seats[0].others, None);
}

#[test]
fn a_version_that_comes_back_is_never_given_again() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let mut ann = a.join(1, "ann", "hall").member;
    flush(&mut cluster);
    ann.version += 3_600_000_000;
    let mut a2 = cluster.register(Nid::new(1, 2), true).expect("registered");
    reassert(&mut a2, &[a.of.nid], &[seat("hall", &ann)]);
    cluster.admit();
    assert!(a2.join(2, "ben", "hall").member.version > ann.version);
}

#[test]
fn a_new_registration_moves_the_seats_and_the_old_one_is_reaped_in_silence() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let ann = a.join(1, "ann", "hall").member;
    b.join(2, "ben", "hall");
    let mut a2 = cluster.register(Nid::new(1, 2), true).expect("registered");
    b.read();
    assert_eq!(
        reassert(&mut a2, &[a.of.nid], &[seat("hall", &ann)]),
        [Restored::Seated]
    );
    assert_eq!(a2.reap(a.of.nid).expect("reaped"), Reaped::Done(0));
    let members = cluster.roster("hall").members;
    assert_eq!((members[0].session, members[0].nid), (1, a2.of.nid));
    let heard = b.read();
    assert_eq!(heard.len(), 1, "nobody left: {heard:?}");
    // The counts of the room follow: after the last leave of the new one, it is told nothing.
    a2.leave(1, "ann");
    b.run(&muting(2, "ben", true));
    assert!(a2.read().is_empty());
}

#[test]
fn a_seat_that_has_not_been_moved_yet_is_still_the_nodes_own() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.join(1, "ann", "hall");
    b.join(2, "ben", "hall");
    let mut a2 = cluster.register(Nid::new(1, 2), true).expect("registered");
    b.read();
    a2.run(&muting(1, "ann", true));
    assert_eq!(gone(&a2.leave(1, "ann")), [1]);
    let heard = b.read();
    assert_eq!(left(&heard[1].record).reason, LEFT, "it is no disconnect");
    assert_eq!(a2.reap(a.of.nid).expect("reaped"), Reaped::Done(0));
    assert!(b.read().is_empty());
    assert_eq!(cluster.users("hall"), ["ben"]);
}

#[test]
fn putting_back_twice_changes_nothing() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let ann = a.join(1, "ann", "hall").member;
    for _ in 0..2 {
        assert_eq!(
            reassert(&mut a, &[], &[seat("hall", &ann)]),
            [Restored::Seated]
        );
    }
    assert_eq!(cluster.roster("hall").members, [ann]);
    a.leave(1, "ann");
    let rooms = cluster.key("rn:hall");
    let left: u64 = cluster.run(&["EXISTS", &rooms]);
    assert_eq!(left, 0);
}

#[test]
fn a_late_copy_does_not_put_back_a_seat_that_has_left() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let ann = a.join(1, "ann", "hall").member;
    let back = Operation::Reassert {
        earlier: vec![],
        last: true,
        seats: vec![seat("hall", &ann)],
    };
    let number = a.propose(&back);
    a.leave(1, "ann");
    assert_eq!(a.send(number, &back).expect("an answer"), Ran::Before);
    assert!(cluster.users("hall").is_empty());
}

#[test]
fn of_two_seats_of_one_user_the_newer_stays() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let old = a.join(1, "ann", "hall").member;
    lose(&mut cluster, a.of.nid, "hall", "ann", 1);
    let new = b.join(2, "ann", "yard").member;
    assert_eq!(
        reassert(&mut a, &[], &[seat("hall", &old)]),
        [Restored::Superseded]
    );
    assert_eq!(cluster.users("yard"), ["ann"]);

    // The other way round: the engine lost the newer one and has the older.
    lose(&mut cluster, b.of.nid, "yard", "ann", 2);
    let older = Member {
        version: new.version - 1,
        ..old
    };
    assert_eq!(
        reassert(&mut a, &[], &[seat("hall", &older)]),
        [Restored::Seated]
    );
    assert_eq!(
        reassert(&mut b, &[], &[seat("yard", &new)]),
        [Restored::Seated]
    );
    assert!(cluster.users("hall").is_empty());
    let heard = a.read().pop().expect("an entry");
    let Record::Seats(seats) = heard.record else {
        panic!("{heard:?}");
    };
    assert_eq!(seats[0].replaces, [(1, "hall".into())]);
}

/// The node never had the outcome of the newer one. It refused that join, so no connection has the
/// seat, and the client must not be told that another one has.
#[test]
fn a_newer_seat_of_the_same_process_has_no_connection() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let old = a.join(1, "ann", "hall").member;
    a.join(2, "ann", "yard");
    assert_eq!(
        reassert(&mut a, &[], &[seat("hall", &old)]),
        [Restored::Ended]
    );
    assert!(cluster.users("hall").is_empty());
}

#[test]
fn a_seat_that_another_process_holds_now_is_superseded() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let ann = a.join(1, "ann", "hall").member;
    assert_eq!(
        reassert(&mut b, &[], &[seat("hall", &ann)]),
        [Restored::Superseded]
    );
    assert_eq!(
        reassert(&mut a, &[], &[seat("yard", &ann)]),
        [Restored::Superseded]
    );
    assert_eq!(cluster.roster("hall").members, [ann]);
}

#[test]
fn a_place_that_was_filled_meanwhile_is_lost_unless_nobody_could_fill_it() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let ann = a.try_join(1, "ann", "hall", 1).expect("free").member;
    lose(&mut cluster, a.of.nid, "hall", "ann", 1);
    b.try_join(2, "ben", "hall", 1).expect("free again");
    assert_eq!(
        reassert(&mut a, &[], &[seat("hall", &ann)]),
        [Restored::Full]
    );
    assert_eq!(cluster.users("hall"), ["ben"]);
    // The limit is that of its own join. One that was lowered since throws nobody out.
    let roomy = Member {
        limit: NonZeroU32::new(2),
        ..ann
    };
    assert_eq!(
        reassert(&mut a, &[], &[seat("hall", &roomy)]),
        [Restored::Seated]
    );
    assert_eq!(cluster.users("hall"), ["ann", "ben"], "its old place");
}

#[test]
fn a_seat_that_others_were_told_is_gone_does_not_come_back() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let ann = b.join(1, "ann", "hall").member;
    let mut b2 = cluster.register(Nid::new(2, 2), true).expect("registered");
    let now = cluster.time();
    cluster.lease_ends(b.of.nid, now - 1);
    a.beat().expect("beaten");
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::Done(1));
    assert_eq!(
        reassert(&mut b2, &[b.of.nid], &[seat("hall", &ann)]),
        [Restored::Reaped]
    );
    assert!(cluster.users("hall").is_empty());
}

#[test]
fn a_registration_that_its_own_process_reaped_takes_no_seat_away() {
    let mut cluster = Cluster::new();
    let [mut first] = cluster.nodes();
    let ann = first.join(1, "ann", "hall").member;
    let again = |cluster: &mut Cluster, number| {
        let nid = Nid::new(first.of.nid.node, number);
        cluster.register(nid, true).expect("registered")
    };
    let mut second = again(&mut cluster, 2);
    let ann = seat("hall", &ann);
    let earlier = [first.of.nid, second.of.nid];
    let back = std::slice::from_ref(&ann);
    assert_eq!(
        reassert(&mut second, &earlier[..1], back),
        [Restored::Seated]
    );
    // The answer to this does not come, so the process goes on naming its first registration.
    assert_eq!(second.reap(earlier[0]).expect("reaped"), Reaped::Done(0));
    lose(&mut cluster, earlier[1], "hall", "ann", 1);
    let mut third = again(&mut cluster, 3);
    assert_eq!(reassert(&mut third, &earlier, back), [Restored::Seated]);
    assert_eq!(cluster.users("hall"), ["ann"]);
}

#[test]
fn a_seat_of_a_dying_registration_that_is_still_there_moves() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let mut members = Vec::new();
    for session in 0..40 {
        members.push(b.join(session, &format!("user {session}"), "hall").member);
    }
    let mut b2 = cluster.register(Nid::new(2, 2), true).expect("registered");
    let now = cluster.time();
    cluster.lease_ends(b.of.nid, now - 1);
    a.beat().expect("beaten");
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::More(32));
    let seats: Vec<_> = members.iter().map(|member| seat("hall", member)).collect();
    let results = reassert(&mut b2, &[b.of.nid], &seats);
    let count = |wanted| results.iter().filter(|result| **result == wanted).count();
    assert_eq!((count(Restored::Seated), count(Restored::Reaped)), (8, 32));
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::Done(0));
    assert_eq!(cluster.users("hall").len(), 8);
}

#[test]
fn nodes_that_do_not_fit_together_do_not_register() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let taken = cluster.register(a.of.nid, false);
    assert!(matches!(taken, Err(RegisterError::Taken)));
    let other = cluster.register_as(Nid::new(5, 1), false, b"other secret");
    assert!(matches!(other, Err(RegisterError::Fingerprint)));
    // Once all nodes have been gone for a lease, the secret may be another one.
    a.close().expect("closed");
    cluster
        .register_as(Nid::new(5, 1), false, b"other secret")
        .expect("registered");
    let back = cluster.register(Nid::new(6, 1), false);
    assert!(matches!(back, Err(RegisterError::Fingerprint)));

    let print = cluster.key("print");
    cluster.run::<()>(&["SET", &print, "\u{2}of a later version"]);
    let other = cluster.register(Nid::new(7, 1), false);
    assert!(matches!(other, Err(RegisterError::Format)));
}
