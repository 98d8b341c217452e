//! The protocol by itself, without a socket or a runtime. The time is an argument.

mod pacing;

use std::time::Duration;

use tokio::{sync::oneshot, time::Instant};
use united_voice_proto::{
    voice::{VoiceError, VoiceJoinResponse, VoiceLeaveEvent, VoiceSdpOffer, VoiceStateUpdate},
    ws::{Envelope, envelope::Payload},
};

use super::machine::{Call, REJOIN_DELAY};
use crate::{
    command::{Command, Content, State},
    error::{JoinError, RequestError, SendError},
    event::{Event, ExitReason, Peer, RelayId, Snapshot},
    pace::Rate,
    wire::{ErrorCode, LeaveReason},
};

const TIMEOUT: Duration = Duration::from_secs(10);

type Answer<T, E> = oneshot::Receiver<Result<T, E>>;

/// The answer, which must be there already.
fn answered<T, E>(answer: &mut Answer<T, E>) -> Result<T, E> {
    answer.try_recv().expect("an answer")
}

struct Party {
    call: Call,
    now: Instant,
}

impl Party {
    fn online() -> Self {
        let mut party = Self {
            call: Call::new(TIMEOUT, Rate::default()),
            now: Instant::now(),
        };
        party.call.opened(party.now);
        party
    }

    fn join(&mut self, channel: &str) -> Answer<Snapshot, JoinError> {
        let (reply, answer) = oneshot::channel();
        let channel = channel.to_owned();
        self.call
            .command(Command::Join { channel, reply }, self.now);
        answer
    }

    fn leave(&mut self) -> Answer<(), RequestError> {
        let (reply, answer) = oneshot::channel();
        self.call.command(Command::Leave { reply }, self.now);
        answer
    }

    fn mute(&mut self) -> Answer<(), RequestError> {
        let (reply, answer) = oneshot::channel();
        let state = State {
            muted: true,
            deafened: false,
        };
        self.call.command(Command::State { state, reply }, self.now);
        answer
    }

    fn offer(&mut self) -> Result<RelayId, SendError> {
        let (reply, mut answer) = oneshot::channel();
        let (to, content) = (Peer::user("bob"), Content::Offer("sdp".into()));
        let command = Command::Relay { to, content, reply };
        self.call.command(command, self.now);
        answer.try_recv().expect("relays are answered at once")
    }

    /// The id and payload of the next envelope that the client sends.
    fn sent(&mut self) -> (String, Payload) {
        let envelope = self.call.pop_outgoing(self.now);
        let envelope = envelope.expect("something was sent");
        (
            envelope.request_id,
            envelope.payload.expect("a client sends payloads"),
        )
    }

    fn hear(&mut self, request_id: &str, payload: Payload) {
        let envelope = Envelope {
            request_id: request_id.to_owned(),
            payload: Some(payload),
        };
        self.call.received(envelope, self.now);
    }

    /// Answers the join that was just sent.
    fn let_in(&mut self, session: &str) {
        let (id, payload) = self.sent();
        let Payload::VoiceJoinRequest(request) = payload else {
            panic!("{payload:?}")
        };
        let response = VoiceJoinResponse {
            channel_id: request.channel_id,
            session_id: session.into(),
            ..VoiceJoinResponse::default()
        };
        self.hear(&id, Payload::VoiceJoinResponse(response));
    }

    fn seated(channel: &str, session: &str) -> Self {
        let mut party = Self::online();
        let mut answer = party.join(channel);
        party.let_in(session);
        assert!(answered(&mut answer).is_ok());
        assert!(matches!(
            party.event(),
            Event::Entered {
                rejoined: false,
                ..
            }
        ));
        party
    }

    fn event(&mut self) -> Event {
        self.call.pop_event().expect("something happened")
    }

    fn nothing_happened(&mut self) {
        let (event, sent) = (self.call.pop_event(), self.call.pop_outgoing(self.now));
        assert!(event.is_none() && sent.is_none(), "{event:?} {sent:?}");
    }

    fn reconnect(&mut self) {
        self.call.lost();
        self.call.opened(self.now);
    }
}

fn error(code: ErrorCode, channel: &str) -> Payload {
    Payload::VoiceError(VoiceError {
        code: code.into(),
        message: String::new(),
        channel_id: channel.into(),
    })
}

