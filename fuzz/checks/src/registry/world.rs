//! A server, its connections and the model.

use std::time::UNIX_EPOCH;

use futures::FutureExt as _;
use united_voice_core::{
    ChannelId, ConnectError, Limits, UserId, VoiceServer, outbound_queue, signaling::dispatch,
};
use united_voice_proto::{
    Codec, Incoming, encode_json, encode_protobuf,
    voice::{VoiceErrorCode as Code, VoiceLeaveReason as Reason},
    ws::{Envelope, envelope::Payload},
};

use super::{
    host::{CHANNELS, Host},
    model::Model,
    operation::{Operation, Relayed, SLOTS, Session, content},
    slot::{Reply, Slot},
};
use crate::{input::Input, replica::Replica};

const CONNECTIONS_PER_USER: usize = 3;
const MAX_SDP_BYTES: usize = 128;
const MAX_CANDIDATE_BYTES: usize = 64;
const REQUEST_ID: &str = "the request";

pub(super) struct World {
    server: VoiceServer<Host>,
    /// Everybody reads at once, and the model says what happens.
    exact: bool,
    users: usize,
    slots: [Option<Slot>; SLOTS],
    model: Model,
    has_shut_down: bool,
}

/// What an operation makes the server send, besides what the rosters show.
#[derive(Debug, Default)]
struct Expected {
    /// The slot that sent a request, and its reply.
    reply: Option<(usize, Reply)>,
    /// The reason in leave events.
    reason: Option<Reason>,
    /// The slot that is sent a relayed message.
    relay_to: Option<usize>,
}

fn name(user: usize) -> String {
    format!("user-{user}")
}

fn user_id(user: usize) -> UserId {
    UserId::new(name(user)).expect("a valid id")
}

fn channel_id(channel: usize) -> ChannelId {
    ChannelId::new(CHANNELS[channel]).expect("a valid id")
}

impl World {
    pub(super) fn new(exact: bool, users: usize) -> Self {
        let mut limits = Limits::default();
        limits.connections_per_user = CONNECTIONS_PER_USER;
        limits.max_sdp_bytes = MAX_SDP_BYTES;
        limits.max_candidate_bytes = MAX_CANDIDATE_BYTES;
        let server = VoiceServer::builder(Host::default()).limits(limits).build();
        Self {
            server: server.expect("the limits are valid"),
            exact,
            users,
            slots: Default::default(),
            model: Model::default(),
            has_shut_down: false,
        }
    }

    pub(super) const fn has_shut_down(&self) -> bool {
        self.has_shut_down
    }

    pub(super) fn perform(&mut self, input: &mut Input<'_>) {
        let operation = Operation::read(input, self.users);
        let form = input.below(3);
        let expected = self.apply(operation, form, input);
        if self.exact {
            self.check_messages(&expected);
            self.check_rosters();
        } else if let Some(Some(slot)) = self.slots.get_mut(input.below(16)) {
            slot.read();
        }
    }

    /// Checks the rules that hold when nothing is under way, and ends all.
    pub(super) fn end(mut self) {
        for slot in self.slots.iter_mut().flatten() {
            slot.read();
        }
        self.check_seats();
        self.slots = Default::default();
        let stats = self.server.stats();
        assert_eq!((stats.users, stats.participants), (0, 0));
        assert_eq!(self.server.registry().room_count(), 0);
        assert_eq!(self.server.connections(), 0);
        assert_eq!(self.server.drained().now_or_never(), Some(()));
    }

