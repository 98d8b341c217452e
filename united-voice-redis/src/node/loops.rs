//! The loops of a node: write, read, beat, and watch the clock.

use std::{
    future::pending,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval_at, sleep, sleep_until, timeout_at};
use united_voice_core::cluster::{Asked, RelayFailure, Replica};

use super::{
    apply::pack_arrived,
    compare::Comparing,
    shared::{Ask, SentBy, Shared, random_node},
    trouble::Trouble,
};
use crate::{
    ANSWER_TIMEOUT, Arrival, Arrived, Backoff, CallError, Flushed, Nid, ReadError, Reader, Reading,
    Reaped, ScriptError, Writer, pulse::SLOWEST, reads::INBOX_ENTRIES,
};

/// How often messages that nobody acknowledges get older, and the writer is woken up.
const TICK: Duration = Duration::from_secs(1);
/// The writer removes what has been read with the first work after this time.
const TRIM: Duration = Duration::from_millis(500);
/// How many calls of `reap` the reader makes at most before it reads on.
const REAPS: usize = 64;

/// How long after a node noticed that the engine lost its last second the others may take to notice
/// it and to put their seats back. The slowest of them does not hear that its connections have ended.
/// It has just made a beat, so it makes the next one, waits in vain for the answer, dials and
/// registers. (Its reader gives up earlier.)
///
/// Everything is to be well 5 s after the engine is back. A node that notices at once keeps that, and
/// tells nobody that members left that are about to be put back. A node that is itself among the
/// slowest does not know since when the others have been back. It waits as long all the same, and so
/// it may be later than 5 s.
const ALL_NOTICE: Duration = SLOWEST
    .saturating_add(ANSWER_TIMEOUT)
    .saturating_add(DIALED);
/// Enough to dial and to register, if the engine answers.
const DIALED: Duration = Duration::from_millis(500);

/// The id before all entries of an inbox.
const BEGINNING: &str = "0";

/// What a node's loops have for themselves.
pub(super) struct Run {
    pub(super) writer: tokio::sync::Mutex<Writer>,
    /// Messages that could not arrive, and of which their senders do not know yet.
    undeliverable: tokio::sync::Mutex<Vec<SentBy>>,
    pub(super) reader: tokio::sync::Mutex<Reader>,
    /// Everything before this entry of the inbox has been read.
    read_to: Mutex<String>,
    /// The number of the last change that came out of the inbox.
    applied: AtomicU64,
    /// Earlier registrations of this process that may have seats.
    pub(super) earlier: Mutex<Vec<Nid>>,
    /// All seats have moved to the present registration, so the earlier ones are to be reaped.
    moved: AtomicBool,
    /// What of the copies has to be compared with the engine, after all seats have been put back.
    pub(super) compare: Mutex<Option<Comparing>>,
    /// Not before this, since other nodes may not know yet that they have to put seats back.
    pub(super) compare_from: Mutex<Instant>,
}

impl Run {
    pub(super) fn new(shared: &Shared) -> Self {
        let nid = shared.registration().nid;
        Self {
            writer: Writer::new(shared.dialer.clone()).into(),
            undeliverable: tokio::sync::Mutex::default(),
            reader: Reader::new(shared.dialer.clone(), nid).into(),
            read_to: Mutex::new(BEGINNING.into()),
            applied: AtomicU64::new(0),
            earlier: Mutex::default(),
            moved: AtomicBool::new(true),
            compare: Mutex::default(),
            compare_from: Mutex::new(Instant::now()),
        }
    }

    /// There is a new registration, with a new inbox, and no seat has moved to it yet.
    pub(super) fn begin_anew(&self) {
        // The entries of the old inbox may have higher ids, if the clock of the engine was ahead, and
        // trimming by them would take entries that are not read.
        BEGINNING.clone_into(&mut self.read_to.lock());
        self.applied.store(0, Ordering::Relaxed);
        self.moved.store(false, Ordering::Relaxed);
        // This begins with the reaping of earlier registrations, which would end the seats there.
        *self.compare.lock() = None;
    }

