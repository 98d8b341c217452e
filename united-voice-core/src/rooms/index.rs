//! Maps from an id to the shared value that has it.

use std::{
    borrow::Borrow,
    hash::{Hash, Hasher},
    sync::Arc,
};

use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::sync::interleave;

/// A map from an id to the shared value that holds this id, so that each id is kept once.
///
/// The key of an entry is the value itself, which hashes and compares as its id. The map's own
/// values are `()`. For example, `find(&rooms, "lobby")` finds the key whose `Room` has the id
/// `lobby`, and returns a clone of its `Arc<Room>`.
///
/// No guard of it is alive while a lock is taken: every function here hands out an `Arc` and has
/// released the guard when it returns.
pub(crate) type ById<T> = DashMap<Entry<T>, (), RandomState>;

/// A key of the map: a shared value. It hashes and compares as its id.
pub(crate) struct Entry<T>(Arc<T>);

impl<T> Entry<T> {
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0)
    }
}

/// A value that holds its id. The id never changes while the value is in a map.
pub(crate) trait Identified {
    fn id(&self) -> &str;
}

impl<T: Identified> Borrow<str> for Entry<T> {
    fn borrow(&self) -> &str {
        self.0.id()
    }
}

impl<T: Identified> Hash for Entry<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}

impl<T: Identified> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }
}

impl<T: Identified> Eq for Entry<T> {}

pub(crate) fn find<T: Identified>(all: &ById<T>, id: &str) -> Option<Arc<T>> {
    interleave();
    all.get(id).map(|entry| entry.key().get())
}

pub(crate) fn find_or_new<T: Identified>(
    all: &ById<T>,
    id: &str,
    new: impl FnOnce() -> T,
) -> Arc<T> {
    if let Some(present) = find(all, id) {
        return present;
    }
    interleave();
    // Another thread may have inserted one meanwhile. Then that one counts.
    let entry = all.entry(Entry(Arc::new(new()))).or_insert(());
    entry.key().get()
}

/// Removes this value. If another value with the same id has taken its place, that one stays.
pub(crate) fn remove<T: Identified>(all: &ById<T>, one: &Arc<T>) {
    interleave();
    all.remove_if(one.id(), |present, ()| Arc::ptr_eq(&present.0, one));
}
