//! A join that the engine has decided: answered, applied and told in one step.

use std::sync::Arc;

use united_voice_proto::voice::VoiceLeaveReason;

use super::copy::{adopt_state, away};
use crate::{
    ChannelId, CloseReason, SessionId, SignalSink, Urgency, UserId, VoiceRoomRegistry,
    cluster::{JoinAsked, RosterMember},
    rooms::{
        cell::{Members, RoomCell, lock_both},
        change::{Answer, Change, Locked, tell_left, tell_seat_lost},
        fanout::Fanout,
        link::ClusterLink,
        room::Place,
        snapshot::{JoinSnapshot, Joined},
        user::{Seat, UserCell},
    },
};

/// No connection has this number: the counter of connections begins at random and never reaches it
/// in practice, and if it did, one join would be given up.
const NO_CONNECTION: u64 = u64::MAX;

/// A join that the engine has decided.
pub(super) struct Joining<'a> {
    pub(super) registry: &'a VoiceRoomRegistry,
    pub(super) channel: &'a ChannelId,
    pub(super) member: RosterMember,
    pub(super) ends: &'a [(SessionId, ChannelId)],
}

impl Joining<'_> {
    /// Applies the join, and answers it if this node asked. `others` are the members that were
    /// there before, if this node has no copy.
    pub(super) fn apply(self, mut asked: Option<JoinAsked>, mut others: Option<Vec<RosterMember>>) {
        let inner = &*self.registry.inner;
        let Some(link) = inner.link() else {
            return;
        };
        let user = self.member.user.clone();
        let who = inner.user(&user);
        let mut connections = who.as_ref().map(|who| who.state.lock());
        let mut fanout = Fanout::default();
        let is_here = self.member.node.is_none();
        let asker = asked.as_ref();
        let asker = asker.map_or(NO_CONNECTION, |asked| asked.connection);
        let lost = self.lost_seat(connections.as_deref());
        let lost_own = lost.as_ref().is_some_and(|(holder, _)| *holder == asker);
        if let Some((_, seat)) = lost {
            let connections = connections.as_deref_mut();
            self.end_elsewhere(&seat, connections, lost_own, &mut fanout);
        }
        loop {
            let room = if is_here {
                Some(inner.room_or_new(self.channel))
            } else {
                inner.room(self.channel)
            };
            let old = self
                .ends
                .iter()
                .find(|(_, channel)| channel != self.channel);
            let old_room = old.and_then(|(_, channel)| inner.room(channel));
            let Some(room) = room else {
                // This node has no member in the new room, so only the end of the old stay concerns
                // it.
                if let (Some((session, _)), Some(room)) = (old, old_room) {
                    let (connections, session) = (connections.as_deref_mut(), *session);
                    let seat = Seat { room, session };
                    self.end_elsewhere(&seat, connections, false, &mut fanout);
                }
                break;
            };
            let (mut cell, mut old_cell) = lock_both(&room, old_room.as_ref());
            let Some(members) = cell.open_mut() else {
                drop((cell, old_cell));
                inner.remove_room(&room);
                continue;
            };
            let has_copy = !members.is_empty() || others.is_some();
            if let Some(others) = others.take().filter(|_| members.is_empty()) {
                for other in others {
                    members.seat(away(link, other));
                }
            }
            let locked = Locked {
                registry: inner,
                user: &user,
                connections: connections.as_deref_mut(),
                room: &room,
                members,
                old: old_room
                    .as_deref()
                    .zip(old_cell.as_deref_mut().and_then(RoomCell::open_mut)),
            };
            // Without a copy, the join is refused: it cannot be answered from a part of the room.
            let asked = asked.take().filter(|_| has_copy);
            let seated = self.seat(link, locked, (asker, asked), has_copy, &mut fanout);
            inner.release(&room, cell, old_room.as_ref().zip(old_cell));
            if is_here && !seated {
                let connections = connections.as_deref();
                let own = connections.and_then(|connections| connections.connection(asker));
                if let Some(own) = own.filter(|_| lost_own) {
                    own.sink.close(CloseReason::SeatLost);
                }
                // Nobody is there to give this seat up later.
                link.give_up(&user, asker, (self.channel, self.member.session));
            }
            break;
        }
        drop(connections);
        self.registry.evict_all(fanout);
    }

    /// The critical section of a join. Returns whether the seat has somebody who will give it up.
    ///
    /// A node has no copy although the engine says so if its last member left while the node was
    /// cut off, and the engine did not know that yet. Then nobody takes the seat.
    fn seat(
        &self,
        link: &ClusterLink,
        mut locked: Locked<'_>,
        (asker, asked): (u64, Option<JoinAsked>),
        has_copy: bool,
        fanout: &mut Fanout,
    ) -> bool {
        let session = self.member.session;
        if let Some(position) = locked.members.position_of(session) {
            // An engine had lost the seat. Its node has put it back, or the join ran again under
            // another number. Or the copy is of a roster that was newer than this.
            locked.members.set_version(position, self.member.version);
            adopt_state(&mut locked, position, &self.member, fanout);
            locked.members.sort_by_version();
            self.end_named(&mut locked, (asker, false), fanout);
            return true;
        }
        let connections = locked.connections.as_deref();
        let sink = connections.and_then(|connections| connections.connection(asker));
        let sink = sink.map(|connection| Arc::clone(&connection.sink));
        let answered = match (asked, &sink) {
            (Some(asked), Some(sink)) => Some(asked.limit)
                .filter(|_| answer_join(asked, locked.members, locked.user, session, sink, fanout)),
            _ => None,
        };
        let given_up = self.member.node.is_none() && answered.is_none();
        self.end_others(&mut locked, (asker, given_up), fanout);
        if self.member.node.is_some() {
            locked.begin_away(away(link, self.member.clone()), fanout);
            // A seat that was lost and is back is older than others.
            locked.members.sort_by_version();
            return true;
        }
        if !has_copy {
            return false;
        }
        let change = Change::Join {
            session,
            connection: answered.map_or(NO_CONNECTION, |_| asker),
            profile: self.member.profile.clone(),
            ends: None,
        };
        locked.apply(change, Answer::None, fanout);
        if let Some(position) = locked.members.position_of(session) {
            let place = Place {
                node: None,
                limit: answered.flatten(),
                version: self.member.version,
            };
            locked.members.set_place(position, place);
            // An engine that lost something may have a clock that is behind.
            locked.members.sort_by_version();
        }
        answered.is_some()
    }

    /// Ends the stays that the join takes the place of. If nobody has the new seat, because the join
    /// was `given_up`, a connection that had one of them is closed.
    fn end_others(&self, locked: &mut Locked<'_>, by: (u64, bool), fanout: &mut Fanout) {
        self.end_named(locked, by, fanout);
        // A stay that the engine has lost.
        let listed = locked.members.find(locked.user.as_str());
        if let Some(session) = listed.map(|listed| listed.session) {
            end(locked, (session, true), by, fanout);
        }
    }

    /// The same for those that the engine names.
    fn end_named(&self, locked: &mut Locked<'_>, by: (u64, bool), fanout: &mut Fanout) {
        for (ended, channel) in self.ends {
            end(locked, (*ended, channel == self.channel), by, fanout);
        }
    }

    /// A seat of the user in another room that the engine has lost: the join does not name it.
    fn lost_seat(&self, connections: Option<&UserCell>) -> Option<(u64, Seat)> {
        let (holder, seat) = connections?.seat()?;
        let is_named = self.ends.iter().any(|(ended, _)| *ended == seat.session);
        let is_lost = !is_named && seat.room.id != *self.channel;
        is_lost.then(|| (holder.number, seat.clone()))
    }

    /// Ends a stay of the user in another room. If it is the joiner's own, the joiner is not told.
    fn end_elsewhere(
        &self,
        Seat { room, session }: &Seat,
        connections: Option<&mut UserCell>,
        is_own: bool,
        fanout: &mut Fanout,
    ) {
        let inner = &*self.registry.inner;
        if let Some(connections) = connections {
            connections.take_seat(*session);
        }
        let mut cell = room.state.lock();
        if let Some(members) = cell.open_mut()
            && let Some(gone) = members.unseat(*session)
        {
            if !is_own {
                tell_seat_lost(room, &gone, fanout);
            }
            let reason = VoiceLeaveReason::Moved;
            tell_left(inner, room, members, &gone, reason, fanout);
        }
        inner.release(room, cell, None);
    }
}

