//! What waits to be sent: in which order, how fast, and what is sent again.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;
use united_voice_proto::ws::{Envelope, envelope::Payload};

use crate::pace::{BYTES_PER_MESSAGE, Pace, Rate};

/// Messages that may wait. If so many wait, the client takes no command, and so the application
/// waits. That is at most 16 MiB, if each is the largest offer that servers accept.
const MAX_WAITING: usize = 256;

/// Relayed messages that are kept after they were sent, because the server may still refuse them
/// for the moment. That is at most 16 MiB too.
const MAX_KEPT: usize = 256;

/// How long a refusal is expected. The next relayed message drops those that are older.
const KEEP: Duration = Duration::from_secs(5);

/// How often a relayed message is sent at most.
const MAX_TRIES: u8 = 8;

/// Messages on their way to the socket. Leaves go at once, since servers never drop them for the
/// rate. Requests follow, since somebody waits for their answers. Candidates go last: a call begins
/// with its offers and answers, and candidates are many.
#[derive(Debug)]
pub(super) struct Outgoing {
    pace: Pace,
    leaves: VecDeque<Envelope>,
    /// Requests and speaking events.
    requests: VecDeque<Message>,
    descriptions: VecDeque<Message>,
    candidates: VecDeque<Message>,
    /// Relayed messages that were sent, and when.
    kept: VecDeque<(Instant, Message)>,
}

#[derive(Debug)]
struct Message {
    /// The number in the request id. It is 0 if the message has none.
    id: u64,
    /// How often it was sent, if it is relayed.
    tries: u8,
    envelope: Envelope,
}

