//! An engine of a cluster in memory, for tests of the seam ([`cluster`](crate::cluster)).
//!
//! Nothing moves by itself. A test says when the engine runs a node's next operation, and when a
//! node gets the next entry of its inbox. So a test decides every delay, and can repeat it.

mod state;

use std::{collections::BTreeSet, fmt, mem::take, num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use united_voice_proto::voice::{VoiceLeaveReason, VoiceParticipant};

use self::state::{Entry, Node, Seat, Sent, State};
use crate::{
    ChannelId, SessionId, UserId,
    cluster::{
        Cluster, CutOff, Ending, Forward, Lost, NodeId, Operation, Outcome, RelayFailure, Replica,
        RosterMember, Said, Saturated,
    },
};

/// The engine of a cluster in memory, with any number of nodes.
#[derive(Default)]
pub struct MemoryEngine {
    state: Mutex<State>,
}

/// A node of a [`MemoryEngine`].
pub struct MemoryNode {
    id: NodeId,
    engine: Arc<MemoryEngine>,
    /// Held while an entry is applied, so that a node applies one at a time.
    replica: Mutex<Option<Replica>>,
}

impl fmt::Debug for MemoryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEngine").finish_non_exhaustive()
    }
}

impl fmt::Debug for MemoryNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryNode")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl MemoryEngine {
    /// An engine without nodes.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A new node. Give it to [`VoiceServerBuilder::cluster`](crate::VoiceServerBuilder::cluster),
    /// and then call [`MemoryNode::serve`].
    pub fn node(self: &Arc<Self>) -> Arc<MemoryNode> {
        let mut state = self.state.lock();
        state.last_node += 1;
        let id = NodeId::new(NonZeroU32::new(state.last_node).unwrap_or(NonZeroU32::MIN));
        state.nodes.insert(id, Node::default());
        Arc::new(MemoryNode {
            id,
            engine: Arc::clone(self),
            replica: Mutex::default(),
        })
    }

    /// All changes so far, in the engine's order, as a node sees them that is none of those
    /// concerned.
    pub fn log(&self) -> Vec<Outcome> {
        self.state.lock().log.clone()
    }

    /// Loses the seat of a user, as an engine does that lost its last changes. Nobody is told.
    pub fn forget(&self, user: &UserId) {
        let mut state = self.state.lock();
        if let Some((session, channel)) = state.users.remove(user) {
            state.take(session, &channel);
        }
    }

    /// Gives the seat of a user another number, as an engine does that lost the join and ran it again.
    /// The other nodes of the channel are told of the join again.
    pub fn rerun(&self, user: &UserId) {
        self.state.lock().rerun(user);
    }

    /// The channels in which somebody sits.
    pub fn channels(&self) -> Vec<ChannelId> {
        self.state.lock().rooms.keys().cloned().collect()
    }

    /// The members of a channel in joining order, each with its node.
    pub fn roster(&self, channel: &ChannelId) -> Vec<(NodeId, RosterMember)> {
        let state = self.state.lock();
        let seats = state.rooms.get(channel).into_iter().flatten();
        seats.map(|seat| (seat.node, seat.member.clone())).collect()
    }
}

impl MemoryNode {
    /// The number of this node.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Says where the entries of this node's inbox go.
    pub fn serve(&self, replica: Replica) {
        *self.replica.lock() = Some(replica);
    }

    /// Runs the next operation of this node, or moves its next message. Returns false if there is
    /// none, or if the node is cut off.
    pub fn send_one(&self) -> bool {
        let mut state = self.engine.state.lock();
        let Some(node) = state.nodes.get_mut(&self.id) else {
            return false;
        };
        if node.cut_off {
            return false;
        }
        match node.outbox.pop_front() {
            None => return false,
            Some(Sent::Operation(operation)) => state.run(self.id, operation),
            Some(Sent::Entry(to, entry)) => state.push(to, entry),
        }
        true
    }

