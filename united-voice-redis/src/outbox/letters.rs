//! Messages that were sent and not acknowledged, and what came from other nodes.
//!
//! The answer of the engine says that a message is in the inbox, not that it was read: an engine
//! may lose its last second. So each message is kept until its receiver says that it was handled.

use std::{
    collections::{HashMap, VecDeque},
    ops::{Range, RangeInclusive},
};

use crate::{Nid, PACK_BYTES, Pack, pack};

/// How many bytes of messages are kept for all nodes.
pub(super) const KEPT_BYTES: usize = 16 << 20;
/// After so many ticks, a message that was not acknowledged comes back.
const KEPT_TICKS: u8 = 5;
/// And a refusal is forgotten. The node that waits for it has given up its own message by then.
const REFUSAL_TICKS: u8 = KEPT_TICKS + 2;
/// After so many ticks, an acknowledgement goes out by itself.
const OWED_TICKS: u8 = 2;
/// After so many ticks without a word, a node is forgotten. No copy of a message comes that late.
const IDLE_TICKS: u16 = 600;

#[derive(Debug)]
pub(super) struct Letters<M> {
    peers: HashMap<u32, Peer<M>>,
    bytes: usize,
    /// The number of the last message of this process.
    number: u64,
}

#[derive(Debug)]
struct Peer<M> {
    nid: Nid,
    /// In the order of their numbers.
    kept: VecDeque<Kept<M>>,
    /// The number of the last message that came from it.
    received: u64,
    /// The same, of those that were handled.
    handled: u64,
    /// For how many ticks it has not been told `handled`.
    owed: Option<u8>,
    /// What is kept from this number on is to be sent, most of it again.
    send_from: Option<u64>,
    /// Refusals that a full engine did not take. They get a new number with the next tick, since what
    /// has a higher one than the old may arrive before. If the old one arrived all the same, its sender
    /// hears of it twice.
    held: Vec<Kept<M>>,
    idle: u16,
}

#[derive(Debug)]
struct Kept<M> {
    number: u64,
    message: Vec<u8>,
    /// Who is told if it does not arrive; `None` for a refusal.
    sent: Option<M>,
    ticks: u8,
}

impl<M> Default for Letters<M> {
    fn default() -> Self {
        Self {
            peers: HashMap::new(),
            bytes: 0,
            number: 0,
        }
    }
}

