//! This node's copy of a room: made from a roster, compared with one, and read.

use std::sync::Arc;

use united_voice_proto::voice::VoiceLeaveReason;

use crate::{
    CloseReason, SessionId, SignalSink, UserId,
    cluster::{Lost, OwnSeat, RosterMember},
    rooms::{
        cell::{Members, Room},
        change::{Answer, Change, Locked, Seated, tell_left, tell_members_left, tell_seat_lost},
        fanout::Fanout,
        link::ClusterLink,
        registry::RegistryInner,
        room::{Member, Place},
    },
};

/// Puts a roster in the place of the copy, and tells the difference.
pub(super) fn install(
    inner: &RegistryInner,
    link: &ClusterLink,
    room: &Arc<Room>,
    members: &mut Members,
    roster: Vec<RosterMember>,
    fanout: &mut Fanout,
) {
    let away_now = members
        .members()
        .filter(|member| !member.participant.is_here());
    let gone: Vec<SessionId> = away_now
        .map(|member| member.session)
        .filter(|session| !roster.iter().any(|member| member.session == *session))
        .collect();
    for session in gone {
        if let Some(gone) = members.unseat(session) {
            let reason = VoiceLeaveReason::Disconnected;
            tell_left(inner, room, members, &gone, reason, fanout);
        }
    }
    for member in roster {
        let known = members.position_of(member.session);
        let user = member.user.clone();
        let mut locked = Locked {
            registry: inner,
            user: &user,
            connections: None,
            room,
            members: &mut *members,
            old: None,
        };
        match known {
            None if member.node.is_some() => locked.begin_away(away(link, member), fanout),
            // A member of this node that the copy does not list has just left.
            None => {}
            Some(position) => {
                locked.members.set_version(position, member.version);
                adopt_state(&mut locked, position, &member, fanout);
            }
        }
    }
    members.sort_by_version();
}

/// Tells what the engine knows of a member of another node, if the copy has something else.
pub(super) fn adopt_state(
    locked: &mut Locked<'_>,
    position: usize,
    member: &RosterMember,
    fanout: &mut Fanout,
) {
    let known = locked.members.at(position).map(|known| known.participant);
    let differs = known.is_some_and(|known| {
        !known.is_here() && (known.muted, known.deafened) != (member.muted, member.deafened)
    });
    if differs {
        let change = Change::State {
            session: member.session,
            muted: member.muted,
            deafened: member.deafened,
        };
        locked.apply(change, Answer::None, fanout);
    }
}

/// The members of this node in a copy which have lost their seat to another session of the roster.
pub(super) fn superseded(room: &Room, roster: &[RosterMember]) -> Vec<(UserId, SessionId, Lost)> {
    let cell = room.state.lock();
    let members = cell.open().into_iter().flat_map(Members::members);
    let here = members.filter(|member| member.participant.is_here());
    let superseded = here.filter_map(|member| {
        let user = &member.participant.user;
        let mut seats = roster.iter().filter(|seat| seat.user == *user);
        let seat = seats.find(|seat| seat.session != member.session)?;
        // This node would list a seat of its own that has a connection.
        let why = seat.node.map_or(Lost::Gone, |_| Lost::Superseded);
        Some((user.clone(), member.session, why))
    });
    superseded.collect()
}

/// Takes a session of this node out of the room, and tells its connection why. The host has heard
/// of it if it was reaped. Returns false if the room does not list it.
pub(super) fn lose(
    inner: &RegistryInner,
    room: &Room,
    members: &mut Members,
    session: SessionId,
    (why, reaped): (Lost, bool),
    fanout: &mut Fanout,
) -> bool {
    let Some(gone) = members.unseat(session) else {
        return false;
    };
    let reason = match why {
        Lost::Superseded => {
            tell_seat_lost(room, &gone, fanout);
            VoiceLeaveReason::Replaced
        }
        Lost::Gone => {
            gone.handle.close(CloseReason::SeatLost);
            VoiceLeaveReason::Disconnected
        }
    };
    if reaped {
        inner.counters.left();
        tell_members_left(room, members, &gone, reason, fanout);
    } else {
        tell_left(inner, room, members, &gone, reason, fanout);
    }
    true
}

/// The seats of this node's connections in a room.
pub(super) fn own_seats(room: &Room) -> Vec<OwnSeat> {
    let cell = room.state.lock();
    let members = cell.open().into_iter().flat_map(Members::members);
    members
        .filter(|member| member.participant.is_here())
        .map(|member| OwnSeat {
            channel: room.id.clone(),
            user: member.participant.user.clone(),
            profile: member.participant.profile.clone(),
            session: member.session,
            muted: member.participant.muted,
            deafened: member.participant.deafened,
            version: member.participant.place.version,
            limit: member.participant.place.limit,
        })
        .collect()
}

/// A member of another node as the copies seat them.
pub(super) fn away(link: &ClusterLink, member: RosterMember) -> Seated {
    let sink = Arc::clone(&link.away);
    let mut seated = Member::new(member.user, member.session, member.profile, sink);
    seated.participant.muted = member.muted;
    seated.participant.deafened = member.deafened;
    seated.participant.place = Place {
        node: member.node,
        limit: None,
        version: member.version,
    };
    seated
}