    fn apply(&mut self, operation: Operation, form: usize, input: &mut Input<'_>) -> Expected {
        let registry = self.server.registry().clone();
        let mut expected = Expected::default();
        match operation {
            Operation::Connect { slot, user } => {
                self.disconnect(slot);
                // That may be seen before anything else happens.
                expected.reason = Some(Reason::Disconnected);
                self.connect(slot, user, input);
            }
            Operation::Disconnect { slot } => {
                self.disconnect(slot);
                expected.reason = Some(Reason::Disconnected);
            }
            Operation::Request { slot, payload } => {
                self.request(slot, payload, form, &mut expected);
            }
            Operation::Relay { slot, relay } => self.relay(slot, &relay, form, &mut expected),
            Operation::Kick { user } => {
                let sat = self.model.channel_of(&name(user)).is_some();
                let kicked = registry.kick(&user_id(user));
                assert!(!self.exact || kicked == sat);
                self.model.take_out(&name(user));
                expected.reason = Some(Reason::Kicked);
            }
            Operation::KickFrom { user, channel } => {
                let sat = self.model.channel_of(&name(user)) == Some(channel);
                let kicked = registry.kick_from(&user_id(user), &channel_id(channel));
                assert!(!self.exact || kicked == sat);
                if sat {
                    self.model.take_out(&name(user));
                }
                expected.reason = Some(Reason::Kicked);
            }
            Operation::LeaveAll { user } => {
                registry.leave_all_channels(&user_id(user));
                self.model.take_out(&name(user));
                expected.reason = Some(Reason::Disconnected);
            }
            Operation::CloseChannel { channel } => {
                let removed = registry.close_channel(&channel_id(channel));
                assert!(!self.exact || removed == self.model.rooms[channel].len());
                self.model.rooms[channel].clear();
                expected.reason = Some(Reason::Kicked);
            }
            Operation::Limit { channel, limit } => {
                self.server.directory().set_limit(channel, limit);
                registry.policy_changed(&channel_id(channel));
            }
            Operation::Ban { user, channel } => {
                self.server.directory().toggle_ban(&name(user), channel);
                registry.policy_changed(&channel_id(channel));
            }
            Operation::Evict { slot } => {
                if let Some(Slot {
                    connection,
                    signals,
                    ..
                }) = &self.slots[slot]
                {
                    connection.evict();
                    assert!(signals.close_reason().is_some());
                    self.model.take_out_slot(slot);
                }
                expected.reason = Some(Reason::Evicted);
            }
            Operation::Shutdown => self.shut_down(),
        }
        expected
    }

    fn connect(&mut self, place: usize, user: usize, input: &mut Input<'_>) {
        let messages = if self.exact {
            10_000
        } else {
            input.pick(&[2, 3, 5, 8, 10_000])
        };
        let bytes = if self.exact {
            1 << 30
        } else {
            input.pick(&[400, 2000, 1 << 20])
        };
        let (sink, mut signals) = outbound_queue(messages, bytes);
        signals.set_codec(input.pick(&[Codec::Protobuf, Codec::Json]));
        let name = name(user);
        let has = |slot: &&Slot| slot.is_open() && slot.connection.user().as_str() == name;
        let present = self.slots.iter().flatten().filter(has).count();
        match self.server.connect(&user_id(user), sink.into()) {
            Ok(connection) => {
                assert!(present < CONNECTIONS_PER_USER);
                let replica = Replica::new(&name);
                self.slots[place] = Some(Slot {
                    connection,
                    signals,
                    replica,
                });
            }
            Err(error) => {
                assert_eq!(error, ConnectError::TooManyConnections);
                assert_eq!(present, CONNECTIONS_PER_USER);
            }
        }
    }

    fn disconnect(&mut self, place: usize) {
        if let Some(slot) = self.slots[place].take() {
            let Slot {
                connection,
                mut signals,
                mut replica,
            } = slot;
            drop(connection);
            let rest = std::iter::from_fn(|| signals.pop());
            rest.for_each(|signal| replica.apply(signal.envelope()));
            self.model.take_out_slot(place);
        }
    }

    fn shut_down(&mut self) {
        self.server.shutdown();
        self.has_shut_down = true;
        for Slot { signals, .. } in self.slots.iter().flatten() {
            assert!(signals.close_reason().is_some());
        }
        let (sink, _signals) = outbound_queue(1, 1);
        let refused = self.server.connect(&user_id(0), sink.into());
        assert_eq!(refused.err(), Some(ConnectError::ShuttingDown));
        self.slots = Default::default();
        self.model = Model::default();
    }

