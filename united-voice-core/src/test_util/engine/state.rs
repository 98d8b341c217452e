//! What the engine in memory holds, and how it decides.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    num::NonZeroU32,
};

use united_voice_proto::voice::VoiceLeaveReason;

use crate::{
    ChannelId, RelayFailure, SessionId, UserId,
    cluster::{
        Asked, Forward, ForwardedBy, NodeId, Operation, Outcome, OwnSeat, Refusal, RosterMember,
        Said,
    },
};

#[derive(Default)]
pub(super) struct State {
    pub(super) rooms: HashMap<ChannelId, Vec<Seat>>,
    /// Where each user sits.
    pub(super) users: HashMap<UserId, (SessionId, ChannelId)>,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    version: u64,
    /// No number is given again: what is on its way to a node that died must not reach another.
    pub(super) last_node: u32,
    pub(super) policy: u64,
    pub(super) log: Vec<Outcome>,
}

/// A seat in the engine.
pub(super) struct Seat {
    pub(super) node: NodeId,
    pub(super) member: RosterMember,
}

#[derive(Default)]
pub(super) struct Node {
    /// What the node has sent and the engine has not yet taken.
    pub(super) outbox: VecDeque<Sent>,
    pub(super) inbox: VecDeque<Entry>,
    pub(super) cut_off: bool,
}

pub(super) enum Sent {
    Operation(Operation),
    Entry(NodeId, Entry),
}

/// What an inbox holds.
pub(super) enum Entry {
    Outcome(Option<Asked>, Outcome),
    Forward(NodeId, Forward),
    Bounced(ForwardedBy, ChannelId, RelayFailure),
    Said(Said),
    Roster(ChannelId, Vec<RosterMember>),
}

impl State {
    /// Puts an entry into a node's inbox. What is for a node that died is lost.
    pub(super) fn push(&mut self, to: NodeId, entry: Entry) {
        if let Some(node) = self.nodes.get_mut(&to) {
            node.inbox.push_back(entry);
        }
    }

    fn nodes_in(&self, channel: &ChannelId) -> BTreeSet<NodeId> {
        let seats = self.rooms.get(channel).into_iter().flatten();
        seats.map(|seat| seat.node).collect()
    }

    pub(super) fn run(&mut self, from: NodeId, operation: Operation) {
        match operation {
            Operation::Join {
                session,
                user,
                channel,
                profile,
                limit,
                policy,
                asked,
            } => {
                let member = RosterMember {
                    node: None,
                    session,
                    user,
                    profile,
                    muted: false,
                    deafened: false,
                    version: 0,
                };
                match self.may_join(&member.user, &channel, limit, policy) {
                    Ok(()) => self.join(from, &channel, member, asked),
                    Err(refusal) => self.refuse(from, asked, refusal),
                }
            }
            Operation::Leave {
                session,
                user,
                reason,
                asked,
                ..
            } => {
                if self
                    .users
                    .get(&user)
                    .is_some_and(|(seat, _)| *seat == session)
                {
                    self.leave(&user, reason, Some((from, asked)), None);
                } else {
                    self.refuse(from, asked, Refusal::NotInChannel);
                }
            }
            Operation::State {
                session,
                channel,
                muted,
                deafened,
                asked,
                ..
            } => {
                let seats = self.rooms.get_mut(&channel).into_iter().flatten();
                let mut seats = seats.filter(|seat| seat.member.session == session);
                let Some(seat) = seats.next() else {
                    self.refuse(from, asked, Refusal::NotInChannel);
                    return;
                };
                (seat.member.muted, seat.member.deafened) = (muted, deafened);
                let outcome = Outcome::State {
                    channel: channel.clone(),
                    session,
                    muted,
                    deafened,
                };
                self.tell(self.nodes_in(&channel), Some((from, asked)), |_| {
                    outcome.clone()
                });
            }
        }
    }

    fn refuse(&mut self, to: NodeId, asked: Asked, refusal: Refusal) {
        self.push(to, Entry::Outcome(Some(asked), Outcome::Refused(refusal)));
    }

