//! After a repair: the engine's rosters take the place of the node's copies.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use united_voice_core::{
    ChannelId,
    cluster::{Replica, RosterMember},
};

use super::{
    convert,
    loops::Run,
    shared::{ROSTERS, Shared},
};
use crate::{Nid, Roster};

/// How long a node that has put its seats back waits for others that have not, before it takes the
/// engine's rosters for whole. Everything is to be well 5 s after the engine is back, and a node that
/// registers again and again must not keep the others from that.
const ALL_BACK: Duration = Duration::from_secs(5);

/// A comparison of the copies with the engine.
pub(super) struct Comparing {
    /// Since when all seats of this node have been back.
    since: Instant,
    /// The channels that are left; `None` before it begins.
    left: Option<Vec<ChannelId>>,
}

impl Comparing {
    /// Of all copies. All seats of this node are back.
    pub(super) fn begin() -> Self {
        Self {
            since: Instant::now(),
            left: None,
        }
    }

    /// The next channels. They stay in the list until they have been compared.
    fn next(&mut self, replica: &Replica) -> Vec<ChannelId> {
        let left = self.left.get_or_insert_with(|| {
            let seats = replica.seats().into_iter();
            let channels: HashSet<_> = seats.map(|seat| seat.channel).collect();
            channels.into_iter().collect()
        });
        left[left.len().saturating_sub(ROSTERS)..].to_vec()
    }
}

impl Run {
    /// Puts some of the engine's rosters in the place of this node's copies. Returns true if others
    /// are left for which nobody has to wait.
    pub(super) async fn compare_some(&self, shared: &Shared, replica: &Replica) -> bool {
        if Instant::now() < *self.compare_from.lock() || self.compare.lock().is_none() {
            return false;
        }
        self.reap_earlier(shared).await;
        if !self.earlier.lock().is_empty() {
            // What is left there would be taken for members.
            return false;
        }
        let (since, channels) = match &mut *self.compare.lock() {
            Some(comparing) => (comparing.since, comparing.next(replica)),
            None => return false,
        };
        let must_be_whole = since.elapsed() < ALL_BACK;
        if !compare(shared, replica, &channels, must_be_whole).await {
            return false;
        }
        let mut compare = self.compare.lock();
        if let Some(Comparing {
            left: Some(left), ..
        }) = &mut *compare
        {
            left.truncate(left.len() - channels.len());
            if !left.is_empty() {
                return true;
            }
        }
        *compare = None;
        shared.counters.resyncs.add(1);
        false
    }
}

/// Returns false if it has to be tried again. The reader waits meanwhile and applies nothing, so no
/// roster is older than its copy. If it is newer, what makes it so comes out of the inbox later. With
/// `must_be_whole`, a roster from which seats may be missing does not count.
async fn compare(
    shared: &Shared,
    replica: &Replica,
    channels: &[ChannelId],
    must_be_whole: bool,
) -> bool {
    let names: Vec<_> = channels.iter().map(ChannelId::as_str).collect();
    let rosters = match shared.calls.rosters(&names).await {
        Ok(rosters) => rosters,
        Err(error) => {
            shared.engine_failed(&error, "rosters were not compared");
            return false;
        }
    };
    let own = shared.registration().nid;
    for (channel, roster) in channels.iter().zip(rosters) {
        if roster.is_recovering || (must_be_whole && roster.lacks_seats) {
            return false;
        }
        for member in &roster.members {
            shared.route(member.nid);
        }
        let lost = replica.install(channel, members(&roster, own));
        shared.counters.seats_lost.add(lost);
    }
    true
}

/// The members for the copy, without those of the registration `own`: the copy has them, or the
/// outcomes of their joins are still to come. Seats of an earlier registration that the copy has not
/// are of joins that were refused.
fn members(roster: &Roster, own: Nid) -> Vec<RosterMember> {
    let members = roster.members.iter().filter(|member| member.nid != own);
    let members = members.filter_map(|member| convert::member(member, own.node));
    members.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Flags, Member};

    /// Otherwise a member would lose its connection while another one of its user takes the seat
    /// over.
    #[test]
    fn a_seat_of_this_registration_is_left_to_the_inbox() {
        let own = Nid::new(1, 2);
        let seats = [own, Nid::new(1, 1), Nid::new(2, 2)];
        let members_of = seats.iter().zip(1..).map(|(nid, session)| Member {
            nid: *nid,
            session,
            user: "ann".into(),
            flags: Flags::own(false, false),
            limit: None,
            version: session,
            profile: Vec::new(),
        });
        let roster = Roster {
            members: members_of.collect(),
            version: 3,
            is_recovering: false,
            lacks_seats: false,
        };
        let found = members(&roster, own);
        let found: Vec<_> = found
            .iter()
            .map(|member| (member.session.to_u64(), member.node.is_none()))
            .collect();
        assert_eq!(found, [(2, true), (3, false)]);
    }
}