    fn request(&mut self, place: usize, payload: Payload, form: usize, expected: &mut Expected) {
        let Some(slot) = self.slots[place].as_ref().filter(|slot| slot.is_open()) else {
            return;
        };
        let user = slot.connection.user().as_str().to_owned();
        let channel = payload.channel_id().to_owned();
        let is_id = (1..=128).contains(&channel.len());
        let sits = self.model.sits(place, &channel);
        let reply = match &payload {
            _ if !is_id => Reply::Error(Code::Malformed),
            Payload::VoiceJoinRequest(_) => self.join(place, &user, &channel, expected),
            _ if !sits => Reply::Error(Code::NotInChannel),
            Payload::VoiceLeaveRequest(_) => {
                self.model.take_out_slot(place);
                expected.reason = Some(Reason::Left);
                Reply::Left
            }
            Payload::VoiceStateUpdate(update) => {
                self.model.set_state(place, update.muted, update.deafened);
                Reply::State
            }
            Payload::VoiceSpeakingEvent(_) => Reply::Speaking,
            _ => Reply::IceServers,
        };
        expected.reply = Some((place, reply));
        self.send(place, payload, form);
    }

    fn join(&mut self, place: usize, user: &str, channel: &str, expected: &mut Expected) -> Reply {
        let Some(channel) = CHANNELS.iter().position(|name| *name == channel) else {
            return Reply::Error(match channel {
                "text" => Code::NotAVoiceChannel,
                _ => Code::ChannelNotFound,
            });
        };
        let host = self.server.directory();
        if host.is_banned(user, channel) {
            return Reply::Error(Code::Forbidden);
        }
        let limit = host.limit(channel) as usize;
        let is_there = self.model.member(user, channel).is_some();
        if limit > 0 && !is_there && self.model.rooms[channel].len() >= limit {
            return Reply::Error(Code::ChannelFull);
        }
        expected.reason = match self.model.channel_of(user) {
            Some(old) if old == channel => Some(Reason::Replaced),
            _ => Some(Reason::Moved),
        };
        self.model.join(user, place, channel);
        Reply::Joined
    }

    fn relay(&mut self, place: usize, relay: &Relayed, form: usize, expected: &mut Expected) {
        if !self.slots[place].as_ref().is_some_and(Slot::is_open) {
            return;
        }
        let channel = CHANNELS.iter().position(|name| *name == relay.channel);
        let sits = self.model.sits(place, &relay.channel);
        let target = channel
            .and_then(|channel| self.model.member(&name(relay.target), channel))
            .map(|member| member.slot);
        let session = match relay.session {
            Session::None => String::new(),
            Session::Stale => "0000000000000000".to_owned(),
            Session::TooLong => "0".repeat(129),
            // If the target is not there, any session will do.
            Session::Present => target
                .and_then(|target| self.slots[target].as_ref()?.connection.seat())
                .map_or_else(|| "1".to_owned(), |(_, session)| session.to_string()),
        };
        let most = if relay.kind < 2 {
            MAX_SDP_BYTES
        } else {
            MAX_CANDIDATE_BYTES
        };
        let is_id = (1..=128).contains(&relay.channel.len());
        let reply = match target {
            _ if !is_id || relay.session == Session::TooLong => Reply::Error(Code::Malformed),
            _ if relay.content.len() > most => Reply::Error(Code::TooLarge),
            _ if !sits => Reply::Error(Code::NotInChannel),
            None => Reply::Error(Code::TargetNotInChannel),
            Some(target) if target == place => Reply::Error(Code::TargetNotInChannel),
            Some(_) if relay.session == Session::Stale => Reply::Error(Code::StaleSession),
            Some(target) => {
                expected.relay_to = Some(target);
                Reply::None
            }
        };
        expected.reply = Some((place, reply));
        self.send(place, relay.payload(&name(relay.target), &session), form);
    }

