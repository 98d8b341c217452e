//! Signaling over a slow path that loses packets takes longer, and still works.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::time::{Instant, timeout};
use united_voice_browser::{Tab, until_within};
use united_voice_networks::{Call, Impairment, Network, Topology};
use united_voice_scenarios::{Server, ServerKind, User, voice::VoiceParticipant};

use crate::member::Member;

const CHANNEL: &str = "general";

/// How often everybody joins, exchanges messages and leaves.
const ROUNDS: usize = 2;

/// How long all members may take to agree. At 64 kbit/s the packets of a round need about eight
/// seconds. TCP sends a lost packet again after half a second, then after one, two and so on. So
/// five losses in a row cost fifteen seconds.
const PATIENCE: Duration = Duration::from_secs(40);

const ROUND_BOUND: Duration = Duration::from_secs(100);

/// The server pings often, and waits longer than the default of ten seconds for the answer. On this
/// path TCP may need ten seconds, and the test is about late messages, not about lost connections.
const CONFIG: &str =
    "[ice]\nstun_urls = []\n[limits]\nping_interval_secs = 1\nping_timeout_secs = 40\n";

#[tokio::test]
async fn rosters_stay_right_on_axum() {
    rosters_stay_right(ServerKind::Axum).await;
}

#[tokio::test]
async fn rosters_stay_right_on_actix() {
    rosters_stay_right(ServerKind::Actix).await;
}

/// Four members behind the bad path and two on a good path join, send each other offers and
/// answers, mute or unmute, and leave.
#[expect(clippy::print_stdout, reason = "the figures are for people to read")]
async fn rosters_stay_right(kind: ServerKind) {
    let network = Arc::new(Network::build(Topology::Island));
    let server = network.start_server(kind, CONFIG).await;
    let users = sign_in(&network, &server).await;
    let impairment = network.impair_ada();
    let scene = Scene {
        members: connect(&network, &server, &users).await,
        network: &network,
        server: &server,
    };
    for round in 0..ROUNDS {
        let began = Instant::now();
        let played = timeout(ROUND_BOUND, scene.play(round)).await;
        assert!(played.is_ok(), "round {round} took over {ROUND_BOUND:?}");
        println!("round {round} took {:?}", began.elapsed());
    }
    assert_was_bad(&impairment);
}

async fn sign_in(network: &Network, server: &Server) -> Vec<User> {
    let names = ["Ann", "Ben", "Cas", "Dee", "Eve", "Fay"];
    network
        .server()
        .block_on(async || join_all(names.map(|name| server.user(name))).await)
}

async fn connect(network: &Arc<Network>, server: &Server, users: &[User]) -> Vec<Member> {
    let connecting = users.iter().enumerate().map(|(number, user)| {
        let network = Arc::clone(network);
        Member::connect(user, server.address(), move || match number {
            0..4 => network.ada().socket(),
            _ => network.bea().socket(),
        })
    });
    join_all(connecting).await
}

/// Without losses and delays the test would prove nothing.
#[expect(clippy::print_stdout, reason = "the figures are for people to read")]
fn assert_was_bad(impairment: &Impairment<'_>) {
    let (lost, delayed) = (impairment.lost(), impairment.delayed());
    println!(
        "{lost:?} packets lost on their way to Ada's side and back, {delayed:?} delayed back and there"
    );
    assert!(lost.iter().sum::<u64>() > 0 && delayed.iter().sum::<u64>() > 0);
}

/// All members, and their network and server.
struct Scene<'a> {
    members: Vec<Member>,
    network: &'a Network,
    server: &'a Server,
}

impl Scene<'_> {
    async fn play(&self, round: usize) {
        join_all(self.members.iter().map(|member| member.join(CHANNEL))).await;
        self.agree(&self.members).await;
        join_all(self.members.iter().enumerate().map(|(number, member)| {
            let muted = (number + round).is_multiple_of(2);
            member.mute(muted)
        }))
        .await;
        self.agree(&self.members).await;
        // First two or three of the members on the bad path leave, then all others.
        let (leaving, staying) = self.members.split_at(2 + round);
        join_all(leaving.iter().map(Member::leave)).await;
        self.agree(staying).await;
        join_all(staying.iter().map(Member::leave)).await;
        self.agree(&[]).await;
    }

    /// Waits until the members inside have the server's roster, and an answer to each offer.
    async fn agree(&self, inside: &[Member]) {
        until_within(
            PATIENCE,
            "all members to have the server's roster",
            async || {
                let roster = self.roster();
                self.members.iter().for_each(Member::assert_untroubled);
                if roster.len() != inside.len() {
                    return Err(format!("the server knows {roster:?}"));
                }
                inside.iter().try_for_each(|member| member.agrees(&roster))
            },
        )
        .await;
    }

    fn roster(&self) -> Vec<VoiceParticipant> {
        let (server, user) = (self.server, &self.members[0].user);
        self.network
            .server()
            .block_on(async || server.participants(user, CHANNEL).await)
    }
}

/// The pages are opened on a good path, since this test is not about the size of the page.
#[tokio::test]
async fn a_page_joins_and_shows_the_participants() {
    let network = Network::build(Topology::Island);
    let server = network.start_server(ServerKind::Axum, CONFIG).await;
    Call::open(&network, &server, async |call| {
        let impairment = network.impair_ada();
        for (tab, name) in [(&call.ada, "Ada"), (&call.bea, "Bea")] {
            tab.type_into("sign-in-name", name).await;
            tab.click("sign-in").await;
            tab.click("channel-general").await;
        }
        for tab in [&call.ada, &call.bea] {
            tab.shows(&["Ada", "Bea"]).await;
        }
        mute_is_seen(&call.ada, "Ada", &call.bea, "true").await;
        mute_is_seen(&call.bea, "Bea", &call.ada, "true").await;
        // So few packets may all arrive by chance.
        for muted in ["false", "true"].repeat(20) {
            if impairment.lost().iter().sum::<u64>() > 0 {
                break;
            }
            mute_is_seen(&call.ada, "Ada", &call.bea, muted).await;
        }
        call.ada.click("leave").await;
        call.bea.shows(&["Bea"]).await;
        call.ada.click("channel-general").await;
        call.bea.shows(&["Ada", "Bea"]).await;
        call.bea.click("leave").await;
        call.ada.shows(&["Ada"]).await;
        // So little need not wait at the bottleneck.
        assert!(impairment.lost().iter().sum::<u64>() > 0);
    })
    .await;
}

/// Clicks on the button, and waits until the other page shows what it did.
async fn mute_is_seen(tab: &Tab<'_>, name: &str, other: &Tab<'_>, muted: &str) {
    tab.click("mute").await;
    other
        .sees(name, "with a change of mute", |person| {
            person.muted == muted
        })
        .await;
}