    /// Applies the next entry of this node's inbox. Returns false if there is none, or if the node
    /// is cut off.
    pub fn receive_one(&self) -> bool {
        let replica = self.replica.lock();
        let Some(replica) = &*replica else {
            return false;
        };
        let entry = {
            let mut state = self.engine.state.lock();
            let node = state.nodes.get_mut(&self.id);
            let node = node.filter(|node| !node.cut_off);
            node.and_then(|node| node.inbox.pop_front())
        };
        match entry {
            None => return false,
            Some(Entry::Outcome(asked, outcome)) => replica.apply(asked, outcome),
            Some(Entry::Said(said)) => replica.said(&said),
            Some(Entry::Roster(channel, roster)) => {
                replica.install(&channel, roster);
            }
            Some(Entry::Bounced(sender, channel, why)) => replica.bounced(&sender, &channel, why),
            Some(Entry::Forward(from, message)) => {
                let (sender, channel) = (message.sender.clone(), message.channel.clone());
                if let Err(why) = replica.deliver(message) {
                    let bounced = Entry::Bounced(sender, channel, why);
                    self.engine.state.lock().push(from, bounced);
                }
            }
        }
        true
    }

    /// Cuts the node off from the engine, or connects it again. While it is cut off, what it sends
    /// and what comes for it waits, but for joins and messages, which are refused. Joins that the
    /// engine has not run are dropped.
    pub fn set_cut_off(&self, cut_off: bool) {
        let replica = self.replica.lock();
        let Some(replica) = &*replica else {
            return;
        };
        self.with_node(|node| node.cut_off = cut_off);
        replica.set_cut_off(cut_off);
        if !cut_off {
            return;
        }
        // No lock of the engine is held while the node tells its members.
        let waiting = self.with_node(|node| (take(&mut node.inbox), take(&mut node.outbox)));
        let Some((mut inbox, mut outbox)) = waiting else {
            return;
        };
        for entry in &mut inbox {
            if let Entry::Outcome(Some(asked), _) = entry {
                replica.undecided(asked);
            }
        }
        for sent in &mut outbox {
            if let Sent::Operation(operation) = sent {
                replica.undecided(operation.asked_mut());
            }
        }
        for sent in &outbox {
            if let Sent::Entry(_, Entry::Forward(_, message)) = sent {
                replica.bounced(&message.sender, &message.channel, RelayFailure::Unreachable);
            }
        }
        let goes_later = |sent: &Sent| match sent {
            Sent::Operation(operation) => !matches!(operation, Operation::Join { .. }),
            Sent::Entry(..) => false,
        };
        outbox.retain(goes_later);
        self.with_node(|node| {
            // What came meanwhile is behind it.
            inbox.append(&mut node.inbox);
            outbox.append(&mut node.outbox);
            (node.inbox, node.outbox) = (inbox, outbox);
        });
    }

    /// Puts the seats of this node back at an engine that has lost some of them. What has come is
    /// applied first.
    pub fn restore(&self) {
        while self.receive_one() {}
        let Some(replica) = self.replica.lock().clone() else {
            return;
        };
        for seat in replica.seats() {
            let is_restored = self.engine.state.lock().restore(self.id, &seat);
            if !is_restored {
                let (user, channel) = (&seat.user, &seat.channel);
                replica.lost(user, channel, seat.session, Lost::Superseded, false);
            }
        }
    }

    /// Installs the rosters of the channels in which this node has members, as a backend that reads
    /// them from its engine does: they are newer than the copies, and what makes them so comes out of
    /// the inbox later. The node's own members are left out, since the outcomes of their joins may
    /// still be to come.
    pub fn compare_early(&self) {
        let rosters = self.engine.state.lock().rosters(self.id);
        let Some(replica) = self.replica.lock().clone() else {
            return;
        };
        for (channel, mut roster) in rosters {
            roster.retain(|member| member.node.is_some());
            replica.install(&channel, roster);
        }
    }

    /// Sends this node the rosters of the channels in which it has members.
    pub fn compare(&self) {
        self.engine.state.lock().send_rosters(self.id);
    }

    fn with_node<T>(&self, change: impl FnOnce(&mut Node) -> T) -> Option<T> {
        self.engine.state.lock().nodes.get_mut(&self.id).map(change)
    }

