//! coturn accepts the credentials of a join, and no others.

use std::net::Ipv4Addr;

use tokio::process::Command;
use united_voice_scenarios::{
    Client, Codec, Server, ServerKind, eventually, soon, voice::IceServer,
};
use united_voice_turn_tests::{Coturn, CoturnOptions, needs};

use crate::relay_url::{client_for, client_of, turn_of};

/// The TURN entry of a join on a server with this configuration.
async fn joined(kind: ServerKind, config: &str) -> IceServer {
    let server = Server::with_config(kind, config).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    turn_of(&ann.join("general").await.ice_servers).clone()
}

async fn refusal(entry: &IceServer, username: &str, credential: &str) -> u16 {
    let mut client = client_for(&entry.urls[0], username, credential).await;
    let refused = client.allocate().await;
    refused.expect_err("coturn refuses").code
}

/// Sends packets through two relays and back, with coturn's own tool.
async fn uclient(coturn: &Coturn, entry: &IceServer, transport: &[&str]) {
    needs("turnutils_uclient", "coturn");
    let mut command = Command::new("turnutils_uclient");
    command
        .args(transport)
        .args(["-p", &coturn.port().to_string(), "-y", "-n", "5", "-m", "2"])
        .args(["-u", &entry.username, "-w", &entry.credential])
        .args(["-e", "127.0.0.1", "127.0.0.1"])
        .kill_on_drop(true);
    let output = soon("turnutils_uclient", command.output())
        .await
        .expect("turnutils_uclient is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("Total lost packets 0 "), "{text}");
}

pub(crate) async fn coturns_own_client_is_let_in(kind: ServerKind) {
    let coturn = Coturn::start(CoturnOptions::default()).await;
    let entry = joined(kind, &coturn.toml(600)).await;
    tokio::join!(
        uclient(&coturn, &entry, &[]),
        uclient(&coturn, &entry, &["-t"])
    );
}

pub(crate) async fn each_url_of_the_join_is_usable(kind: ServerKind) {
    let coturn = Coturn::start(CoturnOptions::default()).await;
    let entry = joined(kind, &coturn.toml(600)).await;
    assert_eq!(entry.urls, coturn.urls());
    for url in &entry.urls {
        let mut client = client_for(url, &entry.username, &entry.credential).await;
        let relayed = client.allocate().await.expect("coturn allocates");
        assert_eq!(relayed.ip(), coturn.address().ip(), "{url}");
        client
            .permit(Ipv4Addr::LOCALHOST.into())
            .await
            .expect("loopback peers are allowed here");
        client.refresh().await.expect("the allocation goes on");
    }
}

pub(crate) async fn tampering_is_refused(kind: ServerKind) {
    let coturn = Coturn::start(CoturnOptions::default()).await;
    let entry = joined(kind, &coturn.toml(600)).await;
    let (expiry, id) = entry.username.split_once(':').expect("expiry:id");
    let later: u64 = expiry.parse::<u64>().expect("the expiry is a number") + 1;
    let usernames = [
        format!("{later}:{id}"),
        format!("{expiry}:{id}2"),
        format!("{expiry}:"),
        expiry.to_owned(),
        id.to_owned(),
    ];
    for username in usernames {
        let code = refusal(&entry, &username, &entry.credential).await;
        assert_eq!(code, 401, "{username}");
    }
    let mut credential = entry.credential.clone().into_bytes();
    credential[0] = if credential[0] == b'A' { b'B' } else { b'A' };
    let credential = String::from_utf8(credential).expect("base64 is ASCII");
    assert_eq!(refusal(&entry, &entry.username, &credential).await, 401);
    assert_eq!(refusal(&entry, &entry.username, "").await, 401);
    let allocated = client_of(&entry).await.allocate().await;
    allocated.expect("untouched, it is good");
}

pub(crate) async fn another_secret_is_refused(kind: ServerKind) {
    let coturn = Coturn::start(CoturnOptions::default()).await;
    let config = coturn.toml(600).replace("the secret", "another secret");
    let entry = joined(kind, &config).await;
    let code = refusal(&entry, &entry.username, &entry.credential).await;
    assert_eq!(code, 401);
}

pub(crate) async fn an_expired_credential_is_refused_and_a_live_allocation_goes_on(
    kind: ServerKind,
) {
    let coturn = Coturn::start(CoturnOptions::default()).await;
    let entry = joined(kind, &coturn.toml(2)).await;
    let mut live = client_of(&entry).await;
    live.allocate().await.expect("it is good for two seconds");
    let refused = eventually("the credential to expire", async || {
        // Over TCP an allocation ends with its connection. Over UDP it would not, and a later
        // socket could get the port of an earlier one.
        let mut probe = client_for(&entry.urls[1], &entry.username, &entry.credential).await;
        probe.allocate().await.err()
    })
    .await;
    assert_eq!(refused.code, 401);
    live.refresh()
        .await
        .expect("coturn checks the expiry only at the allocation");
}
