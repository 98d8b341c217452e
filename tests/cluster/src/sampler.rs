//! Reads the engine all the time.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use redis::Connection;

use crate::seats::{Rosters, rosters};

/// Between two samples.
const PAUSE: Duration = Duration::from_millis(3);

/// How long a frozen engine may hold up the sampler.
const PATIENCE: Duration = Duration::from_millis(500);

/// How often `faults` are noted before the sampler is silent.
const MOST_FAULTS: usize = 20;

/// A thread that reads the engine all the time and notes what must never be.
#[derive(Debug)]
pub(crate) struct Sampler {
    notes: Arc<Mutex<Notes>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Notes {
    engine: SocketAddr,
    limits: BTreeMap<String, Limit>,
    /// How often a limit was set. A sample that was read before says nothing of a later limit.
    changes: u64,
    /// The engine has lost data since the last check: who left lately may be back for a moment.
    is_behind: bool,
    /// How many are in each channel.
    last: BTreeMap<String, usize>,
    /// The most that were in each channel of late.
    peaks: BTreeMap<String, usize>,
    samples: u64,
    faults: Vec<String>,
}

/// The hard limit of a channel.
#[derive(Clone, Copy, Debug)]
struct Limit {
    hard: usize,
    /// How many may be in it. That is more if the limit was lowered while they were in.
    allowed: usize,
}

impl Limit {
    fn new(hard: usize, count: usize) -> Self {
        Self {
            hard,
            allowed: hard.max(count),
        }
    }
}

impl Notes {
    fn look(&mut self, is_whole: bool, rosters: &Rosters) {
        self.samples += 1;
        let mut users = BTreeSet::new();
        let mut faults = Vec::new();
        for seat in rosters.values().flatten() {
            if !users.insert(&seat.user) {
                faults.push(format!("{} sits twice: {rosters:?}", seat.user));
            }
        }
        self.last = counts(rosters);
        for (channel, seats) in rosters {
            let peak = self.peaks.entry(channel.clone()).or_default();
            *peak = seats.len().max(*peak);
        }
        for (channel, limit) in &mut self.limits {
            let count = rosters.get(channel).map_or(0, Vec::len);
            if count > limit.allowed {
                let allowed = limit.allowed;
                faults.push(format!("{count} are in {channel}, not {allowed}"));
            }
            // A replica that is behind says that it is whole, and so does the old engine to its end.
            if is_whole && !self.is_behind {
                limit.allowed = count.clamp(limit.hard, limit.allowed);
            }
        }
        self.faults.extend(faults);
        self.faults.truncate(MOST_FAULTS);
    }
}

impl Sampler {
    pub(crate) fn of(engine: SocketAddr, prefix: &str) -> Self {
        let notes = Arc::new(Mutex::new(Notes {
            engine,
            limits: BTreeMap::new(),
            changes: 0,
            is_behind: false,
            last: BTreeMap::new(),
            peaks: BTreeMap::new(),
            samples: 0,
            faults: Vec::new(),
        }));
        let is_over = Arc::new(AtomicBool::new(false));
        let sampling = sample(Arc::clone(&notes), Arc::clone(&is_over), prefix.to_owned());
        let thread = Some(thread::spawn(sampling));
        Self {
            notes,
            is_over,
            thread,
        }
    }

    /// From now on the engine is another one.
    pub(crate) fn lead_to(&self, engine: SocketAddr) {
        locked(&self.notes).engine = engine;
    }

    /// A channel may get this limit from now on, and may keep the one that it has.
    pub(crate) fn may_get(&self, channel: &str, limit: Option<usize>) {
        let mut notes = locked(&self.notes);
        match (limit, notes.limits.get_mut(channel)) {
            (None, _) => drop(notes.limits.remove(channel)),
            (Some(new), Some(Limit { hard, allowed })) => {
                *hard = new.max(*hard);
                *allowed = (*allowed).max(*hard);
            }
            // It may still have none.
            (Some(_), None) => {}
        }
    }

    /// A channel has this limit. `count` are in it, or more if the engine is not whole.
    pub(crate) fn has(&self, channel: &str, limit: Option<usize>, count: usize, is_whole: bool) {
        let notes = &mut *locked(&self.notes);
        notes.changes += 1;
        let Some(limit) = limit else {
            notes.limits.remove(channel);
            return;
        };
        let mut count = count;
        if !is_whole || notes.is_behind {
            // More will be back, and a lower limit throws nobody out.
            count = count.max(notes.peaks.get(channel).copied().unwrap_or(0));
        }
        let limit = Limit::new(limit, count);
        notes.limits.insert(channel.to_owned(), limit);
    }

    /// The engine loses changes. Until the next check, members who left a channel lately may be in
    /// it again for a moment.
    pub(crate) fn data_is_lost(&self) {
        let notes = &mut *locked(&self.notes);
        notes.is_behind = true;
        for (channel, limit) in &mut notes.limits {
            let peak = notes.peaks.get(channel).copied().unwrap_or(0);
            limit.allowed = limit.allowed.max(peak);
        }
    }

    /// How often it has read the engine.
    ///
    /// # Panics
    /// If its thread panicked.
    pub(crate) fn samples(&self) -> u64 {
        let thread = self.thread.as_ref();
        let is_dead = thread.is_some_and(JoinHandle::is_finished);
        assert!(!is_dead, "the sampler is dead");
        locked(&self.notes).samples
    }

