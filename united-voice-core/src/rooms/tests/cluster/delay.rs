//! Any operations, while messages take any time, nodes lose their engine, and nodes die.

use std::collections::{HashMap, HashSet};

use futures::FutureExt;
use proptest::{collection::vec, prelude::*};

use super::{
    CHANNELS, CONNECTIONS, NODES, Site, USERS,
    spread::{actor, config},
    visitor::Visitor,
};
use crate::{
    VoiceEvents,
    cluster::{Cluster, Ending, NodeId, Outcome},
    events::VoiceEvent,
    proto::voice::VoiceLeaveReason,
    rooms::tests::{
        channel,
        ops::VoiceOp,
        order::Order,
        party::{channel_name, user_name},
        user,
    },
};

#[derive(Debug, Clone)]
enum Step {
    Op(VoiceOp),
    /// A connection gives up its join.
    GiveUp(u8),
    /// A node loses its engine, or finds it again.
    CutOff(usize, bool),
    /// The engine loses the seat of a user.
    Forget(u8),
    /// The engine loses the seat of a user, and runs the join again.
    Rerun(u8),
    /// A node compares its copies with rosters that are newer.
    Compare(usize),
    /// A node dies. Its clients come back by others, or by the one that starts in its place.
    Die(usize),
}

/// What a host hears about a session: how often it began and ended.
type Heard = HashMap<u64, (u32, u32)>;

struct Trial {
    site: Site,
    visitors: Vec<Visitor>,
    hosts: Vec<VoiceEvents>,
    heard: Heard,
    /// Whether the node in this place has told its members nothing but the engine's decisions.
    exact: [bool; NODES],
    dead: HashSet<NodeId>,
    /// The engine has lost something.
    has_lost: bool,
}

impl Trial {
    fn new() -> Self {
        let site = Site::new(NODES);
        let hosts = site.nodes.iter();
        let hosts = hosts.map(|(_, registry)| registry.events()).collect();
        let visitor = |number| Visitor::new(&site, usize::from(number) % NODES, number % USERS);
        Self {
            visitors: (0..CONNECTIONS).map(visitor).collect(),
            hosts,
            heard: Heard::new(),
            exact: [true; NODES],
            dead: HashSet::new(),
            has_lost: false,
            site,
        }
    }

    /// `spice` decides what the step leaves open.
    fn step(&mut self, step: &Step, spice: usize) {
        match step {
            Step::Op(op) => self.act(op, spice),
            Step::GiveUp(number) => self.visitors[usize::from(*number)].give_up(),
            Step::CutOff(node, cut_off) => {
                self.site.node(*node).set_cut_off(*cut_off);
                self.exact[*node] &= !cut_off;
            }
            Step::Forget(number) => {
                self.site.engine.forget(&user(&user_name(*number)));
                self.has_lost = true;
                self.exact = [false; NODES];
            }
            Step::Rerun(number) => {
                self.site.engine.rerun(&user(&user_name(*number)));
                self.has_lost = true;
                self.exact = [false; NODES];
            }
            Step::Compare(node) => {
                self.site.node(*node).compare_early();
                self.exact[*node] = false;
            }
            Step::Die(node) => self.die(*node, spice),
        }
    }

    fn act(&mut self, op: &VoiceOp, spice: usize) {
        let end = |which| {
            let ended = self.site.node(spice).end(which, VoiceLeaveReason::Kicked);
            // The node may be cut off.
            let _ = ended.now_or_never().expect("nothing waits");
        };
        match (op, actor(op)) {
            (VoiceOp::Reconnect { .. }, Some(number)) => {
                let visitor = &mut self.visitors[number];
                visitor.reconnect(&self.site, self.exact[visitor.node]);
            }
            (op, Some(number)) => self.visitors[number].act(op),
            (VoiceOp::Kick { user: number }, None) => end(Ending::User(user(&user_name(*number)))),
            (VoiceOp::CloseChannel { channel: number }, None) => {
                end(Ending::Channel(channel(&channel_name(*number))));
            }
            (_, None) => {}
        }
    }

    fn die(&mut self, node: usize, spice: usize) {
        self.dead.insert(self.site.node(node).id());
        self.site.restart(node);
        for (number, visitor) in self.visitors.iter_mut().enumerate() {
            if visitor.node == node {
                visitor.node = (node + number + spice) % NODES;
                visitor.reconnect(&self.site, self.exact[node]);
            }
        }
        self.hear();
        self.hosts[node] = self.site.registry(node).events();
        self.exact[node] = !self.has_lost;
    }

    fn read(&mut self) {
        for visitor in &mut self.visitors {
            visitor.view.any_order = self.has_lost;
            visitor.read(&self.site, self.exact[visitor.node]);
        }
        self.hear();
    }

    fn hear(&mut self) {
        for host in &mut self.hosts {
            while let Some(Some(event)) = host.recv().now_or_never() {
                match event.expect("read often enough") {
                    VoiceEvent::Joined { session, .. } => {
                        self.heard.entry(session.to_u64()).or_default().0 += 1;
                    }
                    VoiceEvent::Left { session, .. } => {
                        self.heard.entry(session.to_u64()).or_default().1 += 1;
                    }
                    VoiceEvent::StateChanged { .. } => {}
                }
            }
        }
    }

