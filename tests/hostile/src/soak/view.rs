//! What one client knows of its channel: the snapshot of its join and the events after it.

use anyhow::{Context as _, bail, ensure};
use united_voice_scenarios::{
    Payload,
    voice::{VoiceJoinResponse, VoiceParticipant, VoiceStateUpdate},
};

/// A client's channel as the client was told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    /// The channel.
    pub(super) channel: String,
    /// The client's own session.
    pub(super) session: String,
    /// The other participants, in the order in which they joined.
    pub(super) others: Vec<VoiceParticipant>,
    /// The client's own state, as the server last confirmed it.
    pub(super) muted: bool,
    /// The other half of that state.
    pub(super) deafened: bool,
    user: String,
}

impl View {
    /// The view of a newcomer.
    pub(super) fn new(user: &str, response: VoiceJoinResponse) -> Self {
        Self {
            channel: response.channel_id,
            session: response.session_id,
            others: response.participants,
            muted: false,
            deafened: false,
            user: user.to_owned(),
        }
    }

    /// Takes the answer to a join of the channel that the client is in already. The snapshot must
    /// be what the events have told.
    pub(super) fn rejoined(&self, response: &VoiceJoinResponse) -> anyhow::Result<()> {
        ensure!(
            response.session_id == self.session,
            "a rejoin changed the session"
        );
        ensure!(
            response.participants == self.others,
            "the snapshot of a rejoin differs from the events before it: {}",
            difference(&response.participants, &self.others)
        );
        Ok(())
    }

    /// Takes an event of the channel. It is an error if the event cannot be, after all that came
    /// before it.
    pub(super) fn apply(&mut self, event: &Payload) -> anyhow::Result<()> {
        match event {
            Payload::VoiceParticipantJoinedEvent(event) => {
                self.is_here(&event.channel_id)?;
                let newcomer = event.participant.as_ref().context("nobody joined")?;
                ensure!(newcomer.user_id != self.user, "the client itself joined");
                if self.other(&newcomer.user_id).is_some() {
                    bail!("{} joined twice", newcomer.user_id);
                }
                self.others.push(newcomer.clone());
            }
            Payload::VoiceLeaveEvent(event) => {
                self.is_here(&event.channel_id)?;
                let place = self.others.iter().position(|it| {
                    (&it.user_id, &it.session_id) == (&event.user_id, &event.session_id)
                });
                let place = place.with_context(|| format!("{event:?}, but it was not there"))?;
                self.others.remove(place);
            }
            Payload::VoiceStateUpdate(update) => self.update(update)?,
            Payload::VoiceSpeakingEvent(event) => {
                self.is_here(&event.channel_id)?;
                self.other(&event.user_id)
                    .with_context(|| format!("{} speaks, but is not there", event.user_id))?;
            }
            other => bail!("no event of a channel: {other:?}"),
        }
        Ok(())
    }

    /// Checks that a relayed message came from a session that is here.
    pub(super) fn relayed(&self, channel: &str, user: &str, session: &str) -> anyhow::Result<()> {
        self.is_here(channel)?;
        let sender = self.other(user);
        let sender = sender.with_context(|| format!("{user} relays, but is not there"))?;
        ensure!(
            sender.session_id == session,
            "{user} relays from session {session}, but sits with {}",
            sender.session_id
        );
        Ok(())
    }

    fn update(&mut self, update: &VoiceStateUpdate) -> anyhow::Result<()> {
        self.is_here(&update.channel_id)?;
        if update.user_id == self.user {
            (self.muted, self.deafened) = (update.muted, update.deafened);
            return Ok(());
        }
        let other = self.others.iter_mut();
        let other = { other }.find(|it| it.user_id == update.user_id);
        let other = other.with_context(|| format!("{} is not there", update.user_id))?;
        (other.muted, other.deafened) = (update.muted, update.deafened);
        Ok(())
    }

    fn other(&self, user: &str) -> Option<&VoiceParticipant> {
        self.others.iter().find(|it| it.user_id == user)
    }

    fn is_here(&self, channel: &str) -> anyhow::Result<()> {
        ensure!(
            channel == self.channel,
            "an event of {channel} came to a client that is in {}",
            self.channel
        );
        Ok(())
    }

    /// What differs between this view and the server's roster; `None` if they agree.
    pub(super) fn differs_from(&self, roster: &[VoiceParticipant]) -> Option<String> {
        let (own, others): (Vec<_>, Vec<_>) = roster
            .iter()
            .cloned()
            .partition(|it| it.user_id == self.user);
        let is_own = |it: &VoiceParticipant| {
            (it.session_id.as_str(), it.muted, it.deafened)
                == (self.session.as_str(), self.muted, self.deafened)
        };
        if own.len() != 1 || !own.iter().all(is_own) {
            return Some(format!(
                "{} sits with {}, muted {}, deafened {}, but the server has {own:?}",
                self.user, self.session, self.muted, self.deafened
            ));
        }
        (others != self.others).then(|| {
            let difference = difference(&others, &self.others);
            format!("the view of {} differs: {difference}", self.user)
        })
    }
}