    /// Others will put seats back that the engine has lost, too.
    pub(super) fn compare_later(&self) {
        *self.compare_from.lock() = Instant::now() + ALL_NOTICE;
    }

    /// Runs the node until something has to be repaired.
    pub(super) async fn until_trouble(&self, shared: &Shared, replica: &Replica) -> Trouble {
        tokio::select! {
            trouble = self.write(shared, replica) => trouble,
            trouble = self.read(shared, replica) => trouble,
            trouble = self.beat(shared, replica) => trouble,
            trouble = watch(shared, replica) => trouble,
        }
    }

    async fn write(&self, shared: &Shared, replica: &Replica) -> Trouble {
        let mut writer = self.writer.lock().await;
        // Another loop may stop this one at any time, so what is in here must outlive it.
        let mut undeliverable = self.undeliverable.lock().await;
        let mut backoff = Backoff::default();
        let mut trimmed = Instant::now();
        let of = shared.registration();
        loop {
            let due = shared.outbox.lock().speaking_due();
            let due = async {
                match due {
                    Some(due) => sleep_until(due.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = shared.work.notified() => {}
            }
            loop {
                let flushed = writer.flush(&shared.outbox, &of, &mut undeliverable).await;
                let bounced = std::mem::take(&mut *undeliverable);
                shared.bounce(replica, bounced, RelayFailure::Unreachable);
                match flushed {
                    Flushed::Done => break,
                    Flushed::More => {
                        shared.work.notify_one();
                        break;
                    }
                    Flushed::NoConnection(error) => {
                        shared.engine_failed(&error, "nothing can be sent");
                        sleep(backoff.next_wait(random_node())).await;
                    }
                    Flushed::Cut(error) => {
                        shared.engine_failed(&error, "the engine did not take what was sent");
                        sleep(backoff.next_wait(random_node())).await;
                    }
                    Flushed::Gap => return Trouble::Behind,
                    Flushed::Ended(error) => return shared.ended(&error),
                }
            }
            backoff.reset();
            if trimmed.elapsed() >= TRIM {
                trimmed = Instant::now();
                let read_to = self.read_to.lock().clone();
                if let Err(error) = writer.trim(of.nid, &read_to).await {
                    shared.engine_failed(&error, "the inbox was not trimmed");
                }
            }
        }
    }

    async fn read(&self, shared: &Shared, replica: &Replica) -> Trouble {
        let mut reader = self.reader.lock().await;
        let mut backoff = Backoff::default();
        let mut was_cut = false;
        loop {
            // What has come is applied in between, since outcomes and beats may be among it.
            let reading = if self.compare_some(shared, replica).await {
                reader.read_now().await
            } else {
                self.read_on(shared, &mut reader).await
            };
            match reading {
                Ok(reading) => {
                    backoff.reset();
                    if std::mem::take(&mut was_cut) {
                        // Its tick tells whether the engine has lost something.
                        shared.beat_now.notify_one();
                    }
                    let mut is_whole = false;
                    for arrived in reading.arrived {
                        match arrived {
                            Arrived::Entry(entry) => {
                                is_whole |= shared.entry(replica, entry);
                            }
                            Arrived::Pack(pack) => pack_arrived(shared, replica, pack),
                        }
                    }
                    if is_whole {
                        self.moved.store(true, Ordering::Relaxed);
                        *self.compare.lock() = Some(Comparing::begin());
                        // At once: other nodes will take what is left there for members.
                        self.reap_earlier(shared).await;
                    }
                    // More operations may be sent now that these have their outcomes. To wake the writer
                    // for nothing wakes a thread of the runtime, too.
                    if shared.outbox.lock().has_work() {
                        shared.work.notify_one();
                    }
                    reader.read_to().clone_into(&mut self.read_to.lock());
                    self.applied.store(reader.last(), Ordering::Relaxed);
                    match reading.trouble {
                        Some(Arrival::Behind) => return Trouble::Behind,
                        Some(_) => return Trouble::Lost,
                        None => {}
                    }
                    // Clients come first. Otherwise the next question takes their place in the runtime,
                    // and what they get waits for another thread to wake up.
                    tokio::task::yield_now().await;
                }
                Err(error) => {
                    shared.engine_failed(&error, "the inbox cannot be read");
                    was_cut = true;
                    sleep(backoff.next_wait(random_node())).await;
                }
            }
            if shared.pulse.lock().misses_two(Instant::now()) {
                reader.redial();
            }
        }
    }

    /// Reads what comes next. If it is time to compare, the reading ends soon.
    async fn read_on(&self, shared: &Shared, reader: &mut Reader) -> Result<Reading, ReadError> {
        let compare_from = *self.compare_from.lock();
        let waits = compare_from > Instant::now() && self.compare.lock().is_some();
        let mut reading = pin!(reader.read());
        tokio::select! {
            read = &mut reading => read,
            () = sleep_until(compare_from.into()), if waits => {
                // If nothing comes, a reading lasts a second more. The tick of this beat ends it.
                shared.beat_now.notify_one();
                reading.await
            }
        }
    }

    async fn beat(&self, shared: &Shared, replica: &Replica) -> Trouble {
        let of = shared.registration();
        let mut fills = false;
        loop {
            let next = shared.pulse.lock().next();
            tokio::select! {
                () = sleep_until(next.into()) => {}
                () = shared.beat_now.notified() => {}
            }
            let number = shared.pulse.lock().beat(Instant::now());
            let earlier = self.earlier.lock().clone();
            let lease = shared.lease_us();
            let ran = shared.outbox.lock().ran();
            let beaten = match shared.calls.beat(&of, lease, number, &earlier).await {
                Ok(beaten) => beaten,
                Err(CallError::Script(
                    error @ (ScriptError::Fenced | ScriptError::Reboot | ScriptError::Failed(_)),
                )) => return shared.ended(&error),
                Err(error) => {
                    shared.engine_failed(&error, "a beat was not heard");
                    continue;
                }
            };
            if !beaten.has_inbox {
                // It expires while an engine is away for an hour. If it had been read to its end,
                // only messages can be lost, and those are sent again.
                let is_read = beaten.inbox == self.applied.load(Ordering::Relaxed);
                return if is_read {
                    Trouble::InboxGone
                } else {
                    Trouble::Lost
                };
            }
            // Entries that came after the loss may hide it from the reader: they may be as many as
            // those that were lost.
            if beaten.operation < ran {
                return Trouble::Behind;
            }
            shared.kicks.lock().beaten(Instant::now());
            fills = shared.note_inbox(beaten.inbox_length, fills);
            shared.epoch.fetch_max(beaten.epoch, Ordering::SeqCst);
            let recovering = beaten.recovery_us > 0;
            shared.recovering.store(recovering, Ordering::Relaxed);
            shared.note_pulse(replica, Instant::now());
            // The next beat comes first: if it were late, others would take this node for dead. It
            // names the nodes again that still have seats.
            let next = shared.pulse.lock().next();
            let _ = timeout_at(next.into(), self.reap_all(shared, beaten.overdue)).await;
        }
    }

    async fn reap_all(&self, shared: &Shared, overdue: Vec<Nid>) {
        for dead in overdue {
            if dead.node != shared.me {
                // Not all nodes at once.
                let wait = Duration::from_millis(u64::from(random_node() % 300));
                sleep(wait).await;
            } else if !self.moved.load(Ordering::Relaxed) {
                continue;
            }
            // One of its own may be back with an old snapshot, although it was reaped.
            self.reap(shared, dead).await;
        }
    }

    /// Ends what earlier registrations still have.
    pub(super) async fn reap_earlier(&self, shared: &Shared) {
        let earlier = self.earlier.lock().clone();
        for nid in earlier {
            self.reap(shared, nid).await;
        }
    }

    /// Ends the seats of a dead node, or of an earlier registration of this one.
    async fn reap(&self, shared: &Shared, dead: Nid) {
        let of = shared.registration();
        for _ in 0..REAPS {
            match shared.calls.reap(&of, dead).await {
                Ok(Reaped::More(_)) => {}
                Ok(Reaped::Alive | Reaped::Done(_)) => {
                    self.earlier.lock().retain(|nid| *nid != dead);
                    return;
                }
                Err(error) => {
                    shared.engine_failed(&error, "a node was not reaped");
                    return;
                }
            }
        }
    }
}

/// Watches the node's own clock: whether the engine still hears it, and which messages nobody
/// acknowledges.
async fn watch(shared: &Shared, replica: &Replica) -> Trouble {
    let mut tick = interval_at(tokio::time::Instant::now() + TICK, TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut state = shared.state.subscribe();
    loop {
        // A beat that comes back moves this. If it ends a cut, the state changes.
        let cut_off_at = shared.pulse.lock().cut_off_at();
        tokio::select! {
            _ = tick.tick() => {
                let late = shared.outbox.lock().tick();
                shared.bounce(replica, late, RelayFailure::Unreachable);
                // What is owed to other nodes goes out by this.
                shared.work.notify_one();
            }
            _ = state.changed() => {}
            () = sleep_until(cut_off_at.into()), if !shared.is_cut_off() => {}
        }
        shared.note_pulse(replica, Instant::now());
    }
}

impl Shared {
    /// Tells core if the node has been cut off, or is no longer.
    pub(super) fn note_pulse(&self, replica: &Replica, now: Instant) {
        let cut_off = self.pulse.lock().is_cut_off(now);
        let was_cut_off = self.is_cut_off();
        self.set_state(cut_off);
        if cut_off == was_cut_off {
            return;
        }
        replica.set_cut_off(cut_off);
        if cut_off {
            self.tell_what_waits(replica);
        }
    }

    /// Refuses the joins and messages that wait, and tells this node's members of leaves and states
    /// that wait. The engine gets those later.
    pub(super) fn tell_what_waits(&self, replica: &Replica) {
        let mut told = Vec::new();
        let (refused, messages) = {
            let mut outbox = self.outbox.lock();
            let (mut refused, messages) = outbox.cut_off();
            refused.extend(outbox.withdraw(|_, ask| matches!(ask, Ask::Host { .. })));
            outbox.each_asked(|ask| match ask {
                // This answers it without a lock.
                Ask::Core { asked, is_join } if *is_join => replica.undecided(asked),
                Ask::Core { asked, .. } => told.push(std::mem::replace(asked, Asked::told())),
                Ask::Host { .. } | Ask::Again(_) | Ask::Reassert { .. } => {}
            });
            (refused, messages)
        };
        // Their clients are told `UNAVAILABLE`.
        drop(refused);
        for mut asked in told {
            replica.undecided(&mut asked);
        }
        self.bounce(replica, messages, RelayFailure::Unreachable);
    }

    /// Warns once if the inbox fills up. Returns whether it does: it has been half full, and not
    /// emptied to a quarter since.
    fn note_inbox(&self, entries: u64, fills: bool) -> bool {
        const LIMIT: u64 = INBOX_ENTRIES as u64;
        if fills || entries < LIMIT / 2 {
            return fills && entries >= LIMIT / 4;
        }
        tracing::warn!(
            node = self.name,
            entries,
            limit = LIMIT,
            "the node reads its inbox too slowly; beyond the limit it loses entries, and members \
             lose their seats"
        );
        true
    }

    pub(super) fn bounce(
        &self,
        replica: &Replica,
        messages: impl IntoIterator<Item = SentBy>,
        why: RelayFailure,
    ) {
        for (sender, channel) in messages.into_iter().flatten() {
            self.counters.bounced.add(1);
            replica.bounced(&sender, &channel, why);
        }
    }
}
