//! Compares what the members of a channel were told with what the server says by REST.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use united_voice_scenarios::voice::VoiceParticipant;

use super::{settings::Settings, view::View, world::World};

/// How long the views may differ from the server's roster while nobody changes anything. A client
/// that vanished may be found only after 30 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Stops all changes of a channel, and waits until the server's roster and the views of all members
/// agree. If they do not, that is a violation.
pub(super) async fn compare(world: &World, channel: usize) {
    let (id, limit) = (&world.channels[channel], Settings::limit(channel));
    world.freeze(Some(id));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let roster = world.server.participants(&world.users[0], id).await;
        let Some(difference) = difference(&world.views_of(id), &roster, limit) else {
            world.tally.count("rosters compared");
            break;
        };
        if Instant::now() > deadline {
            world.violation(format!(
                "channel {id} after {PATIENCE:?} of quiet: {difference}"
            ));
            break;
        }
        sleep(PAUSE).await;
    }
    world.freeze(None);
}

fn difference(views: &[View], roster: &[VoiceParticipant], limit: Option<u32>) -> Option<String> {
    if let Some(limit) = limit
        && roster.len() > limit as usize
    {
        return Some(format!("{} sit where {limit} may", roster.len()));
    }
    let ghost = roster
        .iter()
        .find(|it| !views.iter().any(|view| view.session == it.session_id));
    if let Some(ghost) = ghost {
        return Some(format!("a ghost: {ghost:?}"));
    }
    views.iter().find_map(|view| view.differs_from(roster))
}

#[cfg(test)]
mod tests {
    use united_voice_scenarios::voice::VoiceJoinResponse;

    use super::*;

    #[test]
    fn ghosts_strangers_and_crowds_are_noticed() {
        let view = View::new(
            "me",
            VoiceJoinResponse {
                session_id: "mine".to_owned(),
                ..VoiceJoinResponse::default()
            },
        );
        let me = VoiceParticipant {
            user_id: "me".to_owned(),
            session_id: "mine".to_owned(),
            ..VoiceParticipant::default()
        };
        let (views, roster) = ([view], [me]);
        assert_eq!(difference(&views, &roster, Some(1)), None);
        assert_eq!(difference(&[], &[], None), None);
        assert!(difference(&views, &roster, Some(0)).is_some(), "a crowd");
        assert!(difference(&[], &roster, None).is_some(), "a ghost");
        assert!(difference(&views, &[], None).is_some(), "a lost seat");
    }
}