/// Ends a stay in the room of the join, or in the old one.
fn end(
    locked: &mut Locked<'_>,
    (session, is_here): (SessionId, bool),
    (asker, given_up): (u64, bool),
    fanout: &mut Fanout,
) {
    let seat = locked.connections.as_deref().and_then(UserCell::seat);
    let holder = seat.filter(|(_, seat)| given_up && seat.session == session);
    let holder = holder.map(|(holder, _)| (holder.number, Arc::clone(&holder.sink)));
    let old = locked.old.take_if(|_| is_here);
    let quiet = holder.as_ref().map_or(asker, |(number, _)| *number);
    locked.end_earlier(session, quiet, fanout);
    if is_here {
        locked.old = old;
    }
    if let Some((_, sink)) = holder {
        sink.close(CloseReason::SeatLost);
    }
}

/// Answers a join from the room as it is now. Returns false if the join was given up.
fn answer_join(
    asked: JoinAsked,
    members: &Members,
    user: &UserId,
    session: SessionId,
    sink: &Arc<dyn SignalSink>,
    fanout: &mut Fanout,
) -> bool {
    let snapshot = JoinSnapshot::of(members, user.as_str(), session, false);
    let (mut response, response_bytes) = (asked.respond)(snapshot);
    response.set_urgency(Urgency::Reply);
    let joined = Joined {
        session,
        is_rejoin: false,
        response_bytes,
    };
    // The asker sees this before the response is delivered. It cannot act on it, since everything
    // that it does takes the user's lock, which is held here.
    if asked.answer.send(Ok(joined)).is_err() {
        return false;
    }
    fanout.deliver_only(user, sink, response);
    true
}
