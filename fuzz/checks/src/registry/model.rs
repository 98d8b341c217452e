//! Who sits where, in the simplest form.

use united_voice_proto::voice::VoiceParticipant;

use super::host::CHANNELS;

/// The members of each channel in the order in which they joined.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) rooms: [Vec<Member>; CHANNELS.len()],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) user: String,
    /// The place of the connection in the world.
    pub(super) slot: usize,
    pub(super) muted: bool,
    pub(super) deafened: bool,
}

impl Model {
    /// The channel in which the user sits.
    pub(super) fn channel_of(&self, user: &str) -> Option<usize> {
        (0..CHANNELS.len()).find(|channel| self.member(user, *channel).is_some())
    }

    pub(super) fn member(&self, user: &str, channel: usize) -> Option<&Member> {
        self.rooms[channel]
            .iter()
            .find(|member| member.user == user)
    }

    /// The channel in which the connection sits.
    pub(super) fn seat(&self, slot: usize) -> Option<usize> {
        let sits = |channel: &usize| {
            self.rooms[*channel]
                .iter()
                .any(|member| member.slot == slot)
        };
        (0..CHANNELS.len()).find(sits)
    }

    pub(super) fn sits(&self, slot: usize, channel: &str) -> bool {
        self.seat(slot)
            .is_some_and(|seat| CHANNELS[seat] == channel)
    }

    pub(super) fn join(&mut self, user: &str, slot: usize, channel: usize) {
        if self.seat(slot) == Some(channel) {
            return;
        }
        self.take_out(user);
        self.rooms[channel].push(Member {
            user: user.to_owned(),
            slot,
            muted: false,
            deafened: false,
        });
    }

    pub(super) fn take_out(&mut self, user: &str) {
        for room in &mut self.rooms {
            room.retain(|member| member.user != user);
        }
    }

    pub(super) fn take_out_slot(&mut self, slot: usize) {
        for room in &mut self.rooms {
            room.retain(|member| member.slot != slot);
        }
    }

    pub(super) fn set_state(&mut self, slot: usize, muted: bool, deafened: bool) {
        for member in self.rooms.iter_mut().flatten() {
            if member.slot == slot {
                (member.muted, member.deafened) = (muted, deafened);
            }
        }
    }

    /// Checks that a roster of the registry is that of the channel.
    pub(super) fn check(&self, channel: usize, roster: &[VoiceParticipant]) {
        let expected = self.rooms[channel].iter();
        let expected: Vec<_> = expected
            .map(|it| (it.user.as_str(), it.muted, it.deafened))
            .collect();
        let roster: Vec<_> = roster
            .iter()
            .map(|it| (it.user_id.as_str(), it.muted, it.deafened))
            .collect();
        assert_eq!(roster, expected, "the roster of {}", CHANNELS[channel]);
    }
}
