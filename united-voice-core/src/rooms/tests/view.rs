//! A client's view of its room, built only from the messages to the client. It fails on any message
//! that the server must not send.

use crate::proto::{
    voice::{VoiceErrorCode, VoiceJoinResponse, VoiceParticipant},
    ws::{Envelope, envelope::Payload},
};

use super::lines::line;

/// The view of one connection. A connection is in at most one room, so an event of another room is
/// a fault.
pub(crate) struct Replica {
    me: String,
    /// If set, the connection reads slowly. It may miss events, but then it ends soon.
    slow: bool,
    /// An engine has lost something, so the server's order may have changed without a message.
    pub(crate) any_order: bool,
    pub(crate) room: Option<View>,
    /// Every stay so far. The present one is the last.
    pub(crate) stays: Vec<Stay>,
}

/// The room as the connection sees it.
pub(crate) struct View {
    pub(crate) channel: String,
    pub(crate) session: String,
    pub(crate) others: Vec<VoiceParticipant>,
}

/// The events that a connection got in one stay, after the response.
pub(crate) struct Stay {
    pub(crate) channel: String,
    pub(crate) session: String,
    pub(crate) events: Vec<String>,
}

impl Replica {
    pub(crate) fn new(me: &str) -> Self {
        Self {
            me: me.into(),
            slow: false,
            any_order: false,
            room: None,
            stays: Vec::new(),
        }
    }

    pub(crate) fn slow(me: &str) -> Self {
        Self {
            slow: true,
            ..Self::new(me)
        }
    }

    pub(crate) fn apply_all(&mut self, envelopes: &[Envelope]) {
        for envelope in envelopes {
            self.apply(envelope);
        }
    }

    /// # Panics
    ///
    /// If the server must not send this now.
    pub(crate) fn apply(&mut self, envelope: &Envelope) {
        match envelope.payload.as_ref().expect("a payload") {
            Payload::VoiceJoinResponse(response) => self.enter(response),
            Payload::VoiceParticipantJoinedEvent(event) => {
                let who = event.participant.clone().expect("a participant");
                assert_ne!(who.user_id, self.me, "a client got its own joined event");
                let view = self.view(&event.channel_id, envelope);
                let known = view.others.iter().any(|other| other.user_id == who.user_id);
                assert!(!known, "{} joined twice", who.user_id);
                view.others.push(who);
            }
            Payload::VoiceLeaveEvent(event) if event.user_id == self.me => {
                let view = self.view(&event.channel_id, envelope);
                assert_eq!(
                    view.session, event.session_id,
                    "a client got a leave event that was for another"
                );
                self.room = None;
            }
            Payload::VoiceLeaveEvent(event) => {
                let view = self.view(&event.channel_id, envelope);
                let who = |other: &VoiceParticipant| {
                    other.user_id == event.user_id && other.session_id == event.session_id
                };
                let position = view.others.iter().position(who);
                view.others
                    .remove(position.expect("a user left that was not there"));
            }
            Payload::VoiceStateUpdate(update) => {
                let own = update.user_id == self.me;
                let view = self.view(&update.channel_id, envelope);
                let who = view
                    .others
                    .iter_mut()
                    .find(|other| other.user_id == update.user_id);
                assert!(own != who.is_some(), "a state of a user that is not there");
                if let Some(who) = who {
                    (who.muted, who.deafened) = (update.muted, update.deafened);
                }
            }
            Payload::VoiceSpeakingEvent(event) => {
                let own = event.user_id == self.me;
                let view = self.view(&event.channel_id, envelope);
                let mut others = view.others.iter();
                let known = others.any(|other| other.user_id == event.user_id);
                assert!(own != known, "a user speaks that is not there");
            }
            Payload::VoiceIceCandidate(candidate) => {
                let view = self.view(&candidate.channel_id, envelope);
                let known = view.others.iter().any(|other| {
                    (&other.user_id, &other.session_id)
                        == (&candidate.sender_user_id, &candidate.sender_session_id)
                });
                assert!(known, "a message from a user that is not there");
            }
            Payload::VoiceError(error) if error.code() == VoiceErrorCode::SessionReplaced => {
                self.view(&error.channel_id, envelope);
                self.room = None;
            }
            Payload::VoiceError(_) => {}
            other => panic!("not expected here: {other:?}"),
        }
    }

    fn enter(&mut self, response: &VoiceJoinResponse) {
        let rejoined = self
            .room
            .as_ref()
            .is_some_and(|view| view.session == response.session_id);
        let participants = &response.participants;
        assert!(
            participants.iter().all(|who| who.user_id != self.me),
            "the joiner itself is listed"
        );
        if let Some(view) = self.room.as_ref().filter(|_| rejoined) {
            let mut both = [view.others.clone(), participants.clone()];
            if self.any_order {
                for side in &mut both {
                    side.sort_unstable_by(|a, b| a.user_id.cmp(&b.user_id));
                }
            }
            assert!(
                self.slow || both[0] == both[1],
                "a rejoin's snapshot differs from the view"
            );
        } else {
            self.stays.push(Stay {
                channel: response.channel_id.clone(),
                session: response.session_id.clone(),
                events: Vec::new(),
            });
        }
        self.room = Some(View {
            channel: response.channel_id.clone(),
            session: response.session_id.clone(),
            others: participants.clone(),
        });
    }

    /// Records the event and returns the view of `channel`, which must be the connection's room.
    fn view(&mut self, channel: &str, envelope: &Envelope) -> &mut View {
        let event = envelope.payload.as_ref().expect("a payload");
        // Relayed messages and the loss of a seat go to one member only, and who speaks may be
        // dropped, so they are not part of the common order.
        if !matches!(
            event,
            Payload::VoiceIceCandidate(_) | Payload::VoiceError(_) | Payload::VoiceSpeakingEvent(_)
        ) {
            let stay = self.stays.last_mut().expect("an event before any response");
            stay.events.push(event_key(event));
        }
        match &mut self.room {
            Some(view) if view.channel == channel => view,
            _ => panic!(
                "{} is not in {channel} and got: {}",
                self.me,
                line(envelope)
            ),
        }
    }

    /// Checks that this equals the registry's roster: the same others in the same order, and the
    /// connection itself.
    pub(crate) fn assert_equals(&self, participants: &[VoiceParticipant]) {
        let view = self.room.as_ref().expect("in a room");
        let mut others = participants.to_vec();
        let me = others.iter().position(|who| who.user_id == self.me);
        let me = others.remove(me.expect("the registry has the client, too"));
        assert_eq!(me.session_id, view.session);
        assert_eq!(others, view.others, "the view of {}", self.me);
    }
}

/// An event without the parts that differ between its recipients.
pub(crate) fn event_key(payload: &Payload) -> String {
    let session = match payload {
        Payload::VoiceLeaveEvent(event) => &event.session_id,
        Payload::VoiceParticipantJoinedEvent(event) => {
            &event
                .participant
                .as_ref()
                .expect("a participant")
                .session_id
        }
        _ => "",
    };
    let envelope = Envelope {
        request_id: String::new(),
        payload: Some(payload.clone()),
    };
    format!("{} {session}", line(&envelope))
}
