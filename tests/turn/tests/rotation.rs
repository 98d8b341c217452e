//! A change of the secret during which no user is refused.

use std::fs;

use united_voice_scenarios::{Client, Codec, Server, ServerKind, User, voice::IceServer};
use united_voice_turn_tests::{Coturn, CoturnOptions};

use crate::relay_url::{client_of, turn_of};

const OLD: &str = "the old secret";
const NEW: &str = "the new secret";

async fn minted(server: &Server, user: &User) -> IceServer {
    let mut client = Client::connect(server, user, Codec::Protobuf).await;
    turn_of(&client.join("general").await.ice_servers).clone()
}

async fn is_good(entry: &IceServer) -> bool {
    match client_of(entry).await.allocate().await {
        Ok(_) => true,
        Err(refused) => {
            assert_eq!(refused.code, 401);
            false
        }
    }
}

/// The steps of `deploy/README.md`. coturn is not restarted, so no call is interrupted.
pub(crate) async fn nobody_is_refused_while_the_secret_changes(kind: ServerKind) {
    let coturn = Coturn::start(CoturnOptions {
        secrets: Vec::new(),
        ..CoturnOptions::default()
    })
    .await;
    coturn.add_secret(OLD).await;
    let config = coturn.toml_with(OLD, 600);
    let server = Server::with_config(kind, &config).await;
    let ann = server.user("Ann").await;
    let old = minted(&server, &ann).await;
    assert!(is_good(&old).await, "before");

    coturn.add_secret(NEW).await;
    assert!(is_good(&old).await, "coturn knows both");
    assert!(
        is_good(&minted(&server, &ann).await).await,
        "the server still mints with the old one"
    );

    let config = coturn.toml_with(NEW, 600);
    fs::write(server.data_dir().join("united.toml"), config).expect("the directory is writable");
    let server = server.restart().await;
    let new = minted(&server, &ann).await;
    assert!(is_good(&new).await, "the server mints with the new one");
    assert!(
        is_good(&old).await,
        "old credentials are good until they expire"
    );

    coturn.forget_secret(OLD).await;
    assert!(!is_good(&old).await, "coturn has forgotten the old one");
    assert!(is_good(&new).await);
}
