//! A client's view of its room, built only from what the server sends it.

use united_voice_proto::{
    voice::{VoiceErrorCode, VoiceParticipant},
    ws::{Envelope, envelope::Payload},
};

/// The view of one connection. A connection is in at most one room, so an event of another room is
/// a fault, and so is anything after the end of a stay.
#[derive(Debug)]
pub(crate) struct Replica {
    me: String,
    pub(crate) room: Option<Room>,
}

/// The room as the connection sees it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) channel: String,
    pub(crate) session: String,
    pub(crate) others: Vec<VoiceParticipant>,
}

impl Replica {
    pub(crate) fn new(me: &str) -> Self {
        Self {
            me: me.to_owned(),
            room: None,
        }
    }

    /// # Panics
    ///
    /// If the server must not send this now.
    pub(crate) fn apply(&mut self, envelope: &Envelope) {
        match envelope.payload.as_ref().expect("a payload") {
            Payload::VoiceJoinResponse(response) => {
                let others = response.participants.clone();
                assert!(others.iter().all(|other| other.user_id != self.me));
                assert_eq!(response.quality_warning, others.len() >= 8);
                assert!(!response.session_id.is_empty());
                self.room = Some(Room {
                    channel: response.channel_id.clone(),
                    session: response.session_id.clone(),
                    others,
                });
            }
            Payload::VoiceParticipantJoinedEvent(event) => {
                let who = event.participant.clone().expect("a participant");
                assert_ne!(who.user_id, self.me);
                let others = &mut self.room(&event.channel_id).others;
                assert!(others.iter().all(|other| other.user_id != who.user_id));
                others.push(who);
            }
            Payload::VoiceLeaveEvent(event) if event.user_id == self.me => {
                assert_eq!(self.room(&event.channel_id).session, event.session_id);
                self.room = None;
            }
            Payload::VoiceLeaveEvent(event) => {
                let others = &mut self.room(&event.channel_id).others;
                let place = others.iter().position(|other| {
                    (&other.user_id, &other.session_id) == (&event.user_id, &event.session_id)
                });
                others.remove(place.expect("only a member can leave"));
            }
            Payload::VoiceStateUpdate(update) => {
                if let Some(other) = self.member(&update.channel_id, &update.user_id) {
                    (other.muted, other.deafened) = (update.muted, update.deafened);
                }
            }
            Payload::VoiceSpeakingEvent(event) => {
                self.member(&event.channel_id, &event.user_id);
            }
            Payload::VoiceSdpOffer(offer) => {
                self.sender(
                    &offer.channel_id,
                    &offer.sender_user_id,
                    &offer.sender_session_id,
                );
            }
            Payload::VoiceSdpAnswer(answer) => self.sender(
                &answer.channel_id,
                &answer.sender_user_id,
                &answer.sender_session_id,
            ),
            Payload::VoiceIceCandidate(candidate) => self.sender(
                &candidate.channel_id,
                &candidate.sender_user_id,
                &candidate.sender_session_id,
            ),
            Payload::VoiceError(error) if error.code() == VoiceErrorCode::SessionReplaced => {
                self.room(&error.channel_id);
                self.room = None;
            }
            Payload::VoiceError(_) => {}
            Payload::VoiceIceServersResponse(response) => {
                self.room(&response.channel_id);
                assert!(!response.ice_servers.is_empty());
            }
            Payload::VoiceJoinRequest(_)
            | Payload::VoiceLeaveRequest(_)
            | Payload::VoiceIceServersRequest(_) => panic!("a request from the server"),
        }
    }

    fn room(&mut self, channel: &str) -> &mut Room {
        let room = self.room.as_mut().expect("an event outside of any room");
        assert_eq!(room.channel, channel, "an event of another room");
        room
    }

    /// The other member with this id, or nobody for the connection's own user.
    fn member(&mut self, channel: &str, user: &str) -> Option<&mut VoiceParticipant> {
        let own = self.me == user;
        let others = &mut self.room(channel).others;
        let member = others.iter_mut().find(|other| other.user_id == user);
        assert_ne!(
            own,
            member.is_some(),
            "an event about somebody who is not there"
        );
        member
    }

    fn sender(&mut self, channel: &str, user: &str, session: &str) {
        let sender = self.member(channel, user).expect("a message of one's own");
        assert_eq!(sender.session_id, session);
    }

    /// Checks that the view is the roster: the others in the same order, and the connection.
    pub(crate) fn check(&self, roster: &[VoiceParticipant]) {
        let room = self.room.as_ref().expect("a seat");
        let mut others = roster.to_vec();
        let me = others.iter().position(|who| who.user_id == self.me);
        let me = others.remove(me.expect("the roster has the connection too"));
        assert_eq!(me.session_id, room.session);
        assert_eq!(others, room.others, "the view of {}", self.me);
    }
}