impl<M> Letters<M> {
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= KEPT_BYTES
    }

    pub(super) fn len(&self) -> usize {
        let peers = self.peers.values();
        peers.map(|peer| peer.kept.len() + peer.held.len()).sum()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn has_work(&self) -> bool {
        self.peers
            .values()
            .any(|peer| peer.unsent().is_some() || peer.must_acknowledge())
    }

    pub(super) fn route(&mut self, nid: Nid) {
        let peer = self.peer(nid);
        if peer.nid.registration < nid.registration {
            peer.nid = nid;
            peer.send_from = Some(0);
        }
    }

    fn peer(&mut self, nid: Nid) -> &mut Peer<M> {
        let peer = self.peers.entry(nid.node).or_insert_with(|| Peer {
            nid,
            kept: VecDeque::new(),
            received: 0,
            handled: 0,
            owed: None,
            send_from: None,
            held: Vec::new(),
            idle: 0,
        });
        peer.idle = 0;
        peer
    }

    pub(super) fn resend_all(&mut self) {
        for peer in self.peers.values_mut() {
            peer.send_from = Some(0);
        }
    }

    /// If something is to be sent to a node, it begins with this number or an earlier one.
    pub(super) fn resend_from(&mut self, node: u32, number: u64) {
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.send_from = peer.send_from.map(|from| from.min(number));
        }
    }

    /// Sends the refusals again that a full engine did not take, under new numbers.
    fn send_held(&mut self) {
        for peer in self.peers.values_mut() {
            for mut kept in peer.held.drain(..) {
                self.number += 1;
                kept.number = self.number;
                peer.send_from.get_or_insert(kept.number);
                peer.kept.push_back(kept);
            }
        }
    }

    /// Numbers a message and keeps it.
    pub(super) fn keep(&mut self, node: u32, message: Vec<u8>, sent: Option<M>) -> u64 {
        self.number += 1;
        self.bytes += pack::weight(&message);
        let number = self.number;
        let kept = Kept {
            number,
            message,
            sent,
            ticks: 0,
        };
        // It was routed when the message was taken. If it has been forgotten since, its inbox is
        // asked for under a registration that nobody has, and the message comes back.
        let peer = self.peer(Nid::new(node, 0));
        peer.kept.push_back(kept);
        peer.owed = None;
        number
    }

    pub(super) fn received(&mut self, pack: Pack) -> Vec<Vec<u8>> {
        self.route(pack.from);
        let peer = self.peer(pack.from);
        let received = peer.received;
        let acknowledged = peer
            .kept
            .partition_point(|kept| kept.number <= pack.handled);
        let freed: usize = peer
            .kept
            .drain(..acknowledged)
            .map(|kept| pack::weight(&kept.message))
            .sum();
        let copies = pack
            .messages
            .iter()
            .any(|(number, _)| *number <= peer.handled);
        let new = pack
            .messages
            .into_iter()
            .filter(|(number, _)| *number > received);
        let mut messages = Vec::new();
        if copies {
            // The acknowledgement may have been lost.
            peer.owed.get_or_insert(0);
        }
        for (number, message) in new {
            peer.received = peer.received.max(number);
            messages.push(message);
        }
        self.bytes -= freed;
        messages
    }

    pub(super) fn handled(&mut self, from: Nid, refusals: Vec<Vec<u8>>) -> usize {
        self.route(from);
        let mut dropped = 0;
        for refusal in refusals {
            if self.bytes >= 2 * KEPT_BYTES {
                dropped += 1;
                continue;
            }
            let number = self.keep(from.node, refusal, None);
            self.peer(from).send_from.get_or_insert(number);
        }
        let peer = self.peer(from);
        if peer.handled < peer.received {
            peer.handled = peer.received;
            peer.owed.get_or_insert(0);
        }
        dropped
    }

    /// The packs that go out before anything new: messages to send again, refusals, and
    /// acknowledgements.
    pub(super) fn due(&mut self) -> Vec<(u32, u64, u64)> {
        let mut due = Vec::new();
        for (node, peer) in &mut self.peers {
            if let Some(first) = peer.unsent() {
                let mut bytes = usize::MAX;
                for kept in peer.kept.range(first..) {
                    bytes = bytes.saturating_add(pack::weight(&kept.message));
                    if bytes > PACK_BYTES {
                        bytes = pack::weight(&kept.message);
                        due.push((*node, kept.number, kept.number));
                    } else if let Some((_, _, last)) = due.last_mut() {
                        *last = kept.number;
                    }
                }
                peer.owed = None;
            } else if peer.must_acknowledge() {
                // Numbers begin with 1, so this pack has no message.
                due.push((*node, 0, 0));
                peer.owed = None;
            }
            peer.send_from = None;
        }
        due
    }

    /// The inbox of a node, and what to write into it.
    pub(super) fn pack(&self, node: u32, range: RangeInclusive<u64>, from: Nid) -> (Nid, Vec<u8>) {
        let Some(peer) = self.peers.get(&node) else {
            return (Nid::new(node, 0), Pack::encode(from, 0, std::iter::empty()));
        };
        let messages = peer
            .kept
            .range(peer.places(&range))
            .map(|kept| (kept.number, &*kept.message));
        (peer.nid, Pack::encode(from, peer.handled, messages))
    }

    /// Takes back messages that did not arrive this time. Refusals stay: they wait for a new inbox,
    /// or for the next tick if the engine `is_full`.
    pub(super) fn take(&mut self, node: u32, range: RangeInclusive<u64>, is_full: bool) -> Vec<M> {
        let Some(peer) = self.peers.get_mut(&node) else {
            return Vec::new();
        };
        let places = peer.places(&range);
        if is_full {
            // The pack acknowledged something, too.
            peer.owed.get_or_insert(0);
        }
        let mut back = peer.take(places, |kept| is_full || kept.sent.is_some());
        let refusals = back.extract_if(.., |kept| kept.sent.is_none());
        peer.held.extend(refusals);
        self.give_back(back)
    }

    /// Takes back all messages. Refusals stay, and are sent again.
    pub(super) fn take_all(&mut self) -> Vec<M> {
        let mut all = Vec::new();
        for peer in self.peers.values_mut() {
            all.extend(peer.take(0..peer.kept.len(), |kept| kept.sent.is_some()));
            peer.send_from = Some(0);
        }
        self.give_back(all)
    }

    /// Who is told of messages that are kept no longer.
    fn give_back(&mut self, taken: Vec<Kept<M>>) -> Vec<M> {
        for kept in &taken {
            self.bytes -= pack::weight(&kept.message);
        }
        taken.into_iter().filter_map(|kept| kept.sent).collect()
    }

    pub(super) fn tick(&mut self) -> Vec<M> {
        let mut back = Vec::new();
        for peer in self.peers.values_mut() {
            peer.idle += 1;
            if let Some(owed) = &mut peer.owed {
                *owed = owed.saturating_add(1);
            }
            let mut oldest = 0;
            for kept in peer.kept.iter_mut().chain(&mut peer.held) {
                kept.ticks += 1;
                oldest = oldest.max(kept.ticks);
            }
            if oldest > KEPT_TICKS {
                back.extend(peer.take(0..peer.kept.len(), Kept::is_old));
                back.extend(peer.held.extract_if(.., |kept| kept.is_old()));
            }
        }
        self.send_held();
        let back = self.give_back(back);
        // What was kept for them has come back long before.
        self.peers.retain(|_, peer| peer.idle < IDLE_TICKS);
        back
    }
}

impl<M> Kept<M> {
    fn is_old(&self) -> bool {
        let longest = if self.sent.is_some() {
            KEPT_TICKS
        } else {
            REFUSAL_TICKS
        };
        self.ticks > longest
    }
}

impl<M> Peer<M> {
    /// Where the messages with these numbers are. Thousands may be kept, so nobody looks at all.
    fn places(&self, numbers: &RangeInclusive<u64>) -> Range<usize> {
        let first = self
            .kept
            .partition_point(|kept| kept.number < *numbers.start());
        let end = self
            .kept
            .partition_point(|kept| kept.number <= *numbers.end());
        first..end
    }

    /// Takes out those of these places that go.
    fn take(&mut self, places: Range<usize>, goes: impl Fn(&Kept<M>) -> bool) -> Vec<Kept<M>> {
        if places.is_empty() {
            return Vec::new();
        }
        let mut after = self.kept.split_off(places.end);
        let mut taken = Vec::new();
        for kept in self.kept.split_off(places.start) {
            if goes(&kept) {
                taken.push(kept);
            } else {
                self.kept.push_back(kept);
            }
        }
        self.kept.append(&mut after);
        taken
    }

    /// Where that begins which is to be sent, if something is.
    fn unsent(&self) -> Option<usize> {
        let from = self.send_from?;
        let place = self.kept.partition_point(|kept| kept.number < from);
        (place < self.kept.len()).then_some(place)
    }

    fn must_acknowledge(&self) -> bool {
        self.owed.is_some_and(|ticks| ticks >= OWED_TICKS)
    }
}
