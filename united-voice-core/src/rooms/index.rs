//! Maps from ids to what has them.

use std::{
    borrow::Borrow,
    hash::{Hash, Hasher},
    sync::Arc,
};

use dashmap::DashMap;
use foldhash::fast::RandomState;

/// What is found by its own id, which is kept once.
pub(crate) type ById<T> = DashMap<Entry<T>, (), RandomState>;

pub(crate) struct Entry<T>(Arc<T>);

impl<T> Entry<T> {
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.0)
    }
}

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
    // Somebody else may be quicker: then theirs counts.
    let entry = all.entry(Entry(Arc::new(new()))).or_insert(());
    entry.key().get()
}

/// Removes this very one, and not another that has taken its place.
pub(crate) fn remove<T: Identified>(all: &ById<T>, one: &Arc<T>) {
    all.remove_if(one.id(), |present, ()| Arc::ptr_eq(&present.0, one));
}
