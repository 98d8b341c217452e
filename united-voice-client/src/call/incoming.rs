//! What the server sends.

use tokio::time::Instant;
use united_voice_proto::{
    voice::{
        VoiceError, VoiceIceCandidate, VoiceIceServersResponse, VoiceJoinResponse, VoiceLeaveEvent,
        VoiceParticipantJoinedEvent, VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent,
        VoiceStateUpdate,
    },
    ws::{Envelope, envelope::Payload},
};

use super::{
    commands::leave_request,
    machine::{Call, Seat, answer, join_request},
};
use crate::{
    command::{Reply, State},
    error::{Refusal, RequestError},
    event::{Candidate, Description, Event, ExitReason, Peer, RelayId, Snapshot},
    pending::Waiter,
    wire::{ErrorCode, LeaveReason},
};

impl Call {
    /// Takes an envelope of the server. It ignores payloads that this version does not know, and
    /// answers that nobody waits for.
    pub(crate) fn received(&mut self, envelope: Envelope, now: Instant) {
        let id = envelope.request_id.parse().ok();
        let asked = id.and_then(|id| self.pending.take(id));
        match envelope.payload {
            Some(Payload::VoiceError(error)) => self.error(asked, id, error, now),
            Some(payload) => match asked {
                Some((_, waiter)) => self.answered(waiter, payload, now),
                None => self.happened(payload),
            },
            None => {}
        }
    }

    fn answered(&mut self, waiter: Waiter, payload: Payload, now: Instant) {
        match (waiter, payload) {
            (Waiter::Join { reply, .. }, Payload::VoiceJoinResponse(response)) => {
                let snapshot = self.entered(response, now);
                answer(reply, Ok(snapshot));
            }
            (Waiter::Leave { reply, .. }, Payload::VoiceLeaveEvent(event)) => {
                self.gone(&event, ExitReason::Left);
                answer(reply, Ok(()));
            }
            (Waiter::State { reply }, Payload::VoiceStateUpdate(_)) => answer(reply, Ok(())),
            (Waiter::IceServers { reply }, Payload::VoiceIceServersResponse(response)) => {
                answer(reply, Ok(response.ice_servers));
            }
            // An answer of the wrong kind is worth no more than no answer.
            (waiter, _) => {
                self.unresponsive = true;
                self.expire(waiter);
            }
        }
    }

    fn entered(&mut self, response: VoiceJoinResponse, now: Instant) -> Snapshot {
        let snapshot = Snapshot::from(response);
        let same_session = self
            .seat
            .as_ref()
            .is_some_and(|seat| seat.session == snapshot.session_id);
        let rejoined = self.seat.is_none() && self.channel.as_ref() == Some(&snapshot.channel_id);
        self.seat = Some(Seat {
            channel: snapshot.channel_id.clone(),
            session: snapshot.session_id.clone(),
        });
        self.channel = Some(snapshot.channel_id.clone());
        self.outgoing.keep_only(Some(&snapshot.channel_id));
        self.events.push_back(Event::Entered {
            snapshot: snapshot.clone(),
            rejoined,
        });
        // On the server every stay begins with microphone and headphones on.
        if !same_session && self.state != State::default() {
            self.tell_state(None, now);
        }
        snapshot
    }

    fn happened(&mut self, payload: Payload) {
        match payload {
            Payload::VoiceLeaveEvent(event) => self.left(event),
            Payload::VoiceParticipantJoinedEvent(event) => self.joined(event),
            Payload::VoiceSdpOffer(offer) => self.offer(offer),
            Payload::VoiceSdpAnswer(answer) => self.answer(answer),
            Payload::VoiceIceCandidate(candidate) => self.candidate(candidate),
            Payload::VoiceStateUpdate(update) => self.state(update),
            Payload::VoiceSpeakingEvent(event) => self.spoke(event),
            Payload::VoiceIceServersResponse(response) => self.fresh_ice_servers(response),
            _ => {}
        }
    }

    fn left(&mut self, event: VoiceLeaveEvent) {
        let reason = event.reason();
        let mine = self
            .seat
            .as_ref()
            .is_some_and(|seat| seat.session == event.session_id && !seat.session.is_empty());
        if mine {
            let why = match reason {
                LeaveReason::Kicked => ExitReason::Kicked,
                LeaveReason::Evicted => ExitReason::Evicted,
                _ => ExitReason::Left,
            };
            self.unwant(&event.channel_id);
            return self.gone(&event, why);
        }
        self.tell(&event.channel_id, |channel_id| Event::Left {
            channel_id,
            peer: peer(event.user_id, event.session_id),
            display_name: event.display_name,
            reason,
        });
    }

    /// Handles the leave of this client's own session.
    fn gone(&mut self, event: &VoiceLeaveEvent, reason: ExitReason) {
        if self.is_here(&event.channel_id) {
            self.exit(reason);
        }
    }

    fn joined(&mut self, event: VoiceParticipantJoinedEvent) {
        let Some(participant) = event.participant else {
            return;
        };
        self.tell(&event.channel_id, |channel_id| Event::Joined {
            channel_id,
            participant,
        });
    }

    fn offer(&mut self, offer: VoiceSdpOffer) {
        self.tell(&offer.channel_id, |_| {
            Event::Offer(Description {
                from: peer(offer.sender_user_id, offer.sender_session_id),
                sdp: offer.sdp,
            })
        });
    }

