//! What a node has to say to the engine and to other nodes, in one order.
//!
//! Operations and messages share one queue, so a leave and a join, or a relay and a leave, of one
//! session cannot change places. Words about speaking may wait outside of it, but not for longer than
//! the next of those. One *batch* is on its way at a time. It stays here until all its
//! answers have come, and is sent again if the connection was cut: copies of operations do not run,
//! and copies of messages are dropped by their numbers.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use redis::{Pipeline, Value};

use self::{
    answers::{Taken, operation_answered, pack_answered},
    letters::Letters,
    queue::{Queue, Waiting},
    speaking::{Said, Speaking, Word},
};
use crate::{Nid, Operation, PACK_BYTES, Pack, Registration, ScriptError, Scripts, pack};

mod answers;
mod letters;
mod queue;
mod speaking;

pub use queue::Saturated;

/// The most operations of a batch.
const BATCH_OPERATIONS: usize = 64;
/// The most messages that a batch takes from the queue.
const BATCH_MESSAGES: usize = 1024;
/// The most operations whose outcomes have not come. The engine runs no more until they have.
const OUTSTANDING: usize = 4096;

/// The queue of one node. `A` says who asked for an operation, `M` who sent a message; both come
/// back to the caller.
#[derive(Debug)]
pub struct Outbox<A, M> {
    queue: Queue<A, M>,
    letters: Letters<M>,
    speaking: Speaking<M>,
    /// The number of the last operation that was put into a batch.
    number: u64,
    /// Operations of batches whose outcomes have not come out of the inbox.
    asked: VecDeque<(u64, Vec<A>)>,
    batch: Vec<Sent>,
}

/// A command of a batch.
#[derive(Debug)]
enum Sent {
    Operation {
        number: u64,
        operation: Operation,
    },
    /// The kept messages of `first..=last` to this node.
    Pack {
        node: u32,
        first: u64,
        last: u64,
    },
}

/// What the answers to a batch mean.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress {
    /// The batch is done.
    Done,
    /// The rest of the batch is to be sent again.
    Again,
    /// The same, after the scripts were loaded.
    Load,
    /// An operation is missing: the engine lost its last second, and the node has to register anew.
    Gap,
    /// The registration has ended: [`ScriptError::Fenced`], [`ScriptError::Reboot`] or
    /// [`ScriptError::Failed`].
    Ended(ScriptError),
    /// The connection is of no use. The batch is to be sent again by another one.
    Cut(ScriptError),
}

impl<A, M> Default for Outbox<A, M> {
    fn default() -> Self {
        Self {
            queue: Queue::default(),
            letters: Letters::default(),
            speaking: Speaking::default(),
            number: 0,
            asked: VecDeque::new(),
            batch: Vec::new(),
        }
    }
}

