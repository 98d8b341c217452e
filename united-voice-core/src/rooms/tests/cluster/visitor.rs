//! A client in a cluster that fails now and then: what it asked, and what it has been told.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Member, Site};
use crate::{
    proto::ws::{Envelope, envelope::Payload},
    rooms::tests::{
        client::Client,
        ops::VoiceOp,
        order::Order,
        party::user_name,
        view::{Replica, Stay},
    },
    test_util::RecordingSink,
};

/// A connection, and the ones before it.
pub(super) struct Visitor {
    name: String,
    pub(super) node: usize,
    pub(super) member: Member,
    pub(super) view: Replica,
    asked: u32,
    /// The requests that the present connection made, and how often each was answered.
    answers: HashMap<String, u32>,
    /// The messages to others that the present connection has sent.
    sent: Vec<String>,
    /// Joins that succeeded, as the connection's owner knows.
    joined: u32,
    past: Vec<Stay>,
    /// The sinks of connections that have ended.
    ended: Vec<Arc<RecordingSink>>,
    /// The messages of others, over all connections.
    pub(super) received: Vec<String>,
}

impl Visitor {
    pub(super) fn new(site: &Site, node: usize, user: u8) -> Self {
        let name = user_name(user);
        Self {
            member: Member::new(Client::new(site.registry(node), &name)),
            view: Replica::new(&name),
            name,
            node,
            asked: 0,
            answers: HashMap::new(),
            sent: Vec::new(),
            joined: 0,
            past: Vec::new(),
            ended: Vec::new(),
            received: Vec::new(),
        }
    }

    /// Does something, unless a join is under way: a connection handles one request at a time.
    pub(super) fn act(&mut self, op: &VoiceOp) {
        if self.is_waiting() {
            return;
        }
        self.asked += 1;
        let id = format!("{} of {:p}", self.asked, self.member.client.sink);
        let is_relay = matches!(op, VoiceOp::Relay { .. });
        if self.member.act(op, &id) {
            if is_relay {
                self.sent.push(id);
            } else {
                self.answers.entry(id).or_default();
            }
        }
        self.note_join();
    }

    /// Gives up the join that is under way, but not the connection.
    pub(super) fn give_up(&mut self) {
        if let Some(mut pending) = self.member.pending.take() {
            let decided = pending.give_up();
            self.member.last = decided.map(|joined| joined.map(|joined| joined.session));
            self.note_join();
        }
    }

    pub(super) fn is_waiting(&mut self) -> bool {
        let waits = self.member.is_waiting();
        self.note_join();
        waits
    }

    fn note_join(&mut self) {
        if let Some(Ok(_)) = self.member.last.take() {
            self.joined += 1;
        }
    }

    /// Reads what has come. If the library has closed the connection, comes back by another one.
    pub(super) fn read(&mut self, site: &Site, is_exact: bool) {
        let envelopes = self.member.client.take();
        self.note(&envelopes);
        if self.member.client.sink.close_reason().is_some() {
            self.reconnect(site, is_exact);
        }
    }

    fn note(&mut self, envelopes: &[Envelope]) {
        for envelope in envelopes {
            if !envelope.request_id.is_empty() {
                let id = envelope.request_id.clone();
                *self.answers.entry(id).or_default() += 1;
            }
            if let Some(Payload::VoiceIceCandidate(message)) = &envelope.payload {
                self.received.push(message.candidate_json.clone());
            }
        }
        self.view.apply_all(envelopes);
    }

    /// Ends the connection, with a join that may still wait, and begins another one by the node.
    /// `is_exact` says whether the node has told its members nothing but the engine's decisions.
    pub(super) fn reconnect(&mut self, site: &Site, is_exact: bool) {
        if self.asked.is_multiple_of(2) {
            self.member.pending = None;
        }
        let client = Client::new(site.registry(self.node), &self.name);
        let old = std::mem::replace(&mut self.member, Member::new(client));
        let sink = Arc::clone(&old.client.sink);
        self.note(&sink.take());
        for (id, answers) in &self.answers {
            assert!(id == "join" || *answers <= 1, "{id} of {}", self.name);
        }
        drop(old);
        // Nobody listens to the answer to a leave that is under way.
        if self.answers.values().all(|answers| *answers > 0) {
            self.ended.push(sink);
        }
        let view = std::mem::replace(&mut self.view, Replica::new(&self.name));
        self.past
            .extend(view.stays.into_iter().filter(|_| is_exact));
        self.answers.clear();
        self.sent.clear();
        self.joined = 0;
    }

    /// Each request of the present connection has one answer, and it saw the common order. Each
    /// message of it has arrived or was refused, unless a `node_died` meanwhile.
    pub(super) fn check(
        &self,
        order: &Order,
        is_exact: bool,
        arrived: &HashSet<&str>,
        node_died: bool,
    ) {
        for (id, answers) in &self.answers {
            let expected = if id == "join" { self.joined } else { 1 };
            assert_eq!(*answers, expected, "{id} of {}", self.name);
        }
        for id in self.sent.iter().filter(|_| !node_died) {
            let is_told = arrived.contains(id.as_str()) || self.answers.contains_key(id);
            assert!(is_told, "the message {id} of {} was lost", self.name);
        }
        for sink in &self.ended {
            let late = sink.take();
            assert!(
                late.is_empty(),
                "{} was told after its end: {late:?}",
                self.name
            );
        }
        for stay in &self.past {
            order.check(&self.name, stay, true);
        }
        if is_exact {
            let stays = self.view.stays.iter();
            stays.for_each(|stay| order.check(&self.name, stay, false));
        }
    }
}