impl Outgoing {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            pace: Pace::new(rate),
            leaves: VecDeque::new(),
            requests: VecDeque::new(),
            descriptions: VecDeque::new(),
            candidates: VecDeque::new(),
            kept: VecDeque::new(),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.requests.len() + self.descriptions.len() + self.candidates.len() < MAX_WAITING
    }

    /// Drops everything, because the connection is gone.
    pub(super) fn clear(&mut self) {
        self.pace.reset();
        self.leaves.clear();
        self.requests.clear();
        self.descriptions.clear();
        self.candidates.clear();
        self.kept.clear();
    }

    pub(super) fn push(&mut self, id: u64, envelope: Envelope) {
        match &envelope.payload {
            // A leave must not overtake the join that it takes back.
            Some(Payload::VoiceLeaveRequest(_)) if !self.requests.iter().any(is_join) => {
                return self.leaves.push_back(envelope);
            }
            Some(Payload::VoiceSdpOffer(offer)) => self.bring_along(&offer.target_user_id),
            Some(Payload::VoiceSdpAnswer(answer)) => self.bring_along(&answer.target_user_id),
            _ => {}
        }
        let message = Message {
            id,
            tries: 0,
            envelope,
        };
        self.lane(&message).push_back(message);
    }

    /// Sends a request again that the server refused for the moment. It waits its turn, also if it
    /// is a leave.
    pub(super) fn push_again(&mut self, id: u64, envelope: Envelope) {
        self.requests.push_back(Message {
            id,
            tries: 0,
            envelope,
        });
    }

    /// A description follows the candidates of its target that wait, so that each target gets its
    /// messages in order.
    fn bring_along(&mut self, target: &str) {
        let waiting = std::mem::take(&mut self.candidates);
        for message in waiting {
            let lane = match &message.envelope.payload {
                Some(Payload::VoiceIceCandidate(it)) if it.target_user_id == target => {
                    &mut self.descriptions
                }
                _ => &mut self.candidates,
            };
            lane.push_back(message);
        }
    }

    fn lane(&mut self, message: &Message) -> &mut VecDeque<Message> {
        match message.envelope.payload {
            Some(Payload::VoiceIceCandidate(_)) => &mut self.candidates,
            Some(Payload::VoiceSdpOffer(_) | Payload::VoiceSdpAnswer(_)) => &mut self.descriptions,
            _ => &mut self.requests,
        }
    }

    /// The next message, if it may be sent at `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Envelope> {
        if let Some(leave) = self.leaves.pop_front() {
            self.pace.count(1, now);
            return Some(leave);
        }
        if self.ready_at().is_some_and(|at| at > now) {
            return None;
        }
        let next = self.requests.pop_front();
        let next = next.or_else(|| self.descriptions.pop_front());
        let mut message = next.or_else(|| self.candidates.pop_front())?;
        self.pace.count(cost(&message.envelope), now);
        if !is_relay(&message.envelope) {
            return Some(message.envelope);
        }
        message.tries += 1;
        let envelope = message.envelope.clone();
        self.keep(message, now);
        Some(envelope)
    }

    fn keep(&mut self, message: Message, now: Instant) {
        let is_old = |kept: &(Instant, Message)| kept.0 + KEEP <= now;
        while self.kept.len() >= MAX_KEPT || self.kept.front().is_some_and(is_old) {
            self.kept.pop_front();
        }
        self.kept.push_back((now, message));
    }

    /// When the next message may be sent. `None` if none waits, or if it may be sent now.
    pub(super) fn ready_at(&self) -> Option<Instant> {
        let next = self.requests.front();
        let next = next.or_else(|| self.descriptions.front());
        let next = next.or_else(|| self.candidates.front())?;
        self.pace.ready_at(cost(&next.envelope))
    }

    /// The server has refused a message because it came too fast, or because its target reads too
    /// slowly at the moment.
    pub(super) fn pause(&mut self, now: Instant) {
        self.pace.pause(now);
    }

    /// Sends a relayed message again that was refused for the moment. Returns false if it is not
    /// known, or was sent often enough.
    pub(super) fn send_again(&mut self, id: u64) -> bool {
        let place = self.kept.iter().position(|(_, kept)| kept.id == id);
        let Some((_, message)) = place.and_then(|place| self.kept.remove(place)) else {
            return false;
        };
        if message.tries >= MAX_TRIES {
            return false;
        }
        let lane = self.lane(&message);
        let later = |waiting: &Message| waiting.id > id;
        let place = lane.iter().position(later).unwrap_or(lane.len());
        lane.insert(place, message);
        true
    }

    /// Drops what would be relayed in other channels than this one. The client has left them.
    pub(super) fn keep_only(&mut self, channel: Option<&str>) {
        let stays = |message: &Message| {
            let relayed_in = relay_channel(&message.envelope);
            relayed_in.is_none() || relayed_in == channel
        };
        self.requests.retain(stays);
        self.descriptions.retain(stays);
        self.candidates.retain(stays);
        self.kept.retain(|(_, message)| stays(message));
    }
}

/// As how many messages a server counts this one.
fn cost(envelope: &Envelope) -> u32 {
    let bytes = match &envelope.payload {
        Some(Payload::VoiceSdpOffer(offer)) => offer.sdp.len(),
        Some(Payload::VoiceSdpAnswer(answer)) => answer.sdp.len(),
        _ => 0,
    };
    // What surrounds the text may begin one part more.
    u32::try_from(bytes / BYTES_PER_MESSAGE).map_or(u32::MAX, |parts| parts.saturating_add(1))
}

fn relay_channel(envelope: &Envelope) -> Option<&str> {
    match &envelope.payload {
        Some(Payload::VoiceSdpOffer(offer)) => Some(&offer.channel_id),
        Some(Payload::VoiceSdpAnswer(answer)) => Some(&answer.channel_id),
        Some(Payload::VoiceIceCandidate(candidate)) => Some(&candidate.channel_id),
        Some(Payload::VoiceSpeakingEvent(event)) => Some(&event.channel_id),
        _ => None,
    }
}

fn is_join(message: &Message) -> bool {
    matches!(message.envelope.payload, Some(Payload::VoiceJoinRequest(_)))
}

/// Whether the message goes to another participant, and a refusal of it can be recognised.
fn is_relay(envelope: &Envelope) -> bool {
    relay_channel(envelope).is_some() && !envelope.request_id.is_empty()
}