    /// Sends a request as an envelope, or as a frame in one of the two encodings.
    fn send(&self, place: usize, payload: Payload, form: usize) {
        let slot = self.slots[place].as_ref().expect("checked before");
        let envelope = Envelope {
            request_id: REQUEST_ID.to_owned(),
            payload: Some(payload),
        };
        let (codec, frame) = match form {
            0 => (Codec::Protobuf, encode_protobuf(&envelope)),
            _ => (Codec::Json, encode_json(&envelope).into()),
        };
        let decoded = || Incoming::decode(codec, &frame, usize::MAX).expect("a good frame");
        let message = if form == 2 {
            envelope.into()
        } else {
            decoded()
        };
        let handled = dispatch(&self.server, &slot.connection, message, UNIX_EPOCH);
        handled.now_or_never().expect("the host answers at once");
    }

    fn check_messages(&mut self, expected: &Expected) {
        let mut reply = Reply::None;
        let mut relayed_to = None;
        for (place, slot) in self.slots.iter_mut().enumerate() {
            let Some(slot) = slot else { continue };
            for envelope in slot.read() {
                let payload = envelope.payload.expect("a payload");
                if let Payload::VoiceLeaveEvent(event) = &payload {
                    assert_eq!(Some(event.reason()), expected.reason);
                }
                if content(&payload).is_some() {
                    assert_eq!(relayed_to.replace(place), None, "relayed twice");
                    assert_eq!(envelope.request_id, "");
                }
                if !envelope.request_id.is_empty() {
                    assert_eq!(envelope.request_id, REQUEST_ID);
                    let sender = expected.reply.map(|(sender, _)| sender);
                    assert_eq!(Some(place), sender, "a reply for another");
                    assert_eq!(reply, Reply::None, "two replies");
                    reply = Reply::of(&payload);
                }
            }
        }
        let expected_reply = expected.reply.map_or(Reply::None, |(_, reply)| reply);
        assert_eq!(reply, expected_reply);
        assert_eq!(relayed_to, expected.relay_to);
    }

    fn check_rosters(&self) {
        for channel in 0..CHANNELS.len() {
            let roster = self.server.registry().participants(&channel_id(channel));
            self.model.check(channel, &roster);
        }
        for (place, slot) in self.slots.iter().enumerate() {
            let Some(slot) = slot else { continue };
            let seat = slot
                .connection
                .seat()
                .map(|(channel, _)| channel.to_string());
            let expected = self
                .model
                .seat(place)
                .map(|channel| CHANNELS[channel].to_owned());
            assert_eq!(seat, expected);
        }
        self.check_seats();
    }

    /// Every view is the roster, nobody has two seats, and everybody in a roster has a connection.
    fn check_seats(&self) {
        let registry = self.server.registry();
        let rosters = [0, 1, 2].map(|channel| registry.participants(&channel_id(channel)));
        let mut users: Vec<_> = rosters.iter().flatten().map(|who| &who.user_id).collect();
        let participants = users.len();
        users.sort_unstable();
        users.dedup();
        assert_eq!(users.len(), participants, "two seats");
        let mut seated = 0;
        for slot in self.slots.iter().flatten() {
            let Some((channel, session)) = slot.connection.seat() else {
                assert!(
                    !slot.is_open() || slot.replica.room.is_none(),
                    "no seat, but a view"
                );
                continue;
            };
            assert!(slot.is_open(), "a closed connection has a seat");
            seated += 1;
            let place = CHANNELS.iter().position(|name| *name == channel.as_str());
            slot.replica
                .check(&rosters[place.expect("a voice channel")]);
            let room = slot.replica.room.as_ref().expect("checked by the replica");
            assert_eq!(
                (room.channel.as_str(), &room.session),
                (channel.as_str(), &session.to_string())
            );
        }
        assert_eq!(
            seated, participants,
            "somebody without a connection is listed"
        );
        let occupied = rosters.iter().filter(|roster| !roster.is_empty()).count();
        assert_eq!(registry.room_count(), occupied, "an empty room is left");
    }
}