    fn may_join(
        &self,
        user: &UserId,
        channel: &ChannelId,
        limit: Option<NonZeroU32>,
        policy: u64,
    ) -> Result<(), Refusal> {
        if policy < self.policy {
            return Err(Refusal::PolicyChanged);
        }
        let sits_here = self
            .users
            .get(user)
            .is_some_and(|(_, seat)| seat == channel);
        let present = self.rooms.get(channel).map_or(0, Vec::len);
        if !sits_here && limit.is_some_and(|limit| present >= limit.get() as usize) {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    fn join(&mut self, from: NodeId, channel: &ChannelId, mut member: RosterMember, asked: Asked) {
        let mut nodes = self.nodes_in(channel);
        let is_new = !nodes.contains(&from);
        let mut ends = Vec::new();
        if let Some((session, old)) = self.users.remove(&member.user) {
            nodes.extend(self.nodes_in(&old));
            self.take(session, &old);
            ends.push((session, old));
        }
        nodes.insert(from);
        self.version += 1;
        member.version = self.version;
        let before: Vec<RosterMember> = self
            .rooms
            .get(channel)
            .into_iter()
            .flatten()
            .map(seen)
            .collect();
        let seat = (member.session, channel.clone());
        self.users.insert(member.user.clone(), seat);
        self.rooms.entry(channel.clone()).or_default().push(Seat {
            node: from,
            member: member.clone(),
        });
        self.tell(nodes, Some((from, asked)), |to| Outcome::Joined {
            channel: channel.clone(),
            member: RosterMember {
                node: (to != from).then_some(from),
                ..member.clone()
            },
            ends: ends.clone(),
            others: (to == from && is_new).then(|| before.clone()),
        });
    }

    /// Ends the stay of a user.
    fn leave(
        &mut self,
        user: &UserId,
        reason: VoiceLeaveReason,
        asked: Option<(NodeId, Asked)>,
        reaper: Option<NodeId>,
    ) {
        let Some((session, channel)) = self.users.remove(user) else {
            return;
        };
        let mut nodes = self.nodes_in(&channel);
        nodes.extend(reaper);
        self.take(session, &channel);
        self.tell(nodes, asked, |to| Outcome::Left {
            channel: channel.clone(),
            user: user.clone(),
            session,
            reason,
            reaped: reaper == Some(to),
        });
    }

    /// Puts a seat back that was lost, at its old place. Returns false if its user has another one.
    pub(super) fn restore(&mut self, from: NodeId, seat: &OwnSeat) -> bool {
        if let Some((present, _)) = self.users.get(&seat.user) {
            return *present == seat.session;
        }
        let place = (seat.session, seat.channel.clone());
        self.users.insert(seat.user.clone(), place);
        let member = RosterMember {
            node: None,
            session: seat.session,
            user: seat.user.clone(),
            profile: seat.profile.clone(),
            muted: seat.muted,
            deafened: seat.deafened,
            version: seat.version,
        };
        let seats = self.rooms.entry(seat.channel.clone()).or_default();
        let later = seats.partition_point(|other| other.member.version < seat.version);
        seats.insert(
            later,
            Seat {
                node: from,
                member: member.clone(),
            },
        );
        self.tell_seat(from, &seat.channel, &member);
        true
    }

    /// Gives a seat another number, and tells it to the other nodes of its channel as a join.
    pub(super) fn rerun(&mut self, user: &UserId) {
        let Some((session, channel)) = self.users.get(user) else {
            return;
        };
        let Some(seats) = self.rooms.get_mut(channel) else {
            return;
        };
        let Some(position) = seats
            .iter()
            .position(|seat| seat.member.session == *session)
        else {
            return;
        };
        self.version += 1;
        let mut seat = seats.remove(position);
        seat.member.version = self.version;
        let (of, member, channel) = (seat.node, seat.member.clone(), channel.clone());
        seats.push(seat);
        self.tell_seat(of, &channel, &member);
    }

    /// Tells the other nodes of a channel that a member of this one is there.
    fn tell_seat(&mut self, of: NodeId, channel: &ChannelId, member: &RosterMember) {
        let mut others = self.nodes_in(channel);
        others.remove(&of);
        for node in others {
            let joined = Outcome::Joined {
                channel: channel.clone(),
                member: RosterMember {
                    node: Some(of),
                    ..member.clone()
                },
                ends: Vec::new(),
                others: None,
            };
            self.push(node, Entry::Outcome(None, joined));
        }
    }

    pub(super) fn rosters(&self, of: NodeId) -> Vec<(ChannelId, Vec<RosterMember>)> {
        let rooms = self.rooms.iter();
        let rooms = rooms.filter(|(_, seats)| seats.iter().any(|seat| seat.node == of));
        let member = |seat: &Seat| RosterMember {
            node: (seat.node != of).then_some(seat.node),
            ..seat.member.clone()
        };
        rooms
            .map(|(channel, seats)| (channel.clone(), seats.iter().map(member).collect()))
            .collect()
    }

    pub(super) fn send_rosters(&mut self, to: NodeId) {
        for (channel, roster) in self.rosters(to) {
            self.push(to, Entry::Roster(channel, roster));
        }
    }

    pub(super) fn end_seats(
        &mut self,
        which: impl Fn(&Seat) -> bool,
        reason: VoiceLeaveReason,
        reaper: Option<NodeId>,
    ) -> usize {
        let seats = self.rooms.values().flatten().filter(|seat| which(seat));
        let users: Vec<UserId> = seats.map(|seat| seat.member.user.clone()).collect();
        for user in &users {
            self.leave(user, reason, None, reaper);
        }
        users.len()
    }

    pub(super) fn take(&mut self, session: SessionId, channel: &ChannelId) {
        if let Some(seats) = self.rooms.get_mut(channel) {
            seats.retain(|seat| seat.member.session != session);
            if seats.is_empty() {
                self.rooms.remove(channel);
            }
        }
    }

    /// Writes an outcome into the inboxes of these nodes, and of the one that asked.
    fn tell(
        &mut self,
        mut nodes: BTreeSet<NodeId>,
        asked: Option<(NodeId, Asked)>,
        outcome: impl Fn(NodeId) -> Outcome,
    ) {
        nodes.extend(asked.as_ref().map(|(node, _)| *node));
        self.log.push(outcome(NodeId::new(NonZeroU32::MAX)));
        let mut asked = asked;
        for node in nodes {
            let mine = asked.take_if(|(asker, _)| *asker == node);
            let mine = mine.map(|(_, asked)| asked);
            self.push(node, Entry::Outcome(mine, outcome(node)));
        }
    }
}

/// A seat as another node sees it.
fn seen(seat: &Seat) -> RosterMember {
    RosterMember {
        node: Some(seat.node),
        ..seat.member.clone()
    }
}