/// Describes how two rosters differ.
fn difference(server: &[VoiceParticipant], client: &[VoiceParticipant]) -> String {
    let without = |all: &[VoiceParticipant], some: &[VoiceParticipant]| -> Vec<String> {
        let missing = all.iter().filter(|it| !some.contains(it));
        missing
            .map(|it| {
                let (user, session) = (&it.user_id, &it.session_id);
                format!("{user}/{session}/{}/{}", it.muted, it.deafened)
            })
            .collect()
    };
    format!(
        "only the server has {:?}, only the client has {:?}, {} and {} in all",
        without(server, client),
        without(client, server),
        server.len(),
        client.len()
    )
}

#[cfg(test)]
mod tests {
    use united_voice_scenarios::voice::{
        VoiceLeaveEvent, VoiceParticipantJoinedEvent, VoiceSpeakingEvent,
    };

    use super::*;

    fn participant(user: &str) -> VoiceParticipant {
        VoiceParticipant {
            user_id: user.to_owned(),
            session_id: format!("{user}'s"),
            ..VoiceParticipant::default()
        }
    }

    fn view() -> View {
        View::new(
            "me",
            VoiceJoinResponse {
                participants: vec![participant("ann"), participant("bob")],
                channel_id: "general".to_owned(),
                session_id: "mine".to_owned(),
                ..VoiceJoinResponse::default()
            },
        )
    }

    fn joined(user: &str) -> Payload {
        Payload::VoiceParticipantJoinedEvent(VoiceParticipantJoinedEvent {
            channel_id: "general".to_owned(),
            participant: Some(participant(user)),
        })
    }

    fn left(user: &str, session: &str) -> Payload {
        Payload::VoiceLeaveEvent(VoiceLeaveEvent {
            channel_id: "general".to_owned(),
            user_id: user.to_owned(),
            session_id: session.to_owned(),
            ..VoiceLeaveEvent::default()
        })
    }

    fn muted(channel: &str, user: &str) -> Payload {
        Payload::VoiceStateUpdate(VoiceStateUpdate {
            channel_id: channel.to_owned(),
            user_id: user.to_owned(),
            muted: true,
            deafened: false,
        })
    }

    #[test]
    fn events_lead_to_the_roster() {
        let mut view = view();
        for event in [
            joined("cy"),
            left("ann", "ann's"),
            muted("general", "cy"),
            muted("general", "me"),
        ] {
            view.apply(&event).unwrap();
        }
        let quiet = |user: &str| VoiceParticipant {
            muted: true,
            ..participant(user)
        };
        let me = VoiceParticipant {
            session_id: "mine".to_owned(),
            ..quiet("me")
        };
        let roster = [participant("bob"), me, quiet("cy")];
        assert_eq!(view.differs_from(&roster), None);
        for wrong in [
            vec![roster[2].clone(), roster[1].clone(), roster[0].clone()],
            roster[..2].to_vec(),
            vec![roster[0].clone(), roster[2].clone()],
            vec![participant("bob"), participant("me"), quiet("cy")],
        ] {
            assert!(view.differs_from(&wrong).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn events_that_cannot_be_are_noticed() {
        let speaks = Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
            channel_id: "general".to_owned(),
            user_id: "cy".to_owned(),
            speaking: true,
        });
        for event in [
            joined("ann"),
            joined("me"),
            left("ann", "an older one"),
            left("cy", "cy's"),
            muted("lounge", "ann"),
            muted("general", "cy"),
            speaks,
        ] {
            assert!(view().apply(&event).is_err(), "{event:?}");
        }
        let view = view();
        view.relayed("general", "ann", "ann's").unwrap();
        assert!(view.relayed("general", "ann", "older").is_err());
        assert!(view.relayed("general", "cy", "cy's").is_err());
        assert!(view.relayed("lounge", "ann", "ann's").is_err());
    }

    #[test]
    fn a_rejoin_tells_nothing_new() {
        let same = VoiceJoinResponse {
            participants: vec![participant("ann"), participant("bob")],
            session_id: "mine".to_owned(),
            ..VoiceJoinResponse::default()
        };
        view().rejoined(&same).unwrap();
        let mut other = same.clone();
        other.participants.pop();
        assert!(view().rejoined(&other).is_err());
        let mut other = same;
        other.session_id = "new".to_owned();
        assert!(view().rejoined(&other).is_err());
    }
}
