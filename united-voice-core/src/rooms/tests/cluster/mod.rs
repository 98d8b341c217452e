//! Three registries that share an engine in memory: they behave as one.

mod delay;
mod doubt;
mod faults;
mod moments;
mod outage;
mod spread;
mod storm;
mod visitor;

use std::sync::Arc;

use futures::FutureExt;

use super::{
    channel,
    client::{Client, response},
    ops::VoiceOp,
    party::{channel_name, user_name},
    user,
};
use crate::{
    JoinError, SessionId, VoiceRoomRegistry,
    cluster::{Cluster, Ending},
    proto::voice::VoiceLeaveReason,
    rooms::{
        link::{ClusterLink, Proposed},
        propose::Entering,
    },
    test_util::{MemoryEngine, MemoryNode},
};

// How many there are in the tests with random operations.
const USERS: u8 = 5;
const CONNECTIONS: u8 = 8;
const CHANNELS: u8 = 3;
const NODES: usize = 3;

/// An engine and its nodes.
pub(super) struct Site {
    pub(super) engine: Arc<MemoryEngine>,
    pub(super) nodes: Vec<(Arc<MemoryNode>, VoiceRoomRegistry)>,
}

/// A new node of an engine.
fn node(engine: &Arc<MemoryEngine>) -> (Arc<MemoryNode>, VoiceRoomRegistry) {
    let node = engine.node();
    let registry = VoiceRoomRegistry::linked(64, Some(ClusterLink::new(node.clone())));
    node.serve(registry.replica());
    (node, registry)
}

impl Site {
    pub(super) fn new(nodes: usize) -> Self {
        let engine = MemoryEngine::new();
        let nodes = (0..nodes).map(|_| node(&engine)).collect();
        Self { engine, nodes }
    }

    /// A node dies, and another one starts in its place.
    pub(super) fn restart(&mut self, dead: usize) {
        self.node(dead).die();
        self.nodes[dead] = node(&self.engine);
    }

    pub(super) fn registry(&self, node: usize) -> &VoiceRoomRegistry {
        &self.nodes[node % self.nodes.len()].1
    }

    pub(super) fn node(&self, node: usize) -> &MemoryNode {
        &self.nodes[node % self.nodes.len()].0
    }

    /// Lets everything arrive.
    pub(super) fn settle(&self) {
        let moves = |node: &MemoryNode| node.send_one() | node.receive_one();
        while self
            .nodes
            .iter()
            .fold(false, |any, (node, _)| any | moves(node))
        {}
    }

    /// Lets one thing happen.
    pub(super) fn step(&self, choice: usize) {
        let node = self.node(choice / 2);
        if choice.is_multiple_of(2) {
            node.send_one();
        } else {
            node.receive_one();
        }
    }

    /// A connection of `name` to a node.
    pub(super) fn member(&self, node: usize, name: &str) -> Member {
        Member::new(Client::new(self.registry(node), name))
    }

    /// A member of a channel that has read all messages so far. Everybody else has got what follows
    /// from its join.
    pub(super) fn seated(&self, node: usize, name: &str, channel: &str) -> Member {
        let mut member = self.member(node, name);
        member.join(channel);
        self.settle();
        member.entered().expect("joined");
        member.client.sink.take();
        member
    }

    pub(super) fn end(&self, node: usize, which: Ending) -> usize {
        let ended = self.node(node).end(which, VoiceLeaveReason::Kicked);
        let ended = ended.now_or_never().expect("the engine in memory is there");
        ended.expect("not cut off")
    }

    pub(super) fn kick(&self, node: usize, name: &str) -> usize {
        self.end(node, Ending::User(user(name)))
    }

    /// Every copy equals the engine's roster, and no node has a room without a member of its own.
    pub(super) fn assert_copies(&self) {
        for (node, registry) in &self.nodes {
            let mut attended = 0;
            for channel in self.engine.channels() {
                let roster = self.engine.roster(&channel);
                let copy = registry.participants(&channel);
                if !roster.iter().any(|(of, _)| *of == node.id()) {
                    assert!(copy.is_empty(), "a copy of {channel} without a member here");
                    continue;
                }
                attended += 1;
                let truth: Vec<_> = roster
                    .iter()
                    .map(|(_, member)| {
                        let state = (member.muted, member.deafened);
                        (member.user.to_string(), member.session.to_string(), state)
                    })
                    .collect();
                let copied: Vec<_> = copy
                    .into_iter()
                    .map(|who| (who.user_id, who.session_id, (who.muted, who.deafened)))
                    .collect();
                assert_eq!(copied, truth, "the copy of {channel}");
            }
            assert_eq!(registry.room_count(), attended, "a room is left over");
        }
    }
}

/// A connection and the join that it waits for.
pub(super) struct Member {
    pub(super) client: Client,
    pub(super) pending: Option<Proposed>,
    /// The result of the last join.
    pub(super) last: Option<Result<SessionId, JoinError>>,
}

impl Member {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            pending: None,
            last: None,
        }
    }

    pub(super) fn join(&mut self, channel: &str) {
        self.join_limited(channel, 0);
    }

    pub(super) fn join_limited(&mut self, name: &str, limit: u32) {
        let link = self.client.connection.link().expect("in a cluster");
        let name = name.to_owned();
        let admission = self.client.admission(limit);
        let (at, ticket) = (channel(&name), self.client.ticket());
        let respond = Box::new(move |snapshot| (response(&name, snapshot), None));
        let connection = &self.client.connection;
        match connection.enter(link, &at, ticket, admission, respond) {
            Ok(Entering::Waits(proposed)) => self.pending = Some(proposed),
            Ok(Entering::Stays(joined)) => self.last = Some(Ok(joined.session)),
            Err(error) => self.last = Some(Err(error)),
        }
    }

    /// Does something that a client asks for, under a request id. Returns whether the answer goes
    /// to the client's sink under that id, now or later. A relay is answered only if it is refused.
    pub(super) fn act(&mut self, op: &VoiceOp, id: &str) -> bool {
        let connection = &self.client.connection;
        let seat = || connection.seat().map(|(channel, _)| channel.to_string());
        match *op {
            VoiceOp::Join { channel, limit, .. } => {
                self.join_limited(&channel_name(channel), limit);
                false
            }
            VoiceOp::Leave { channel, .. } => {
                connection.leave_channel(&channel_name(channel), id).is_ok()
            }
            VoiceOp::Mute { muted, .. } => seat()
                .is_some_and(|channel| connection.update_state(&channel, muted, false, id).is_ok()),
            VoiceOp::Speak { speaking, .. } => {
                seat().is_some_and(|channel| connection.speaking(&channel, speaking, id).is_ok())
            }
            VoiceOp::Relay {
                target, channel, ..
            } => {
                let to = (&*channel_name(channel), &*user_name(target));
                self.client.send_as(id, to, id).is_ok()
            }
            VoiceOp::Reconnect { .. } | VoiceOp::Kick { .. } | VoiceOp::CloseChannel { .. } => {
                false
            }
        }
    }

    /// Whether a join still waits for the engine.
    pub(super) fn is_waiting(&mut self) -> bool {
        if let Some(pending) = &mut self.pending
            && let Some(result) = pending.now_or_never()
        {
            self.last = Some(result.map(|joined| joined.session));
            self.pending = None;
        }
        self.pending.is_some()
    }

    /// The result of the join, which has arrived.
    pub(super) fn entered(&mut self) -> Result<SessionId, JoinError> {
        assert!(!self.is_waiting(), "the join still waits");
        self.last.take().expect("it has joined")
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.client.lines()
    }
}