fn leave_event(channel: &str, user: &str, session: &str, reason: LeaveReason) -> Payload {
    Payload::VoiceLeaveEvent(VoiceLeaveEvent {
        channel_id: channel.into(),
        user_id: user.into(),
        display_name: user.into(),
        reason: reason.into(),
        session_id: session.into(),
    })
}

#[test]
fn answers_find_their_requests_in_any_order() {
    let mut party = Party::online();
    let (mut first, mut second) = (party.join("a"), party.join("b"));
    let ((first_id, _), (second_id, _)) = (party.sent(), party.sent());
    assert_ne!(first_id, second_id);
    party.hear(&second_id, error(ErrorCode::Forbidden, "b"));
    assert!(first.try_recv().is_err(), "not answered yet");
    party.hear(&first_id, error(ErrorCode::ChannelFull, "a"));
    assert_eq!(
        answered(&mut first).expect_err("refused").code(),
        Some(ErrorCode::ChannelFull)
    );
    assert_eq!(
        answered(&mut second).expect_err("refused").code(),
        Some(ErrorCode::Forbidden)
    );
    party.nothing_happened();
}

#[test]
fn a_refused_join_changes_nothing() {
    let mut party = Party::seated("a", "s1");
    let mut answer = party.join("b");
    let (id, _) = party.sent();
    party.hear(&id, error(ErrorCode::ChannelFull, "b"));
    assert!(answered(&mut answer).is_err());
    assert!(party.offer().is_ok(), "still in a");
    party.sent();
    party.reconnect();
    party.let_in("s2");
    let Event::Entered { snapshot, rejoined } = party.event() else {
        panic!()
    };
    assert_eq!((snapshot.channel_id.as_str(), rejoined), ("a", true));
}

#[test]
fn the_last_join_is_repeated_on_the_next_connection() {
    let mut party = Party::online();
    let (mut first, mut last) = (party.join("a"), party.join("b"));
    party.reconnect();
    assert_eq!(answered(&mut first), Err(JoinError::Superseded));
    assert!(last.try_recv().is_err(), "not answered yet");
    party.let_in("s");
    assert_eq!(answered(&mut last).expect("joined").channel_id, "b");
}

#[test]
fn after_a_leave_the_client_does_not_rejoin() {
    let mut party = Party::seated("a", "s1");
    let mut answer = party.leave();
    party.call.lost();
    assert_eq!(answered(&mut answer), Ok(()));
    assert!(matches!(
        party.event(),
        Event::Exited {
            reason: ExitReason::Left,
            ..
        }
    ));
    party.call.opened(party.now);
    party.nothing_happened();
}

#[test]
fn leaving_while_offline_needs_no_server() {
    let mut party = Party::seated("a", "s1");
    party.call.lost();
    assert_eq!(answered(&mut party.leave()), Ok(()));
    assert!(matches!(party.event(), Event::Exited { .. }));
    assert_eq!(
        answered(&mut party.leave()),
        Err(RequestError::NotInChannel)
    );
    party.call.opened(party.now);
    party.nothing_happened();
}

#[test]
fn a_client_that_was_removed_stays_out() {
    let replaced = ("", error(ErrorCode::SessionReplaced, "a"));
    let kicked = ("", leave_event("a", "me", "s1", LeaveReason::Kicked));
    for (id, payload) in [replaced, kicked] {
        let mut party = Party::seated("a", "s1");
        party.hear(id, payload);
        let Event::Exited { reason, .. } = party.event() else {
            panic!()
        };
        assert!(matches!(reason, ExitReason::Replaced | ExitReason::Kicked));
        assert_eq!(party.offer(), Err(SendError::NotInChannel));
        party.reconnect();
        party.nothing_happened();
    }
}

#[test]
fn a_join_that_was_asked_for_meanwhile_outlives_a_replacement() {
    let mut party = Party::seated("a", "s1");
    party.join("a");
    party.hear("", error(ErrorCode::SessionReplaced, "a"));
    party.let_in("s2");
    party.reconnect();
    party.let_in("s3");
}