    /// What it saw and must never be. Whoever left before this is not expected back.
    pub(crate) fn check(&self) -> Result<(), String> {
        let notes = &mut *locked(&self.notes);
        notes.peaks.clone_from(&notes.last);
        notes.is_behind = false;
        match &*notes.faults {
            [] => Ok(()),
            faults => Err(format!("{faults:?}")),
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
        // It fails only if the thread panicked, which a check has shown.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn counts(rosters: &Rosters) -> BTreeMap<String, usize> {
    let counts = rosters.iter();
    counts
        .map(|(channel, seats)| (channel.clone(), seats.len()))
        .collect()
}

fn locked(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sample(
    notes: Arc<Mutex<Notes>>,
    is_over: Arc<AtomicBool>,
    prefix: String,
) -> impl FnOnce() + Send {
    move || {
        let mut connected: Option<(SocketAddr, Connection)> = None;
        while !is_over.load(Relaxed) {
            thread::sleep(PAUSE);
            let (engine, changes) = {
                let notes = locked(&notes);
                (notes.engine, notes.changes)
            };
            connected = connected
                .filter(|(to, _)| *to == engine)
                .or_else(|| Some((engine, dial(engine).ok()?)));
            let Some((_, connection)) = &mut connected else {
                continue;
            };
            match rosters(connection, &prefix) {
                Ok((is_whole, rosters)) => {
                    let mut notes = locked(&notes);
                    if (notes.engine, notes.changes) == (engine, changes) {
                        notes.look(is_whole, &rosters);
                    }
                }
                Err(_) => connected = None,
            }
        }
    }
}

pub(crate) fn dial(engine: SocketAddr) -> redis::RedisResult<Connection> {
    let client = redis::Client::open(format!("redis://{engine}/"))?;
    let connection = client.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seat;

    fn notes(limit: usize, allowed: usize) -> Notes {
        Notes {
            engine: SocketAddr::from(([127, 0, 0, 1], 1)),
            limits: [("a".to_owned(), Limit::new(limit, allowed))].into(),
            changes: 0,
            is_behind: false,
            last: BTreeMap::new(),
            peaks: BTreeMap::new(),
            samples: 0,
            faults: Vec::new(),
        }
    }

    /// It reads no engine.
    fn sampler(limit: usize, allowed: usize) -> Sampler {
        Sampler {
            notes: Arc::new(Mutex::new(notes(limit, allowed))),
            is_over: Arc::default(),
            thread: None,
        }
    }

    /// Lets it see these users. Returns the number of faults so far.
    fn look(sampler: &Sampler, users: &[&str]) -> usize {
        let mut notes = locked(&sampler.notes);
        notes.look(true, &[("a".to_owned(), seats(users))].into());
        notes.faults.len()
    }

    fn seats(users: &[&str]) -> Vec<Seat> {
        let seat = |user: &&str| Seat {
            session: String::new(),
            user: (*user).to_owned(),
            version: 0,
            muted: false,
            deafened: false,
        };
        users.iter().map(seat).collect()
    }

    #[test]
    fn a_lowered_limit_throws_nobody_out_and_lets_nobody_in() {
        let mut notes = notes(1, 3);
        let mut look = |users: &[&str]| {
            notes.look(true, &[("a".to_owned(), seats(users))].into());
            notes.faults.len()
        };
        assert_eq!(look(&["x", "y", "z"]), 0);
        assert_eq!(look(&["x", "y"]), 0);
        assert_eq!(look(&["x", "y", "z"]), 1, "z may not come back");
        assert_eq!(look(&[]), 1);
        assert_eq!(look(&["x"]), 1);
        assert_eq!(look(&["x", "y"]), 2);
    }

    #[test]
    fn whoever_left_before_data_was_lost_may_be_back_until_the_next_check() {
        let sampler = sampler(1, 3);
        let look = |users: &[&str]| look(&sampler, users);
        assert_eq!(look(&["x", "y", "z"]), 0);
        assert_eq!(look(&["x"]), 0);
        sampler.data_is_lost();
        assert_eq!(look(&["x"]), 0, "the old engine is read once more");
        assert_eq!(look(&["x", "y", "z"]), 0, "a replica was behind");
        assert_eq!(look(&["x"]), 0);
        sampler.has("a", Some(2), 1, true);
        assert_eq!(look(&["x", "y", "z"]), 0, "a limit changes nothing of that");
        assert_eq!(look(&["x"]), 0);
        assert!(sampler.check().is_ok());
        assert_eq!(look(&["x"]), 0);
        assert_eq!(look(&["x", "y", "z"]), 1);
    }

    #[test]
    fn a_higher_limit_may_hold_before_it_is_answered() {
        let sampler = sampler(2, 2);
        let look = |users: &[&str]| look(&sampler, users);
        sampler.may_get("a", Some(3));
        assert_eq!(look(&["x", "y", "z"]), 0);
        sampler.may_get("a", Some(1));
        assert_eq!(look(&["x", "y", "z"]), 0, "nobody answered");
        assert_eq!(look(&["x", "y", "z", "w"]), 1);
        sampler.has("a", Some(1), 1, true);
        assert_eq!(look(&["x", "y"]), 2);
    }

    #[test]
    fn nobody_sits_twice() {
        let mut notes = notes(9, 9);
        let rooms = [("a", &["x", "y"][..]), ("b", &["z"])];
        notes.look(
            true,
            &rooms
                .map(|(name, users)| (name.to_owned(), seats(users)))
                .into(),
        );
        assert!(notes.faults.is_empty());
        let rooms = [("a", &["x", "y"][..]), ("b", &["y"])];
        notes.look(
            true,
            &rooms
                .map(|(name, users)| (name.to_owned(), seats(users)))
                .into(),
        );
        assert_eq!(notes.faults.len(), 1);
    }
}