impl<A, M> Outbox<A, M> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one that forgets those who asked for a state, once a later one takes its place, if
    /// `is_told` says that they need no outcome.
    pub fn forgetting(is_told: fn(&A) -> bool) -> Self {
        let mut outbox = Self::default();
        outbox.queue.is_told = is_told;
        outbox
    }

    /// The number of the last operation that the engine said it has run. All before have run, too.
    pub fn ran(&self) -> u64 {
        let in_doubt = self.batch.iter().find_map(|sent| match sent {
            Sent::Operation { number, .. } => Some(*number),
            Sent::Pack { .. } => None,
        });
        in_doubt.map_or(self.number, |number| number - 1)
    }

    /// Adds an operation. Only a join may be refused. If 16 states of a session wait, one more
    /// takes the place of the last; then both get one outcome, unless the earlier one
    /// [needs none](Self::forgetting).
    ///
    /// # Errors
    ///
    /// [`Saturated`] with `asked` if too much waits.
    pub fn propose(&mut self, operation: Operation, asked: A) -> Result<(), Saturated<A>> {
        if let Some(session) = queue::session(&operation) {
            self.let_out(session);
        }
        self.queue.propose(operation, asked)
    }

    /// Adds operations, in their order, in front of everything that waits. None is refused.
    pub fn propose_first(&mut self, operations: Vec<(Operation, A)>) {
        self.queue.propose_first(operations);
    }

    /// Adds a message of the session `sender` to a node.
    ///
    /// # Errors
    ///
    /// [`Saturated`] with `sent` if too much waits, or if other nodes have not acknowledged 16 MiB.
    pub fn forward(
        &mut self,
        to: Nid,
        sender: u64,
        message: Vec<u8>,
        sent: M,
    ) -> Result<(), Saturated<M>> {
        if self.is_full() {
            return Err(Saturated(sent));
        }
        self.letters.route(to);
        self.let_out(sender);
        self.queue.forward(to.node, sender, message, sent)
    }

    fn is_full(&self) -> bool {
        self.letters.is_full() || self.queue.is_full()
    }

    /// Adds a word of the session `sender` about speaking to a node. Up to 500 of them between two
    /// [ticks](Self::tick) leave at once. Any more wait up to 50 ms for others to the same node, but
    /// leave before the next operation or message of their session. A newer word takes the place of
    /// one that waits.
    ///
    /// # Errors
    ///
    /// [`Saturated`] with `sent` if too many wait.
    pub fn speaking(
        &mut self,
        to: Nid,
        sender: u64,
        message: Vec<u8>,
        sent: M,
    ) -> Result<(), Saturated<M>> {
        self.letters.route(to);
        let word = Word {
            node: to.node,
            message,
            sent,
        };
        match self.speaking.say(sender, word, self.is_full()) {
            Said::Now(word) => self
                .queue
                .forward(word.node, sender, word.message, word.sent),
            Said::Waits => Ok(()),
            Said::Dropped(sent) => Err(Saturated(sent)),
        }
    }

    /// When the words about speaking that wait are put into a batch; `None` if none waits.
    pub fn speaking_due(&self) -> Option<Instant> {
        self.speaking.due()
    }

    fn let_out_what_is_due(&mut self) {
        if self.speaking.due().is_none_or(|due| due > Instant::now()) {
            return;
        }
        if self.is_full() {
            self.speaking.wait_again();
            return;
        }
        for (session, word) in self.speaking.take_all() {
            // If the queue is full by now, it is dropped: the next one says more.
            let _ = self
                .queue
                .forward(word.node, session, word.message, word.sent);
        }
    }

    /// Lets a session's words out before what it says next.
    fn let_out(&mut self, session: u64) {
        for word in self.speaking.take_of(session) {
            let _ = self
                .queue
                .forward(word.node, session, word.message, word.sent);
        }
    }

    /// A node has this registration now. Messages that it did not acknowledge are sent to its new
    /// inbox before anything else to it.
    pub fn route(&mut self, nid: Nid) {
        self.letters.route(nid);
    }

    /// Looks at what came from another node. Returns the messages that are new, in their order. They
    /// are acknowledged after [`handled`](Self::handled).
    pub fn received(&mut self, pack: Pack) -> Vec<Vec<u8>> {
        self.letters.received(pack)
    }

    /// All messages that were received from a node have been handled, and these are to be refused.
    /// Their senders hear of that in no other way once they are acknowledged. So no acknowledgement is
    /// sent before the first try to send them. Refusals are taken if [`forward`](Self::forward) takes
    /// nothing more, stay if the node is [cut off](Self::cut_off), wait for the other node's new inbox
    /// if the old one is gone, and are tried again each tick if the engine is full. They are forgotten
    /// after seven to eight seconds. By then the other node has given up the messages that were not
    /// acknowledged.
    ///
    /// Returns how many refusals were dropped, since nodes have not acknowledged 32 MiB.
    pub fn handled(&mut self, from: Nid, refusals: Vec<Vec<u8>>) -> usize {
        self.letters.handled(from, refusals)
    }

    /// The engine restarted or another one took its place: all messages that were not acknowledged
    /// are sent again.
    pub fn resend(&mut self) {
        self.letters.resend_all();
    }

    /// The node has been cut off: joins that were not sent and all messages come back, those too
    /// that may have arrived. Operations that were sent and refusals stay, and are sent again.
    pub fn cut_off(&mut self) -> (Vec<A>, Vec<M>) {
        let joins = self.withdraw(|operation, _| matches!(operation, Operation::Join { .. }));
        let mut messages = self.letters.take_all();
        messages.extend(self.queue.take_messages());
        messages.extend(self.speaking.take_all().map(|(_, word)| word.sent));
        self.batch
            .retain(|sent| matches!(sent, Sent::Operation { .. }));
        (joins, messages)
    }

    /// Who asked for an operation whose outcome came out of the inbox.
    pub fn outcome(&mut self, number: u64) -> Vec<A> {
        match self
            .asked
            .binary_search_by_key(&number, |(asked, _)| *asked)
        {
            Ok(place) => self
                .asked
                .remove(place)
                .map(|(_, asked)| asked)
                .unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    /// Takes out operations that have not been sent, such as joins that have waited too long.
    pub fn withdraw(&mut self, which: impl FnMut(&Operation, &A) -> bool) -> Vec<A> {
        self.queue.withdraw(which)
    }

    /// Calls `each` with everybody who asked for an operation whose outcome has not come, in the
    /// order of the operations.
    pub fn each_asked(&mut self, mut each: impl FnMut(&mut A)) {
        let sent = self.asked.iter_mut().flat_map(|(_, asked)| asked);
        sent.for_each(&mut each);
        self.queue.each_asked(each);
    }

    /// The node has a new registration: numbers begin with 1. Returns who asked for the operations
    /// that are in doubt. They are not sent again, since the node puts back what it knows.
    pub fn restart(&mut self) -> Vec<A> {
        self.number = 0;
        self.batch.clear();
        self.letters.resend_all();
        self.asked.drain(..).flat_map(|(_, asked)| asked).collect()
    }

    /// Ages the messages that were sent. `tick` is called once a second, and a message that was not
    /// acknowledged in five to six seconds comes back.
    pub fn tick(&mut self) -> Vec<M> {
        self.speaking.tick();
        self.letters.tick()
    }

    /// How many operations and messages wait, or were sent and have not come to their end: no
    /// outcome, no acknowledgement.
    pub fn len(&self) -> usize {
        self.queue.len() + self.speaking.len() + self.asked.len() + self.letters.len()
    }

    /// Whether everything that was said has come to its end.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether something waits to be sent, or an operation has no outcome. Messages that were sent do
    /// not count: what is in the inbox of its receiver needs its sender no more.
    pub fn awaits_outcomes(&self) -> bool {
        !self.queue.is_empty() || !self.asked.is_empty()
    }

    /// Whether a batch has something to send.
    pub fn has_work(&self) -> bool {
        let has_more = !self.queue.is_empty() && self.asked.len() < OUTSTANDING;
        !self.batch.is_empty() || has_more || self.letters.has_work()
    }

    /// The commands to send now: the batch that is on its way, or else a new one. Empty if there is
    /// nothing to say.
    pub fn pipeline(&mut self, scripts: &Scripts, of: &Registration) -> Pipeline {
        if self.batch.is_empty() {
            self.fill();
        } else {
            self.resend_first();
        }
        let mut pipeline = redis::pipe();
        for sent in &self.batch {
            pipeline.add_command(match sent {
                Sent::Operation { number, operation } => scripts.operation(of, *number, operation),
                Sent::Pack { node, first, last } => {
                    let (to, pack) = self.letters.pack(*node, *first..=*last, of.nid);
                    scripts.keys().write_inbox(to, &pack)
                }
            });
        }
        pipeline
    }

    /// Puts messages that have to be sent again in front of the batch in doubt. Its own messages to
    /// those nodes are among them: a receiver drops what comes after a higher number.
    fn resend_first(&mut self) {
        for sent in &self.batch {
            // A pack without a message only acknowledges.
            if let Sent::Pack { node, first, last } = sent
                && *last > 0
            {
                self.letters.resend_from(*node, *first);
            }
        }
        let again = self.letters.due();
        self.batch.retain(|sent| match sent {
            Sent::Pack { node, .. } => again.iter().all(|(to, _, last)| to != node || *last == 0),
            Sent::Operation { .. } => true,
        });
        let again = again
            .into_iter()
            .map(|(node, first, last)| Sent::Pack { node, first, last });
        self.batch.splice(..0, again);
    }

    /// Takes the answers to [`pipeline`](Self::pipeline), one for each command. Returns the
    /// messages that did not arrive, and how to go on.
    pub fn answered(&mut self, answers: Vec<Value>) -> (Vec<M>, Progress) {
        let mut bounced = Vec::new();
        let mut done = 0;
        let mut stop = None;
        for (sent, answer) in self.batch.iter_mut().zip(answers) {
            stop = match sent {
                Sent::Operation { operation, .. } => operation_answered(operation, answer),
                Sent::Pack { node, first, last } => match pack_answered(answer) {
                    Ok(Taken::Yes) => None,
                    Ok(taken) => {
                        let is_full = matches!(taken, Taken::Full);
                        let back = self.letters.take(*node, *first..=*last, is_full);
                        bounced.extend(back);
                        None
                    }
                    Err(error) => Some(Progress::Cut(error)),
                },
            };
            if stop.is_some() {
                break;
            }
            done += 1;
        }
        self.batch.drain(..done);
        let progress = match stop {
            Some(progress) => progress,
            None if self.batch.is_empty() => Progress::Done,
            None => Progress::Cut(ScriptError::Unexpected),
        };
        (bounced, progress)
    }

    /// Makes a new batch. Messages to one node become one entry, as far as that moves none of them
    /// ahead of an operation of its own sender.
    fn fill(&mut self) {
        self.let_out_what_is_due();
        for (node, first, last) in self.letters.due() {
            self.batch.push(Sent::Pack { node, first, last });
        }
        // The place of the last operation of each session, and of the last pack to each node.
        let mut operations: HashMap<u64, usize> = HashMap::new();
        let mut packs: HashMap<u32, (usize, usize)> = HashMap::new();
        let (mut count, mut messages) = (0, 0);
        while count < BATCH_OPERATIONS
            && messages < BATCH_MESSAGES
            && self.asked.len() < OUTSTANDING
        {
            let Some(waiting) = self.queue.pop() else {
                break;
            };
            match waiting {
                Waiting::Operation { operation, asked } => {
                    count += 1;
                    self.number += 1;
                    self.asked.push_back((self.number, asked));
                    if let Some(session) = queue::session(&operation) {
                        operations.insert(session, self.batch.len());
                    }
                    let number = self.number;
                    self.batch.push(Sent::Operation { number, operation });
                }
                Waiting::Message {
                    node,
                    sender,
                    message,
                    sent,
                } => {
                    messages += 1;
                    let weight = pack::weight(&message);
                    let number = self.letters.keep(node, message, Some(sent));
                    let open = packs.get(&node).copied().filter(|(place, bytes)| {
                        let after = operations.get(&sender).is_none_or(|own| own < place);
                        after && bytes + weight <= PACK_BYTES
                    });
                    let (place, bytes) = open.unwrap_or((self.batch.len(), 0));
                    match self.batch.get_mut(place) {
                        Some(Sent::Pack { last, .. }) => *last = number,
                        _ => self.batch.push(Sent::Pack {
                            node,
                            first: number,
                            last: number,
                        }),
                    }
                    packs.insert(node, (place, bytes + weight));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
