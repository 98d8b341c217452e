//! Buffers that a connection has only while there are bytes in them.
//!
//! A connection is silent most of the time, and buffers of its own would be most of its memory. So
//! each thread keeps a few buffers and lends them. A connection has one from a read until all bytes
//! of it are handled, and one from a write until the socket has taken all bytes of it. Large reads
//! then cost a silent connection nothing, and the buffer is still in the processor's cache when the
//! next connection uses it.

use std::{cell::RefCell, mem};

/// The size of a buffer. Several offers fit into one read.
pub(crate) const BYTES: usize = 16 * 1024;

/// The most buffers that a thread keeps. A connection uses one to read and one to write, and a
/// thread runs one connection at a time. The rest replaces buffers that connections hold while they
/// wait.
const KEPT: usize = 8;

thread_local! {
    static IDLE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Lends an empty buffer with room for [`BYTES`].
pub(crate) fn borrow() -> Vec<u8> {
    let kept = IDLE.with_borrow_mut(Vec::pop);
    kept.unwrap_or_else(|| Vec::with_capacity(BYTES))
}

/// Takes the buffer back, and leaves one without memory in its place. Another thread may have lent
/// it.
pub(crate) fn give_back(buffer: &mut Vec<u8>) {
    let mut buffer = mem::take(buffer);
    // Not if it grew for a large message, or was shrunk to the bytes that waited in it.
    if (BYTES..2 * BYTES).contains(&buffer.capacity()) {
        buffer.clear();
        IDLE.with_borrow_mut(|idle| {
            if idle.len() < KEPT {
                idle.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle() -> usize {
        IDLE.with_borrow(Vec::len)
    }

    #[test]
    fn a_buffer_is_lent_again_and_empty() {
        let mut buffer = borrow();
        buffer.extend_from_slice(b"secret");
        let address = buffer.as_ptr();
        give_back(&mut buffer);
        assert_eq!((buffer.capacity(), idle()), (0, 1));
        let again = borrow();
        assert_eq!((again.as_ptr(), again.len(), idle()), (address, 0, 0));
    }

    #[test]
    fn only_buffers_of_the_usual_size_are_kept() {
        for capacity in [0, 100, 2 * BYTES] {
            give_back(&mut Vec::with_capacity(capacity));
            assert_eq!(idle(), 0, "{capacity}");
        }
    }

    #[test]
    fn the_number_kept_has_a_limit() {
        let mut lent: Vec<_> = (0..KEPT + 3).map(|_| borrow()).collect();
        lent.iter_mut().for_each(give_back);
        assert_eq!(idle(), KEPT);
    }
}