    /// In the end all agree.
    fn finish(mut self) {
        for (node, _) in &self.site.nodes {
            node.set_cut_off(false);
        }
        if self.has_lost {
            self.site.settle();
            self.read();
            let nodes = self.site.nodes.iter();
            nodes.clone().for_each(|(node, _)| node.restore());
            self.site.settle();
            nodes.for_each(|(node, _)| node.compare());
        }
        // A connection that is closed comes back, which is another change.
        for _ in 0..3 {
            self.site.settle();
            self.read();
        }
        self.site.assert_copies();
        let mut seats = 0;
        for channel in self.site.engine.channels() {
            seats += self.site.engine.roster(&channel).len();
        }
        let mut seated = 0;
        let received: Vec<String> = self
            .visitors
            .iter()
            .flat_map(|visitor| visitor.received.iter().cloned())
            .collect();
        let arrived: HashSet<&str> = received.iter().map(String::as_str).collect();
        assert_eq!(arrived.len(), received.len(), "a message arrived twice");
        let log = self.site.engine.log();
        let order = Order::of(&events(&log));
        for visitor in &mut self.visitors {
            assert!(!visitor.is_waiting(), "a join without an answer");
            let name = visitor.member.client.name.clone();
            let seat = visitor.member.client.connection.seat();
            let seat = seat.map(|(channel, session)| (channel.to_string(), session.to_string()));
            let view = visitor.view.room.as_ref();
            let believed = view.map(|view| (view.channel.clone(), view.session.clone()));
            assert_eq!(believed, seat, "the seat of {name}");
            if let Some((name, _)) = &seat {
                let registry = self.site.registry(visitor.node);
                let mut roster = registry.participants(&channel(name));
                if self.has_lost {
                    // A member that was put back is the last for those that did not know it.
                    let view = visitor.view.room.as_mut().expect("seated");
                    view.others
                        .sort_unstable_by(|a, b| a.user_id.cmp(&b.user_id));
                    roster.sort_unstable_by(|a, b| a.user_id.cmp(&b.user_id));
                }
                visitor.view.assert_equals(&roster);
                seated += 1;
            }
            let node_died = !self.dead.is_empty();
            let is_exact = self.exact[visitor.node];
            visitor.check(&order, is_exact, &arrived, node_died);
        }
        assert_eq!(seated, seats, "a seat without a connection");
        let nodes = self.site.nodes.iter();
        let counted: u64 = nodes.map(|(_, node)| node.stats().participants).sum();
        assert_eq!(counted, seats as u64, "the nodes do not add up");
        self.check_heard(&log);
    }

    /// The hosts of all nodes together heard of each stay once.
    fn check_heard(&self, log: &[Outcome]) {
        let mut seated = HashSet::new();
        for channel in self.site.engine.channels() {
            let roster = self.site.engine.roster(&channel);
            seated.extend(roster.iter().map(|(_, member)| member.session.to_u64()));
        }
        for outcome in log {
            let Outcome::Joined { member, .. } = outcome else {
                continue;
            };
            if member.node.is_some_and(|node| self.dead.contains(&node)) {
                continue;
            }
            let session = member.session.to_u64();
            let (began, ended) = self.heard.get(&session).copied().unwrap_or_default();
            let sits = u32::from(seated.contains(&session));
            assert!(began <= 1, "{member:?} began {began} times");
            assert_eq!(began, ended + sits, "the end of {member:?}");
        }
    }
}

fn run(steps: &[(Step, Vec<usize>)]) {
    let mut trial = Trial::new();
    for (step, moves) in steps {
        trial.step(step, moves.len());
        moves.iter().for_each(|choice| trial.site.step(*choice));
        trial.read();
    }
    trial.finish();
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

fn op() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => VoiceOp::any(CONNECTIONS, USERS, CHANNELS).prop_map(Step::Op),
        2 => (0..CONNECTIONS).prop_map(Step::GiveUp),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..NODES;
    prop_oneof![
        16 => op(),
        3 => (node.clone(), any::<bool>()).prop_map(|(node, off)| Step::CutOff(node, off)),
        2 => node.clone().prop_map(Step::Compare),
        1 => node.prop_map(Step::Die),
    ]
}

fn lossy() -> impl Strategy<Value = Step> {
    prop_oneof![
        16 => step(),
        3 => (0..USERS).prop_map(Step::Forget),
        2 => (0..USERS).prop_map(Step::Rerun),
    ]
}

/// How many moves follow a step, and which.
fn moves() -> impl Strategy<Value = Vec<usize>> {
    vec(0..2 * NODES, 0..4)
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn with_messages_on_the_way_all_see_one_order(steps in vec((op(), moves()), 0..80)) {
        run(&steps);
    }

    #[test]
    fn after_losses_of_the_engine_all_agree(steps in vec((lossy(), moves()), 0..60)) {
        run(&steps);
    }

    #[test]
    fn after_outages_and_deaths_all_agree(steps in vec((step(), moves()), 0..100)) {
        run(&steps);
    }
}
