//! The order of each channel's events, as the registry publishes it. Checks that a connection saw
//! the same order.

use std::collections::HashMap;

use crate::{VoiceEvent, VoiceEvents, VoiceRoomRegistry};
use futures::FutureExt;

use super::view::Stay;

pub(crate) struct Order {
    events: VoiceEvents,
    channels: HashMap<String, Vec<String>>,
}

impl Order {
    pub(crate) fn new(registry: &VoiceRoomRegistry) -> Self {
        Self {
            events: registry.events(),
            channels: HashMap::new(),
        }
    }

    /// The order of these events.
    #[cfg(feature = "cluster")]
    pub(crate) fn of(events: &[VoiceEvent]) -> Self {
        let mut order = Self::new(&super::client::registry());
        for (channel, key) in events.iter().map(key) {
            order.channels.entry(channel).or_default().push(key);
        }
        order
    }

    /// Records the events since the last call. The registry keeps a limited number of events, so
    /// callers must call this often enough.
    pub(crate) fn note(&mut self) {
        while let Some(Some(event)) = self.events.recv().now_or_never() {
            let (channel, key) = key(&event.expect("recorded often enough"));
            self.channels.entry(channel).or_default().push(key);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.channels.values().map(Vec::len).sum()
    }

    /// Checks that a stay of `me` saw all events from its beginning to its end, in order. If the
    /// connection was `cut` off for being slow, the stay must have seen all events up to some
    /// point.
    pub(crate) fn check(&self, me: &str, stay: &Stay, cut: bool) {
        let Stay {
            channel,
            session,
            events,
        } = stay;
        let all = &self.channels[channel];
        let joined = format!("joined {channel} {me} {session}");
        let begin = all.iter().position(|event| *event == joined);
        let rest = &all[begin.expect("the join was published") + 1..];
        let ends_it = |event: &String| {
            event.starts_with(&format!("left {channel} {me} ")) && event.ends_with(session)
        };
        let end = rest.iter().position(ends_it);
        // A user that leaves or is kicked gets the leave event. A user that moves, is replaced or
        // disconnects does not.
        let told = |end: &usize| rest[*end].contains(" LEFT ") || rest[*end].contains(" KICKED ");
        let end = end.map_or(rest.len(), |end| end + usize::from(told(&end)));
        if cut {
            // A connection with a full sink still gets the answers to its own requests until it
            // ends.
            let own = |event: &&String| {
                let about_me = [
                    format!("state {channel} {me}"),
                    format!("left {channel} {me} "),
                ];
                about_me.iter().any(|prefix| event.starts_with(prefix))
            };
            let answers = events.iter().rev().take_while(own).count();
            let seen = &events[..events.len() - answers];
            assert!(
                rest[..end].starts_with(seen),
                "{me} in {channel} saw another order"
            );
        } else {
            assert_eq!(events[..], rest[..end], "what {me} saw in {channel}");
        }
    }
}

/// The channel of an event, and the event in the form of `event_key`.
fn key(event: &VoiceEvent) -> (String, String) {
    match event {
        VoiceEvent::Joined {
            channel,
            user,
            session,
        } => (
            channel.to_string(),
            format!("joined {channel} {user} {session}"),
        ),
        VoiceEvent::Left {
            channel,
            user,
            session,
            reason,
        } => {
            let reason = reason
                .as_str_name()
                .trim_start_matches("VOICE_LEAVE_REASON_");
            (
                channel.to_string(),
                format!("left {channel} {user} {reason} {session}"),
            )
        }
        VoiceEvent::StateChanged {
            channel,
            user,
            muted,
            ..
        } => {
            let flags = if *muted { "(m)" } else { "" };
            (
                channel.to_string(),
                format!("state {channel} {user}{flags} "),
            )
        }
    }
}
