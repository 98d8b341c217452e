//! What a client knows by what it was told.

use united_voice_scenarios::{
    Payload,
    voice::{VoiceError, VoiceErrorCode, VoiceJoinResponse, VoiceParticipant},
    ws::Envelope,
};

/// What a client knows by what it was told.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The number of the node that it is connected to.
    pub node: Option<usize>,
    /// The channel that its user wants to be in.
    pub wants: Option<String>,
    /// Its stay.
    pub session: Option<String>,
    /// The channel of its stay, or of the last one.
    pub seat_in: String,
    /// What it says of itself, as the server last told it.
    pub muted: bool,
    /// The others in the channel.
    pub others: Vec<VoiceParticipant>,
    /// Unasked events, and all errors, in short form.
    pub told: Vec<String>,
    /// How its connections ended that it did not end itself: the code of the close frame, or 0
    /// without one.
    pub ends: Vec<u16>,
    /// Requests without an answer yet.
    pub pending: Vec<String>,
    /// What a server must never send.
    pub faults: Vec<String>,
}

/// What the client has to do after a message.
pub(crate) enum Next {
    Nothing,
    /// Ask again for the channel, a little later.
    JoinAgain,
    /// Leave this channel: the user changed their mind while the join was under way.
    Leave(String),
    /// A relayed message came in.
    Arrived {
        number: u64,
        sender: String,
    },
    /// A relayed message of this client was refused.
    Refused {
        number: u64,
        code: VoiceErrorCode,
    },
    /// The stay is over, and its user did not want that.
    Lost(String),
}

/// What stands before the number of a relayed message. The harness looks for it in the logs.
pub(crate) const RELAYED: &str = "private text ";

/// What stands before the number in the request id of a relayed message.
pub(crate) const RELAY: &str = "relay-";

