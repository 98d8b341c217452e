//! After a loss: a node registers anew and puts its seats back.

use std::time::Instant;

use tokio::time::sleep;
use united_voice_core::cluster::{Lost, OwnSeat, Replica};

use super::{
    convert,
    loops::{Run, Trouble},
    shared::{Ask, Shared, random_node},
};
use crate::{Backoff, Operation, Reader, reassert_chunk};

impl Run {
    /// Registers anew. What waits is told or refused first, since its outcome may never come.
    pub(super) async fn repair(&self, shared: &Shared, replica: &Replica, trouble: &Trouble) {
        shared.tell_what_waits(replica);
        let old = shared.registration().nid;
        {
            let mut earlier = self.earlier.lock();
            earlier.push(old);
        }
        let mut backoff = Backoff::default();
        loop {
            let has_seats = !replica.seats().is_empty();
            match shared.register(old.registration + 1, has_seats).await {
                Ok(_) => break,
                Err(error) => {
                    shared.counters.engine_errors.add(1);
                    tracing::warn!(%error, node = shared.name, "the node could not register");
                    shared.note_pulse(replica, Instant::now());
                    sleep(backoff.next_wait(random_node())).await;
                }
            }
        }
        replica.set_cut_off(false);
        let nid = shared.registration().nid;
        let in_doubt = shared.outbox.lock().restart();
        // Joins among them are answered `UNAVAILABLE`. The others have been told above.
        drop(in_doubt);
        *self.reader.lock().await = Reader::new(shared.dialer.clone(), nid);
        if matches!(trouble, Trouble::Behind) {
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
        for seat in replica.seats() {
            let roster = shared.calls.roster(seat.channel.as_str()).await;
            let is_shared = roster.is_ok_and(|roster| {
                let mut members = roster.members.iter();
                members.any(|member| member.nid.node != shared.me)
            });
            if is_shared {
                let (user, channel) = (&seat.user, &seat.channel);
                let was_here = replica.lost(user, channel, seat.session, Lost::Gone, false);
                shared.counters.seats_lost.add(usize::from(was_here));
            }
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
        let mut outbox = shared.outbox.lock();
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
            let ask = Ask::Reassert { seats: names, last };
            // Only a join may be refused.
            let _ = outbox.propose(operation, ask);
            if last {
                break;
            }
            (seats, names) = (rest, rest_names);
        }
    }
}
