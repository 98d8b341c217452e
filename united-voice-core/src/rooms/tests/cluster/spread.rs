//! The same operations on one registry and over three nodes.

use proptest::{collection::vec, prelude::*};

use super::{Member, Site};
use crate::{
    VoiceRoomRegistry,
    cluster::{Ending, Outcome},
    events::VoiceEvent,
    proto::voice::VoiceLeaveReason,
    rooms::tests::{
        channel,
        client::{Client, registry},
        ops::VoiceOp,
        order::Order,
        party::{channel_name, user_name},
        user,
        view::{Replica, Stay},
    },
};

const USERS: u8 = 5;
const CONNECTIONS: u8 = 8;
const CHANNELS: u8 = 3;
const NODES: usize = 3;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// Runs an operation for one connection. A host's own operations are not for it.
fn act(member: &mut Member, op: &VoiceOp) {
    let connection = &member.client.connection;
    match *op {
        VoiceOp::Join { channel, limit, .. } => {
            let name = channel_name(channel);
            if connection.link().is_some() {
                member.join_limited(&name, limit);
            } else {
                // The result is in what the client is sent, or is an error that changes nothing.
                let _ = member.client.join_limited(&name, limit);
            }
        }
        VoiceOp::Leave { channel, .. } => {
            let _ = connection.leave_channel(&channel_name(channel), "leave");
        }
        VoiceOp::Mute { muted, .. } => {
            if let Some((channel, _)) = connection.seat() {
                let _ = connection.update_state(channel.as_str(), muted, false, "mute");
            }
        }
        VoiceOp::Relay {
            target, channel, ..
        } => {
            let _ = member
                .client
                .send(&channel_name(channel), &user_name(target), "x");
        }
        VoiceOp::Reconnect { .. } | VoiceOp::Kick { .. } | VoiceOp::CloseChannel { .. } => {}
    }
}

fn actor(op: &VoiceOp) -> Option<usize> {
    match op {
        VoiceOp::Join { connection, .. }
        | VoiceOp::Leave { connection, .. }
        | VoiceOp::Mute { connection, .. }
        | VoiceOp::Relay { connection, .. }
        | VoiceOp::Reconnect { connection } => Some(usize::from(*connection)),
        VoiceOp::Kick { .. } | VoiceOp::CloseChannel { .. } => None,
    }
}

fn connect(registry: &VoiceRoomRegistry, number: usize) -> Member {
    let number = u8::try_from(number).expect("few connections");
    Member::new(Client::new(registry, &user_name(number % USERS)))
}

/// Three nodes with nothing on the way, and one registry: every client gets the same messages in
/// the same order.
fn compare(ops: &[VoiceOp]) {
    let site = Site::new(NODES);
    let alone = registry();
    let connections = 0..usize::from(CONNECTIONS);
    let mut spread: Vec<Member> = connections
        .clone()
        .map(|number| connect(site.registry(number), number))
        .collect();
    let mut single: Vec<Member> = connections.map(|number| connect(&alone, number)).collect();
    for op in ops {
        match (op, actor(op)) {
            (VoiceOp::Reconnect { .. }, Some(number)) => {
                spread[number] = connect(site.registry(number), number);
                single[number] = connect(&alone, number);
            }
            (op, Some(number)) => {
                act(&mut spread[number], op);
                act(&mut single[number], op);
            }
            (VoiceOp::Kick { user: number }, None) => {
                let name = user_name(*number);
                let kicked = site.kick(0, &name);
                assert_eq!(kicked, usize::from(alone.kick(&user(&name))));
            }
            (VoiceOp::CloseChannel { channel: number }, None) => {
                let closed = channel(&channel_name(*number));
                let ended = site.end(1, Ending::Channel(closed.clone()));
                assert_eq!(ended, alone.close_channel(&closed));
            }
            (_, None) => {}
        }
        site.settle();
        for (number, (spread, single)) in spread.iter_mut().zip(&single).enumerate() {
            assert!(!spread.is_waiting());
            assert_eq!(
                spread.lines(),
                single.lines(),
                "client {number} after {op:?}"
            );
            let seat =
                |member: &Member| member.client.connection.seat().map(|(channel, _)| channel);
            assert_eq!(seat(spread), seat(single), "the seat of client {number}");
        }
        site.assert_copies();
    }
    drop((spread, single));
    site.settle();
    assert!(site.engine.channels().is_empty());
    for (_, registry) in &site.nodes {
        let stats = registry.stats();
        assert_eq!((stats.rooms, stats.participants, stats.users), (0, 0, 0));
    }
}

/// A connection in a cluster where messages are on the way.
struct Guest {
    number: usize,
    member: Member,
    view: Replica,
    past: Vec<Stay>,
}

