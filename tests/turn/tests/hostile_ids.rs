//! User ids with characters that coturn refuses in a user name.

use united_voice_core::MAX_ID_BYTES;
use united_voice_scenarios::{Client, Codec, Server, ServerKind};
use united_voice_turn_tests::{Coturn, CoturnOptions};

use crate::relay_url::{client_of, turn_of};

const HOSTILE: [&str; 10] = [
    "two words",
    "a \"quote\"",
    "it's",
    "back\\slash",
    "tab\tbed",
    "line\r\nfeed",
    "@ann:example.org",
    "1:2:3",
    "100%41",
    "Ünï çødé 🎧",
];

fn ids() -> impl Iterator<Item = String> {
    let longest = "\u{1}".repeat(MAX_ID_BYTES);
    HOSTILE.map(str::to_owned).into_iter().chain([longest])
}

/// The credentials come from real joins.
pub(crate) async fn every_id_gets_a_credential_that_works(kind: ServerKind) {
    let coturn = Coturn::start(CoturnOptions::default()).await;
    let server = Server::with_config(kind, &coturn.toml(600)).await;
    for id in ids() {
        let user = server.user_with_id(&id).await;
        let mut client = Client::connect(&server, &user, Codec::Protobuf).await;
        let servers = client.join("general").await.ice_servers;
        let allocated = client_of(turn_of(&servers)).await.allocate().await;
        allocated.unwrap_or_else(|refused| panic!("{id:?}: {refused}"));
        client.close().await;
    }
}

/// If a user name has the words `union` and `select`, coturn takes it for an attack on its
/// database. Minting keeps letters as they are, so a user with such an id gets no relay.
pub(crate) async fn an_id_with_two_words_of_sql_is_refused_by_coturn(kind: ServerKind) {
    let coturn = Coturn::start(CoturnOptions::default()).await;
    let server = Server::with_config(kind, &coturn.toml(600)).await;
    let user = server.user_with_id("reunion.selected").await;
    let mut client = Client::connect(&server, &user, Codec::Protobuf).await;
    let servers = client.join("general").await.ice_servers;
    let allocated = client_of(turn_of(&servers)).await.allocate().await;
    assert_eq!(allocated.map_err(|refused| refused.code), Err(400));
}
