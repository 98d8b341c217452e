//! What comes out of the inbox, for core.

use std::{sync::atomic::Ordering, time::Instant};

use united_voice_core::{
    SessionId, UserId,
    cluster::{Asked, Lost, Outcome, Replica},
};

use super::{
    convert,
    message::Message,
    shared::{Ask, Shared},
};
use crate::{Entry, Joined, Left, Pack, Record, Refusal, Restored};

impl Shared {
    /// Applies an entry, and answers whoever asked for it. Returns true if it was the last seat that
    /// this node puts back, so that its copies have to be compared with the engine.
    pub(super) fn entry(&self, replica: &Replica, entry: Entry) -> bool {
        let number = entry.asked;
        let mut asked = number.map_or_else(Vec::new, |number| self.outbox.lock().outcome(number));
        match entry.record {
            Record::Tick { beat, .. } => {
                let now = Instant::now();
                let proven = {
                    let mut pulse = self.pulse.lock();
                    pulse.came_back(beat, now);
                    pulse.proven()
                };
                self.engine_works(proven);
                self.note_pulse(replica, now);
            }
            Record::Joined(joined) => {
                let asked = asked.pop().and_then(core);
                self.joined(replica, asked, joined);
            }
            Record::Left(left) => self.left(replica, asked, left, entry.version),
            Record::State {
                channel,
                session,
                flags,
            } => {
                if let Some(channel) = convert::channel(&channel) {
                    let outcome = Outcome::State {
                        channel,
                        session: SessionId::from_u64(session),
                        muted: flags.muted(),
                        deafened: flags.deafened(),
                    };
                    apply_for_all(replica, asked, &outcome);
                }
            }
            Record::Refused(refusal) => {
                if let Refusal::Policy { epoch } = refusal {
                    self.epoch.fetch_max(epoch, Ordering::SeqCst);
                }
                let outcome = Outcome::Refused(convert::refusal(refusal));
                apply_for_all(replica, asked, &outcome);
            }
            Record::Seats(seats) => {
                for joined in seats {
                    self.joined(replica, None, joined);
                }
            }
            Record::Reasserted { results, nodes } => {
                for nid in nodes {
                    self.route(nid);
                }
                return self.reasserted(replica, asked, &results);
            }
            Record::Unknown(kind) => tracing::warn!(kind, "a newer node wrote this entry"),
        }
        false
    }

    fn joined(&self, replica: &Replica, asked: Option<Asked>, joined: Joined) {
        self.route(joined.member.nid);
        let others = joined.others.map(|others| {
            others
                .into_iter()
                .filter_map(|other| {
                    self.route(other.nid);
                    convert::member(&other, self.me)
                })
                .collect()
        });
        let ends = joined.replaces.iter().filter_map(|(session, channel)| {
            Some((SessionId::from_u64(*session), convert::channel(channel)?))
        });
        let ends = ends.collect();
        let member = convert::member(&joined.member, self.me);
        let channel = convert::channel(&joined.channel);
        let (Some(member), Some(channel)) = (member, channel) else {
            tracing::error!("a member that cannot be read");
            return;
        };
        let outcome = Outcome::Joined {
            channel,
            member,
            ends,
            others,
        };
        replica.apply(asked, outcome);
    }

    fn left(&self, replica: &Replica, asked: Vec<Ask>, left: Left, version: u64) {
        let (mut core_asks, mut hosts) = (Vec::new(), Vec::new());
        for ask in asked {
            match ask {
                Ask::Host { operation, answer } => {
                    let now = Instant::now();
                    self.kicks.lock().decided(operation, version, now);
                    hosts.push(answer);
                }
                Ask::Again(operation) if left.more => {
                    let again = Ask::Again(operation.clone());
                    // Only a join may be refused.
                    let _ = self.outbox.lock().propose(operation, again);
                }
                ask => core_asks.extend(core(ask)),
            }
        }
        let (count, mut core_asks) = (left.seats.len(), core_asks.into_iter());
        for seat in left.seats {
            let user = UserId::new(&seat.user).ok();
            let (Some(user), Some(channel)) = (user, convert::channel(&seat.channel)) else {
                continue;
            };
            let outcome = Outcome::Left {
                channel,
                user,
                session: SessionId::from_u64(seat.session),
                reason: convert::reason(left.reason),
                reaped: left.reaped,
            };
            replica.apply(core_asks.next(), outcome);
        }
        for host in hosts {
            // It may have stopped waiting.
            let _ = host.send((count, left.more));
        }
    }

    /// Takes the seats that could not be put back from their connections. Returns whether all seats
    /// have been put back.
    fn reasserted(&self, replica: &Replica, asked: Vec<Ask>, results: &[(u64, Restored)]) -> bool {
        let mut is_done = false;
        for ask in asked {
            let Ask::Reassert { seats, last } = ask else {
                continue;
            };
            for (session, restored) in results {
                let session = SessionId::from_u64(*session);
                let seat = seats.iter().find(|(_, _, seat)| *seat == session);
                let Some((user, channel, session)) = seat else {
                    continue;
                };
                let why = match restored {
                    Restored::Seated => {
                        self.counters.reasserted.add(1);
                        continue;
                    }
                    Restored::ByHost(reason) => {
                        let outcome = Outcome::Left {
                            channel: channel.clone(),
                            user: user.clone(),
                            session: *session,
                            reason: convert::reason(*reason),
                            reaped: false,
                        };
                        replica.apply(None, outcome);
                        continue;
                    }
                    Restored::Superseded | Restored::ReapedAndBack => Lost::Superseded,
                    Restored::Full | Restored::Reaped | Restored::Ended => Lost::Gone,
                };
                let reaped = matches!(restored, Restored::Reaped | Restored::ReapedAndBack);
                let was_here = replica.lost(user, channel, *session, why, reaped);
                self.counters.seats_lost.add(usize::from(was_here));
            }
            is_done |= last;
        }
        is_done
    }
}

fn core(ask: Ask) -> Option<Asked> {
    match ask {
        Ask::Core { asked, .. } => Some(asked),
        _ => None,
    }
}

/// Applies an outcome once for each that asked. If nobody did, or states were merged, the members
/// are told all the same.
fn apply_for_all(replica: &Replica, asked: Vec<Ask>, outcome: &Outcome) {
    let mut asks = asked.into_iter().filter_map(core).peekable();
    if asks.peek().is_none() {
        replica.apply(None, outcome.clone());
    }
    for asked in asks {
        replica.apply(Some(asked), outcome.clone());
    }
}

/// Delivers the messages of another node.
pub(super) fn pack_arrived(shared: &Shared, replica: &Replica, pack: Pack) {
    let from = pack.from;
    shared.route(from);
    let messages = shared.outbox.lock().received(pack);
    let mut refusals = Vec::new();
    for bytes in messages {
        match Message::decode(&bytes) {
            Some(Message::Forward(forward)) => {
                let (sender, channel) = (forward.sender.clone(), forward.channel.clone());
                if let Err(why) = replica.deliver(forward) {
                    let refusal = Message::Bounced {
                        sender,
                        channel,
                        why,
                    };
                    refusals.push(refusal.encode());
                }
            }
            Some(Message::Bounced {
                sender,
                channel,
                why,
            }) => shared.bounce(replica, vec![Some((sender, channel))], why),
            Some(Message::Said(said)) => replica.said(&said),
            None => tracing::warn!("a message that cannot be read"),
        }
    }
    let refused = refusals.len();
    let dropped = shared.outbox.lock().handled(from, refusals);
    if dropped > 0 {
        tracing::warn!(%from, refused, dropped, "too much waits: refusals of relays are lost");
    }
}