impl Guest {
    fn new(site: &Site, number: usize) -> Self {
        let member = connect(site.registry(number), number);
        Self {
            number,
            view: Replica::new(&member.client.name),
            member,
            past: Vec::new(),
        }
    }

    fn read(&mut self) {
        self.view.apply_all(&self.member.client.take());
    }

    /// Ends the connection, with a join that may still wait.
    fn reconnect(&mut self, site: &Site, join_first: bool) {
        self.read();
        if join_first {
            self.member.pending = None;
        }
        let name = self.member.client.name.clone();
        self.member = connect(site.registry(self.number), self.number);
        let view = std::mem::replace(&mut self.view, Replica::new(&name));
        self.past.extend(view.stays);
    }
}

/// Operations among deliveries that take any time. In the end all agree, and all saw one order.
fn delay(steps: &[(VoiceOp, Vec<usize>)]) {
    let site = Site::new(NODES);
    let mut guests: Vec<Guest> = (0..usize::from(CONNECTIONS))
        .map(|number| Guest::new(&site, number))
        .collect();
    for (op, moves) in steps {
        match (op, actor(op)) {
            (VoiceOp::Reconnect { .. }, Some(number)) => {
                guests[number].reconnect(&site, moves.len().is_multiple_of(2));
            }
            (op, Some(number)) => {
                let member = &mut guests[number].member;
                // A connection handles one request at a time.
                if !member.is_waiting() {
                    act(member, op);
                }
            }
            (VoiceOp::Kick { user }, None) => {
                site.kick(moves.len(), &user_name(*user));
            }
            (VoiceOp::CloseChannel { channel: number }, None) => {
                let closed = channel(&channel_name(*number));
                site.end(moves.len(), Ending::Channel(closed));
            }
            (_, None) => {}
        }
        moves.iter().for_each(|choice| site.step(*choice));
        guests.iter_mut().for_each(Guest::read);
    }
    site.settle();
    site.assert_copies();
    let order = Order::of(&events(&site.engine.log()));
    for guest in &mut guests {
        guest.read();
        assert!(!guest.member.is_waiting());
        let seat = guest.member.client.connection.seat();
        let view = guest.view.room.as_ref();
        let believed = view.map(|view| (view.channel.clone(), view.session.clone()));
        let seated = seat.map(|(channel, session)| (channel.to_string(), session.to_string()));
        assert_eq!(believed, seated, "the seat of {}", guest.member.client.name);
        if let Some((name, _)) = &seated {
            let registry = site.registry(guest.number);
            guest
                .view
                .assert_equals(&registry.participants(&channel(name)));
        }
        let name = &guest.member.client.name;
        guest
            .past
            .iter()
            .for_each(|stay| order.check(name, stay, true));
        let stays = guest.view.stays.iter();
        stays.for_each(|stay| order.check(name, stay, false));
    }
    let seats: usize = site
        .engine
        .channels()
        .iter()
        .map(|channel| site.engine.roster(channel).len())
        .sum();
    let seated = guests
        .iter()
        .filter(|guest| guest.view.room.is_some())
        .count();
    assert_eq!(seated, seats, "a seat without a connection");
}

/// What the engine decided, as events of a single registry.
fn events(log: &[Outcome]) -> Vec<VoiceEvent> {
    let mut events = Vec::new();
    let mut users = std::collections::HashMap::new();
    for outcome in log {
        match outcome.clone() {
            Outcome::Joined {
                channel,
                member,
                ends,
                ..
            } => {
                for (session, from) in ends {
                    let reason = if from == channel {
                        VoiceLeaveReason::Replaced
                    } else {
                        VoiceLeaveReason::Moved
                    };
                    events.push(VoiceEvent::Left {
                        channel: from,
                        user: member.user.clone(),
                        session,
                        reason,
                    });
                }
                users.insert(member.session, member.user.clone());
                events.push(VoiceEvent::Joined {
                    channel,
                    user: member.user,
                    session: member.session,
                });
            }
            Outcome::Left {
                channel,
                user,
                session,
                reason,
                ..
            } => events.push(VoiceEvent::Left {
                channel,
                user,
                session,
                reason,
            }),
            Outcome::State {
                channel,
                session,
                muted,
                deafened,
            } => events.push(VoiceEvent::StateChanged {
                channel,
                user: users[&session].clone(),
                muted,
                deafened,
            }),
            Outcome::Refused(_) => {}
        }
    }
    events
}

fn op() -> impl Strategy<Value = VoiceOp> {
    VoiceOp::any(CONNECTIONS, USERS, CHANNELS)
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn three_nodes_tell_their_clients_what_one_would(ops in vec(op(), 0..60)) {
        compare(&ops);
    }

    #[test]
    fn with_messages_on_the_way_all_see_one_order(
        steps in vec((op(), vec(0..2 * NODES, 0..4)), 0..80)
    ) {
        delay(&steps);
    }
}
