//! The short form of each attack. The attacks of a group run at the same time.

use united_voice_hostile::{
    attack::{ATTACKS, Attack, Form, Group},
    trial,
};
use united_voice_scenarios::ServerKind;

async fn stands(server: ServerKind, group: Group) {
    let in_group = ATTACKS.iter().filter(|attack| attack.group == group);
    let attacks: Vec<Attack> = in_group.copied().collect();
    let verdict = trial::run(server, &attacks, Form::Short).await;
    let verdict = verdict.unwrap_or_else(|error| panic!("{group:?}: {error:#}"));
    assert_eq!(verdict.done.len(), attacks.len());
    assert!(verdict.measured.arrived > 0, "the innocents were silent");
}

macro_rules! groups {
    ($($name:ident: $group:ident),* $(,)?) => {
        mod axum {
            $(#[tokio::test]
            async fn $name() {
                super::stands(super::ServerKind::Axum, super::Group::$group).await;
            })*
        }
        mod actix {
            $(#[tokio::test]
            async fn $name() {
                super::stands(super::ServerKind::Actix, super::Group::$group).await;
            })*
        }
    };
}

groups! {
    stands_broken_and_slow_frames: Framing,
    stands_floods: Floods,
    stands_members_that_attack_members: Members,
    stands_members_that_send_much_to_one: Readers,
    stands_connections_that_waste_time: Connections,
    stands_forged_and_ambiguous_requests: Http,
}
