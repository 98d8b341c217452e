//! The TURN entry in a list of ICE servers, and clients for its URLs.

use std::net::SocketAddr;

use united_voice_scenarios::voice::IceServer;
use united_voice_turn_tests::TurnClient;

/// The entry with credentials.
pub(crate) fn turn_of(servers: &[IceServer]) -> &IceServer {
    let mut with_credentials = servers.iter().filter(|server| !server.username.is_empty());
    with_credentials.next().expect("TURN is among the servers")
}

/// A client for the host and the transport of the URL.
pub(crate) async fn client_for(url: &str, username: &str, credential: &str) -> TurnClient {
    let (server, transport) = url
        .strip_prefix("turn:")
        .and_then(|rest| rest.split_once("?transport="))
        .unwrap_or_else(|| panic!("not turn:HOST:PORT?transport=T: {url}"));
    let server: SocketAddr = server.parse().expect("the host is an address");
    match transport {
        "udp" => TurnClient::udp(server, username, credential).await,
        "tcp" => TurnClient::tcp(server, username, credential).await,
        other => panic!("no transport of TURN: {other}"),
    }
}

/// A client over UDP with the credentials of the entry.
pub(crate) async fn client_of(server: &IceServer) -> TurnClient {
    client_for(&server.urls[0], &server.username, &server.credential).await
}
