//! After a loss: a node registers anew and puts its seats back.

use std::{collections::HashMap, time::Instant};

use tokio::time::sleep;
use united_voice_core::{
    ChannelId,
    cluster::{Lost, OwnSeat, Replica},
};

use super::{
    convert,
    loops::Run,
    shared::{Ask, ROSTERS, Shared, random_node},
    trouble::Trouble,
};
use crate::{Backoff, Nid, Operation, Reader, RegisterError, Roster, reassert_chunk};

impl Run {
    /// Registers anew. What waits is told or refused first, since its outcome may never come.
    pub(super) async fn repair(&self, shared: &Shared, replica: &Replica, trouble: &Trouble) {
        shared.tell_what_waits(replica);
        let old = shared.registration().nid;
        self.earlier.lock().push(old);
        let mut backoff = Backoff::default();
        loop {
            let has_seats = !replica.seats().is_empty();
            match shared.register(old.registration + 1, has_seats).await {
                Ok(_) => break,
                Err(error) => {
                    // The engine works if it only refuses.
                    if matches!(error, RegisterError::Script(_) | RegisterError::Call(_)) {
                        shared.counters.engine_errors.add(1);
                    }
                    shared.log_failure(&error, "the node could not register");
                    shared.note_pulse(replica, Instant::now());
                    sleep(backoff.next_wait(random_node())).await;
                }
            }
        }
        replica.set_cut_off(false);
        let nid = shared.registration().nid;
        // The numbers in between were taken by registrations whose answers were lost. They have no
        // seats, but others wait for them until they are reaped.
        let unanswered = old.registration + 1..nid.registration;
        let unanswered = unanswered.map(|registration| Nid::new(nid.node, registration));
        self.earlier.lock().extend(unanswered);
        let in_doubt = shared.outbox.lock().restart();
        // Joins among them are answered `UNAVAILABLE`. The others have been told above.
        drop(in_doubt);
        *self.reader.lock().await = Reader::new(shared.dialer.clone(), nid);
        self.begin_anew();
        if matches!(trouble, Trouble::Behind | Trouble::Forgotten) {
            self.compare_later();
        }
        if matches!(trouble, Trouble::Lost) {
            self.give_up_shared_seats(shared, replica).await;
        }
        self.reassert(shared, replica);
        shared.work.notify_one();
    }

    /// Messages between these members and those elsewhere may be lost, offers among them. So they
    /// come back as newcomers.
    async fn give_up_shared_seats(&self, shared: &Shared, replica: &Replica) {
        let mut channels: HashMap<ChannelId, Vec<OwnSeat>> = HashMap::new();
        for seat in replica.seats() {
            channels.entry(seat.channel.clone()).or_default().push(seat);
        }
        let channels: Vec<_> = channels.into_iter().collect();
        let mut given_up = 0;
        // The node does not beat meanwhile, so this may take only a part of a lease.
        for batch in channels.chunks(ROSTERS) {
            let names: Vec<_> = batch.iter().map(|(channel, _)| channel.as_str()).collect();
            let rosters = rosters(shared, replica, &names).await;
            for ((channel, seats), roster) in batch.iter().zip(&rosters) {
                if !may_be_shared(shared, roster) {
                    continue;
                }
                for seat in seats {
                    let was_here =
                        replica.lost(&seat.user, channel, seat.session, Lost::Gone, false);
                    given_up += usize::from(was_here);
                }
            }
        }
        shared.counters.seats_lost.add(given_up);
        if given_up > 0 {
            tracing::warn!(
                node = shared.name,
                seats = given_up,
                "members that share a channel with other nodes have lost their seats"
            );
        }
    }

    fn reassert(&self, shared: &Shared, replica: &Replica) {
        let nid = shared.registration().nid;
        let earlier = self.earlier.lock().clone();
        let own: Vec<OwnSeat> = replica.seats();
        let mut names: Vec<_> = own
            .iter()
            .map(|seat| (seat.user.clone(), seat.channel.clone(), seat.session))
            .collect();
        let mut seats: Vec<_> = own.iter().map(|seat| convert::seat(seat, nid)).collect();
        let mut chunks = Vec::new();
        loop {
            let chunk = reassert_chunk(&seats);
            let rest = seats.split_off(chunk);
            let rest_names = names.split_off(chunk);
            let last = rest.is_empty();
            let operation = Operation::Reassert {
                earlier: earlier.clone(),
                last,
                seats,
            };
            chunks.push((operation, Ask::Reassert { seats: names, last }));
            if last {
                break;
            }
            (seats, names) = (rest, rest_names);
        }
        let again = shared.kicks.lock().again(Instant::now()).into_iter();
        let again = again.map(|operation| (operation.clone(), Ask::Again(operation)));
        let mut outbox = shared.outbox.lock();
        // What an earlier repair did not send is older than these seats: some of those may be lost.
        outbox.withdraw(|_, ask| matches!(ask, Ask::Reassert { .. } | Ask::Again(_)));
        // A leave or a state that waits may be of one of these seats. Before them it would find no
        // seat, or they would undo it.
        outbox.propose_first(chunks);
        // Before the seats of this node, and of those that come later: each asks whether it was ended.
        outbox.propose_first(again.collect());
    }
}

/// Asks until the engine answers.
async fn rosters(shared: &Shared, replica: &Replica, channels: &[&str]) -> Vec<Roster> {
    let mut backoff = Backoff::default();
    loop {
        match shared.calls.rosters(channels).await {
            Ok(rosters) => return rosters,
            Err(error) => {
                shared.engine_failed(&error, "rosters are not known");
                shared.note_pulse(replica, Instant::now());
                sleep(backoff.next_wait(random_node())).await;
            }
        }
    }
}

/// Whether a channel has members elsewhere. While the engine does not know all of them, it may.
fn may_be_shared(shared: &Shared, roster: &Roster) -> bool {
    let mut members = roster.members.iter();
    roster.is_recovering || members.any(|member| member.nid.node != shared.me)
}