impl View {
    /// The others' short names, sorted. For comparison with what a test expects.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self
            .others
            .iter()
            .map(|other| other.display_name.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    /// The connection has ended, and the stay with it. Without a code, its client has ended it.
    pub(crate) fn disconnected(&mut self, code: Option<u16>) -> Option<String> {
        self.ends.extend(code);
        self.node = None;
        self.pending.clear();
        self.others.clear();
        self.muted = false;
        self.session.take()
    }

    pub(crate) fn take(&mut self, envelope: Envelope, user: &str) -> Next {
        let Envelope {
            request_id: id,
            payload,
        } = envelope;
        if !id.is_empty() && !id.starts_with(RELAY) {
            match self.pending.iter().position(|pending| *pending == id) {
                Some(place) => drop(self.pending.remove(place)),
                None => self.fault(format!("an answer too many to {id}: {payload:?}")),
            }
        }
        match payload.expect("decoding checks that") {
            Payload::VoiceJoinResponse(response) => self.joined(response),
            Payload::VoiceParticipantJoinedEvent(event) => {
                let who = event.participant.expect("a joined event names somebody");
                self.told.push(format!("joined {}", who.display_name));
                let known = |other: &VoiceParticipant| other.user_id == who.user_id;
                if self.others.iter().any(known) || who.user_id == user {
                    self.fault(format!("{who:?} joined and was there"));
                }
                self.others.push(who);
                Next::Nothing
            }
            Payload::VoiceLeaveEvent(event) => {
                if event.user_id == user {
                    let lost = self.stay_ended();
                    return if id.is_empty() { lost } else { Next::Nothing };
                }
                let reason = event.reason().as_str_name();
                let reason = reason.trim_start_matches("VOICE_LEAVE_REASON_");
                self.told
                    .push(format!("left {} {reason}", event.display_name));
                let before = self.others.len();
                self.others
                    .retain(|other| other.session_id != event.session_id);
                if self.others.len() + 1 != before {
                    self.fault(format!("{event:?} of a member that was not there"));
                }
                Next::Nothing
            }
            Payload::VoiceStateUpdate(update) => {
                if update.user_id == user {
                    self.muted = update.muted;
                    return Next::Nothing;
                }
                let named = |other: &&mut VoiceParticipant| other.user_id == update.user_id;
                let Some(other) = self.others.iter_mut().find(named) else {
                    self.fault(format!("{update:?} of a member that is not there"));
                    return Next::Nothing;
                };
                (other.muted, other.deafened) = (update.muted, update.deafened);
                let name = other.display_name.clone();
                self.told.push(format!("state {name} {}", update.muted));
                Next::Nothing
            }
            Payload::VoiceSpeakingEvent(event) => {
                let named = |other: &VoiceParticipant| other.user_id == event.user_id;
                if !self.others.iter().any(named) {
                    self.fault(format!("{event:?} of a member that is not there"));
                }
                Next::Nothing
            }
            Payload::VoiceSdpOffer(offer) => {
                let named = |other: &VoiceParticipant| other.session_id == offer.sender_session_id;
                if !self.others.iter().any(named) {
                    let (user, session) = (&offer.sender_user_id, &offer.sender_session_id);
                    self.fault(format!("an offer of {user} {session}, who is not there"));
                }
                let number = offer.sdp.strip_prefix(RELAYED);
                Next::Arrived {
                    number: number
                        .and_then(|number| number.parse().ok())
                        .expect("callers send nothing else"),
                    sender: offer.sender_user_id,
                }
            }
            Payload::VoiceError(error) => self.error(&id, &error),
            Payload::VoiceIceServersResponse(_) => Next::Nothing,
            other => {
                self.fault(format!("not expected here: {other:?}"));
                Next::Nothing
            }
        }
    }

    fn joined(&mut self, response: VoiceJoinResponse) -> Next {
        if self.wants.is_none() {
            return Next::Leave(response.channel_id);
        }
        let before = self.session.replace(response.session_id.clone());
        self.seat_in = response.channel_id;
        self.others = response.participants;
        if before == Some(response.session_id) {
            return Next::Nothing;
        }
        self.muted = false;
        before.map_or(Next::Nothing, Next::Lost)
    }

    fn error(&mut self, id: &str, error: &VoiceError) -> Next {
        let code = error.code();
        if let Some(number) = id.strip_prefix(RELAY) {
            let number = number.parse().expect("it is the id of a caller");
            return Next::Refused { number, code };
        }
        let short = code.as_str_name().trim_start_matches("VOICE_ERROR_CODE_");
        self.told.push(format!("error {short}"));
        let is_join = id.starts_with("join-");
        let may_refuse = [VoiceErrorCode::ChannelFull, VoiceErrorCode::Unavailable];
        if is_join && !may_refuse.contains(&code) {
            self.fault(format!("{id} was refused: {error:?}"));
        }
        if code == VoiceErrorCode::SessionReplaced {
            // Another connection of the user is in the call. A client that took the seat back would
            // begin an endless quarrel.
            self.wants = None;
            return self.stay_ended();
        }
        if !is_join {
            let is_late = code == VoiceErrorCode::NotInChannel && self.session.is_none();
            if !is_late && code != VoiceErrorCode::RateLimited {
                self.fault(format!("{id} was refused: {error:?}"));
            }
            return Next::Nothing;
        }
        if self.wants.as_ref() != Some(&error.channel_id) {
            return Next::Nothing;
        }
        if code == VoiceErrorCode::Unavailable {
            return Next::JoinAgain;
        }
        // A refused move leaves the user where they were.
        self.wants = self.session.as_ref().map(|_| self.seat_in.clone());
        Next::Nothing
    }

    fn stay_ended(&mut self) -> Next {
        self.others.clear();
        self.muted = false;
        self.session.take().map_or(Next::Nothing, Next::Lost)
    }

    fn fault(&mut self, what: String) {
        self.faults.push(what);
    }
}
