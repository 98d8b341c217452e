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
            if is_whole {
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

    /// A channel has this limit from now on. `count` are in it.
    pub(crate) fn limit(&self, channel: &str, limit: Option<usize>, count: usize) {
        let mut notes = locked(&self.notes);
        match limit {
            Some(limit) => {
                let limit = Limit::new(limit, count);
                notes.limits.insert(channel.to_owned(), limit);
            }
            None => drop(notes.limits.remove(channel)),
        }
    }

    /// The engine loses changes. Members who left a channel lately may be in it again for a moment.
    pub(crate) fn data_is_lost(&self) {
        let Notes { limits, peaks, .. } = &mut *locked(&self.notes);
        for (channel, limit) in limits {
            let peak = peaks.get(channel).copied().unwrap_or(0);
            limit.allowed = limit.allowed.max(peak);
        }
    }

    /// The most that were in a channel of late.
    pub(crate) fn peak(&self, channel: &str) -> usize {
        locked(&self.notes).peaks.get(channel).copied().unwrap_or(0)
    }

    /// How often it has read the engine.
    pub(crate) fn samples(&self) -> u64 {
        locked(&self.notes).samples
    }

    /// What it saw and must never be. Whoever left before this is not expected back.
    pub(crate) fn check(&self) -> Result<(), String> {
        let notes = &mut *locked(&self.notes);
        notes.peaks.clone_from(&notes.last);
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
            let engine = locked(&notes).engine;
            connected = connected
                .filter(|(to, _)| *to == engine)
                .or_else(|| Some((engine, dial(engine).ok()?)));
            let Some((_, connection)) = &mut connected else {
                continue;
            };
            match rosters(connection, &prefix) {
                Ok((is_whole, rosters)) if locked(&notes).engine == engine => {
                    locked(&notes).look(is_whole, &rosters);
                }
                Ok(_) => {}
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
            last: BTreeMap::new(),
            peaks: BTreeMap::new(),
            samples: 0,
            faults: Vec::new(),
        }
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