#[test]
fn a_rejoin_that_the_server_cannot_carry_out_is_repeated() {
    let mut party = Party::seated("a", "s1");
    party.reconnect();
    let (id, _) = party.sent();
    party.hear(&id, error(ErrorCode::Unavailable, "a"));
    party.nothing_happened();
    let at = party.call.deadline().expect("the rejoin is to be repeated");
    assert_eq!(at - party.now, REJOIN_DELAY);
    party.call.tick(at - Duration::from_millis(1));
    party.nothing_happened();
    party.now = at;
    party.call.tick(at);
    party.let_in("s2");
    assert!(matches!(
        party.event(),
        Event::Entered { rejoined: true, .. }
    ));
}

#[test]
fn a_refused_rejoin_ends_the_stay() {
    let mut party = Party::seated("a", "s1");
    party.reconnect();
    let (id, _) = party.sent();
    party.hear(&id, error(ErrorCode::Forbidden, "a"));
    let Event::Exited {
        channel_id,
        reason: ExitReason::Refused(error),
    } = party.event()
    else {
        panic!()
    };
    assert_eq!(
        (channel_id.as_str(), error.code()),
        ("a", Some(ErrorCode::Forbidden))
    );
    assert!(party.call.deadline().is_none(), "nothing is tried again");
    party.reconnect();
    party.nothing_happened();
}

#[test]
fn state_is_told_again_to_a_new_session_only() {
    let mut party = Party::seated("a", "s1");
    let mut answer = party.mute();
    let (id, update) = party.sent();
    party.hear(&id, update);
    assert_eq!(answered(&mut answer), Ok(()));
    party.nothing_happened();

    let _again = party.join("a");
    party.let_in("s1");
    party.event();
    party.nothing_happened();

    party.reconnect();
    party.let_in("s2");
    let (_, payload) = party.sent();
    let Payload::VoiceStateUpdate(VoiceStateUpdate {
        muted, deafened, ..
    }) = payload
    else {
        panic!("{payload:?}")
    };
    assert_eq!((muted, deafened), (true, false));
}

#[test]
fn refusals_of_relayed_messages_name_them() {
    let mut party = Party::seated("a", "s1");
    let id = party.offer().expect("sent");
    let (request_id, _) = party.sent();
    party.hear(&request_id, error(ErrorCode::StaleSession, "a"));
    let Event::Refused { relay, refusal } = party.event() else {
        panic!()
    };
    assert_eq!((relay, refusal.code), (Some(id), ErrorCode::StaleSession));
}

#[test]
fn events_of_another_channel_are_ignored() {
    let mut party = Party::seated("a", "s1");
    let offer = |channel: &str| {
        Payload::VoiceSdpOffer(VoiceSdpOffer {
            channel_id: channel.into(),
            sdp: "secret".into(),
            ..VoiceSdpOffer::default()
        })
    };
    party.hear("", offer("b"));
    party.nothing_happened();
    party.hear("", offer("a"));
    let event = party.event();
    assert!(matches!(&event, Event::Offer(offer) if offer.sdp == "secret"));
    assert!(!format!("{event:?}").contains("secret"));
}

#[test]
fn an_empty_session_is_not_this_clients() {
    let mut party = Party::seated("a", "");
    party.hear("", leave_event("a", "bob", "", LeaveReason::Left));
    assert!(matches!(party.event(), Event::Left { .. }));
}

#[test]
fn requests_expire_and_an_unanswered_join_ends_the_connection() {
    let mut party = Party::seated("a", "s1");
    let (mut mute, mut join) = (party.mute(), party.join("b"));
    party
        .call
        .tick(party.now + TIMEOUT - Duration::from_millis(1));
    assert!(mute.try_recv().is_err() && join.try_recv().is_err());
    assert!(!party.call.is_unresponsive());
    party.call.tick(party.now + TIMEOUT);
    assert_eq!(answered(&mut mute), Err(RequestError::TimedOut));
    assert_eq!(answered(&mut join), Err(JoinError::TimedOut));
    assert!(party.call.is_unresponsive());
    party.reconnect();
    let Event::Entered { .. } = ({
        party.let_in("s2");
        party.event()
    }) else {
        panic!("the client is back in a, because it never got into b")
    };
}

#[test]
fn an_answer_of_the_wrong_kind_counts_as_none() {
    let mut party = Party::online();
    let mut join = party.join("a");
    let (id, _) = party.sent();
    party.hear(&id, leave_event("a", "me", "s", LeaveReason::Left));
    assert_eq!(answered(&mut join), Err(JoinError::TimedOut));
    assert!(party.call.is_unresponsive());
}
