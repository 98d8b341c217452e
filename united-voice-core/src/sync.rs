//! The locks of rooms, users and queues, and the points between them at which threads interleave.
//!
//! They are parking_lot's. In the tests of races (`rooms/tests/races.rs`), which are built with
//! `--cfg united_voice_shuttle`, they are those of shuttle, which decides at each of these points
//! which thread goes on.

#[cfg(not(all(test, united_voice_shuttle)))]
pub(crate) use parking_lot::{Mutex, MutexGuard};
#[cfg(all(test, united_voice_shuttle))]
pub(crate) use under_test::{Mutex, MutexGuard, interleave};

/// A point at which another thread may come between two accesses to a map or a flag. Only the tests
/// of races do something here.
#[cfg(not(all(test, united_voice_shuttle)))]
#[inline(always)]
pub(crate) const fn interleave() {}

#[cfg(all(test, united_voice_shuttle))]
mod under_test {
    use std::fmt;

    pub(crate) use shuttle::sync::MutexGuard;

    /// Shuttle's lock with the methods of parking_lot's.
    #[derive(Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no thread panicked with the lock")
        }
    }

    impl<T> fmt::Debug for Mutex<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Mutex").finish_non_exhaustive()
        }
    }

    pub(crate) fn interleave() {
        // Shuttle lets others go on at each access to one of its atomics.
        shuttle::sync::atomic::AtomicBool::new(false).load(std::sync::atomic::Ordering::SeqCst);
    }
}
