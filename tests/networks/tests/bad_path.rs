//! Signaling over a slow path that loses packets: it takes longer, and that is all.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::time::{Instant, timeout};
use united_voice_browser::{Tab, until_within};
use united_voice_networks::{Call, Impairment, Network, Topology};
use united_voice_scenarios::{Server, ServerKind, User, voice::VoiceParticipant};

use crate::member::Member;

const CHANNEL: &str = "general";

/// How often everybody comes, talks and goes.
const ROUNDS: usize = 2;

/// How long all may take to agree. What a round sends needs some eight seconds at 64 kbit/s. What is lost, by chance or because
/// the queue is full, is sent again after half a second, then one, two and so on: five losses in a row cost fifteen seconds.
const PATIENCE: Duration = Duration::from_secs(40);

const ROUND_BOUND: Duration = Duration::from_secs(100);

/// Connections are pinged often. They have more than the default of ten seconds to answer, which TCP may spend in silence here:
/// this is about what arrives late, not about who is given up.
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

/// Four members behind the bad path and two beside it come, send each other offers and answers, switch their microphones, and go.
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

/// Without losses and a queue, nothing has been tried.
#[expect(clippy::print_stdout, reason = "the figures are for people to read")]
fn assert_was_bad(impairment: &Impairment<'_>) {
    let (lost, delayed) = (impairment.lost(), impairment.delayed());
    println!(
        "{lost:?} packets lost on their way to Ada's side and back, {delayed:?} delayed back and there"
    );
    assert!(lost.iter().sum::<u64>() > 0 && delayed.iter().sum::<u64>() > 0);
}

/// Everybody, and where.
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
        // Mostly those with the bad path, then mostly the others.
        let (leaving, staying) = self.members.split_at(2 + round);
        join_all(leaving.iter().map(Member::leave)).await;
        self.agree(staying).await;
        join_all(staying.iter().map(Member::leave)).await;
        self.agree(&[]).await;
    }

    /// Waits until those inside know what the server knows, and have an answer to each offer.
    async fn agree(&self, inside: &[Member]) {
        until_within(PATIENCE, "all to know what the server knows", async || {
            let roster = self.roster();
            self.members.iter().for_each(Member::assert_untroubled);
            if roster.len() != inside.len() {
                return Err(format!("the server knows {roster:?}"));
            }
            inside.iter().try_for_each(|member| member.agrees(&roster))
        })
        .await;
    }

    fn roster(&self) -> Vec<VoiceParticipant> {
        let (server, user) = (self.server, &self.members[0].user);
        self.network
            .server()
            .block_on(async || server.participants(user, CHANNEL).await)
    }
}

/// The page, opened before the path went bad, since that is not about the page's size.
#[tokio::test]
async fn a_page_joins_and_shows_who_is_there() {
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
        mute_is_seen(&call.ada, "Ada", &call.bea).await;
        mute_is_seen(&call.bea, "Bea", &call.ada).await;
        call.ada.click("leave").await;
        call.bea.shows(&["Bea"]).await;
        call.ada.click("channel-general").await;
        call.bea.shows(&["Ada", "Bea"]).await;
        call.bea.click("leave").await;
        call.ada.shows(&["Ada"]).await;
        assert_was_bad(&impairment);
    })
    .await;
}

async fn mute_is_seen(tab: &Tab<'_>, name: &str, other: &Tab<'_>) {
    tab.click("mute").await;
    other
        .sees(name, "muted", |person| person.muted == "true")
        .await;
}