    fn answer(&mut self, answer: VoiceSdpAnswer) {
        self.tell(&answer.channel_id, |_| {
            Event::Answer(Description {
                from: peer(answer.sender_user_id, answer.sender_session_id),
                sdp: answer.sdp,
            })
        });
    }

    fn candidate(&mut self, candidate: VoiceIceCandidate) {
        self.tell(&candidate.channel_id, |_| {
            Event::Candidate(Candidate {
                from: peer(candidate.sender_user_id, candidate.sender_session_id),
                candidate_json: candidate.candidate_json,
            })
        });
    }

    fn state(&mut self, update: VoiceStateUpdate) {
        self.tell(&update.channel_id, |_| Event::State {
            user_id: update.user_id,
            muted: update.muted,
            deafened: update.deafened,
        });
    }

    fn spoke(&mut self, event: VoiceSpeakingEvent) {
        self.tell(&event.channel_id, |_| Event::Speaking {
            user_id: event.user_id,
            speaking: event.speaking,
        });
    }

    fn fresh_ice_servers(&mut self, response: VoiceIceServersResponse) {
        let ice_servers = response.ice_servers;
        self.tell(&response.channel_id, |_| Event::IceServers { ice_servers });
    }

    /// Takes an error, which is the answer to a request or to a relayed message.
    fn error(
        &mut self,
        asked: Option<(Instant, Waiter)>,
        id: Option<u64>,
        error: VoiceError,
        now: Instant,
    ) {
        let refusal = Refusal::from(error);
        let again = asked
            .as_ref()
            .and_then(|(_, waiter)| self.repeated(waiter, &refusal));
        if again.is_some() || refusal.code == ErrorCode::RateLimited {
            self.outgoing.pause(now);
        }
        let Some((deadline, waiter)) = asked else {
            return self.refused_relay(id, refusal);
        };
        if let Some(request) = again {
            let deadline = match waiter {
                // Nobody waits for a state that the client told by itself. So it is told until the
                // server takes it.
                Waiter::State { reply: None } => now + self.request_timeout,
                _ => deadline,
            };
            return self.request_again(request, waiter, deadline);
        }
        match waiter {
            Waiter::Join { channel, reply } => self.refused(&channel, refusal, reply, now),
            Waiter::Leave { reply, .. } => self.refused_leave(refusal, reply),
            Waiter::State { reply: Some(reply) } => answer(reply, Err(refusal.into())),
            Waiter::State { reply: None } => {
                let relay = None;
                self.events.push_back(Event::Refused { relay, refusal });
            }
            Waiter::IceServers { reply } => answer(reply, Err(refusal.into())),
        }
    }

    /// The request once more, if the server refused it for the moment and it is still wanted. A
    /// seat must not stay behind, so a leave is repeated for other reasons than the rate too. A
    /// rejoin, for which nobody waits, has a pause of its own.
    fn repeated(&self, waiter: &Waiter, refusal: &Refusal) -> Option<Payload> {
        let too_fast = refusal.code == ErrorCode::RateLimited;
        let intent = self.intent.as_ref();
        match waiter {
            Waiter::Join { channel, reply } if too_fast && reply.is_some() => {
                (intent == Some(channel)).then(|| join_request(channel.clone()))
            }
            Waiter::Leave { channel, .. } if refusal.is_retryable() => {
                intent.is_none().then(|| leave_request(channel.clone()))
            }
            Waiter::State { .. } if too_fast => self.state_update(),
            Waiter::IceServers { .. } if too_fast => self.ice_request(),
            _ => None,
        }
    }

    /// Handles the refusal of a message that is no request.
    fn refused_relay(&mut self, id: Option<u64>, refusal: Refusal) {
        match (id, refusal.code) {
            (None, ErrorCode::SessionReplaced) => self.replaced(&refusal.channel_id),
            (Some(id), ErrorCode::RateLimited) if self.outgoing.send_again(id) => {}
            _ => {
                let relay = id.map(RelayId);
                self.events.push_back(Event::Refused { relay, refusal });
            }
        }
    }

    /// Handles a leave that the server refused for good. If the seat is not gone, the client gives
    /// the connection up.
    fn refused_leave(&mut self, refusal: Refusal, reply: Reply<(), RequestError>) {
        if self.intent.is_some() {
            // Meanwhile the application has asked for a join.
            return answer(reply, Err(refusal.into()));
        }
        if refusal.code != ErrorCode::NotInChannel {
            return self.give_up(reply);
        }
        if self.seat.is_some() {
            self.exit(ExitReason::Left);
        }
        answer(reply, Ok(()));
    }

    /// Handles the news that another connection of the user took the seat.
    fn replaced(&mut self, channel: &str) {
        if self.is_here(channel) {
            self.unwant(channel);
            self.exit(ExitReason::Replaced);
        }
    }

    /// Notes that the client was removed from a channel and must not join it again, unless the
    /// application asked for that meanwhile.
    fn unwant(&mut self, channel: &str) {
        if self.intent.as_deref() == Some(channel) && !self.pending.joins(channel) {
            self.intent = None;
        }
    }

    fn is_here(&self, channel: &str) -> bool {
        self.seat
            .as_ref()
            .is_some_and(|seat| seat.channel == channel)
    }

    /// Tells the application of something in its channel. What happened in another channel is out
    /// of date.
    fn tell(&mut self, channel: &str, event: impl FnOnce(String) -> Event) {
        if self.is_here(channel) {
            self.events.push_back(event(channel.to_owned()));
        }
    }
}

const fn peer(user_id: String, session_id: String) -> Peer {
    Peer {
        user_id,
        session_id,
    }
}