    /// The process of this node is gone. Its seats end, as after the end of its lease.
    pub fn die(&self) {
        *self.replica.lock() = None;
        let mut state = self.engine.state.lock();
        state.nodes.remove(&self.id);
        let reaper = state.nodes.keys().next().copied();
        let is_dead = |seat: &Seat| seat.node == self.id;
        state.end_seats(is_dead, VoiceLeaveReason::Disconnected, reaper);
    }
}

#[async_trait]
impl Cluster for MemoryNode {
    fn propose(&self, operation: Operation) -> Result<(), Saturated> {
        let mut state = self.engine.state.lock();
        let is_join = matches!(operation, Operation::Join { .. });
        let node = state.nodes.get_mut(&self.id);
        match node.filter(|node| !(node.cut_off && is_join)) {
            Some(node) => node.outbox.push_back(Sent::Operation(operation)),
            None if is_join => return Err(Saturated),
            // The node has died, and its seats have ended.
            None => {}
        }
        Ok(())
    }

    fn forward(&self, to: NodeId, message: Forward) -> Result<(), Saturated> {
        let mut state = self.engine.state.lock();
        let node = state.nodes.get_mut(&self.id);
        let node = node.filter(|node| !node.cut_off).ok_or(Saturated)?;
        let entry = Entry::Forward(self.id, message);
        node.outbox.push_back(Sent::Entry(to, entry));
        Ok(())
    }

    fn speaking(&self, to: &[NodeId], said: Said) {
        let mut state = self.engine.state.lock();
        let node = state.nodes.get_mut(&self.id);
        if let Some(node) = node.filter(|node| !node.cut_off) {
            let entries = to
                .iter()
                .map(|to| Sent::Entry(*to, Entry::Said(said.clone())));
            node.outbox.extend(entries);
        }
    }

    fn policy_epoch(&self) -> u64 {
        self.engine.state.lock().policy
    }

    async fn policy_changed(&self) -> Result<(), CutOff> {
        self.state()?.policy += 1;
        Ok(())
    }

    async fn roster(&self, channel: &ChannelId) -> Result<Vec<VoiceParticipant>, CutOff> {
        let state = self.state()?;
        let seats = state.rooms.get(channel).into_iter().flatten();
        Ok(seats.map(|seat| participant(&seat.member)).collect())
    }

    async fn counts(&self, channels: &[ChannelId]) -> Result<Vec<usize>, CutOff> {
        let state = self.state()?;
        let count = |channel| state.rooms.get(channel).map_or(0, Vec::len);
        Ok(channels.iter().map(count).collect())
    }

    async fn end(&self, which: Ending, reason: VoiceLeaveReason) -> Result<usize, CutOff> {
        let ended = {
            let mut state = self.state()?;
            let seats = state.rooms.iter().flat_map(|(channel, seats)| {
                let which = &which;
                let is_meant = move |seat: &&Seat| match which {
                    Ending::User(user) => seat.member.user == *user,
                    Ending::UserIn(user, within) => seat.member.user == *user && channel == within,
                    Ending::Channel(within) => channel == within,
                };
                seats
                    .iter()
                    .filter(is_meant)
                    .map(|seat| seat.member.session)
            });
            let sessions: BTreeSet<u64> = seats.map(SessionId::to_u64).collect();
            let is_meant = |seat: &Seat| sessions.contains(&seat.member.session.to_u64());
            state.end_seats(is_meant, reason, None)
        };
        while self.receive_one() {}
        Ok(ended)
    }

    async fn close(&self) {
        self.die();
    }
}

impl MemoryNode {
    /// The engine's state, unless this node is cut off.
    fn state(&self) -> Result<parking_lot::MutexGuard<'_, State>, CutOff> {
        let state = self.engine.state.lock();
        match state.nodes.get(&self.id) {
            Some(node) if !node.cut_off => Ok(state),
            _ => Err(CutOff),
        }
    }
}

fn participant(member: &RosterMember) -> VoiceParticipant {
    VoiceParticipant {
        user_id: member.user.as_str().into(),
        display_name: member.profile.display_name().into(),
        pubkey: member.profile.pubkey().into(),
        muted: member.muted,
        deafened: member.deafened,
        session_id: member.session.to_text(),
    }
}
