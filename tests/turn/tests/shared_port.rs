//! Page and relay on one port, by `deploy/nginx-443.conf`.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::Path,
    process::Command,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::rustls::pki_types::ServerName;
use united_voice_core::generate_turn_credentials;
use united_voice_scenarios::{Server, ServerKind, eventually};
use united_voice_turn_tests::{Program, TurnClient, Wire, free_port, needs};

use crate::{
    deployed::{Relay, SECRET, read},
    proxy::Proxy,
    tls,
};

/// Debian's module for nginx. The package puts the line that loads it into
/// `/etc/nginx/modules-enabled/`.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// nginx with `nginx-443.conf`. Only the addresses differ.
async fn shared_port(page: SocketAddr, relay: SocketAddr, home: &Path) -> (Program, SocketAddr) {
    let nginx = needs("nginx", "nginx-light");
    assert!(
        Path::new(MODULE).is_file(),
        "this test needs {MODULE}: on Debian, apt-get install libnginx-mod-stream"
    );
    let address = SocketAddr::from(([127, 0, 0, 1], free_port(IpAddr::from([127, 0, 0, 1]))));
    let changes = [
        ("127.0.0.1:5349", relay.to_string()),
        ("127.0.0.1:8443", page.to_string()),
        ("listen 443;", format!("listen {address};")),
        ("listen [::]:443;", String::new()),
    ];
    let stream = changes
        .into_iter()
        .fold(read("nginx-443.conf"), |conf, (from, to)| {
            assert!(conf.contains(from), "deploy/nginx-443.conf has no {from:?}");
            conf.replace(from, &to)
        });
    let whole = format!(
        "load_module {MODULE};\ndaemon off;\nmaster_process off;\npid pid;\nevents {{}}\n{stream}"
    );
    fs::write(home.join("nginx.conf"), whole).expect("the directory is writable");
    let mut command = Command::new(nginx);
    command
        .arg("-p")
        .arg(home)
        .args(["-c", "nginx.conf", "-e", "error.log"]);
    let process = Program::start("nginx", command, home);
    eventually("nginx to listen", async || {
        TcpStream::connect(address).await.ok()
    })
    .await;
    (process, address)
}

#[tokio::test]
async fn page_and_relay_share_a_port() {
    const TURN: &str = "turn.example.org";
    let relay = Relay::start_for(TURN).await;
    let server = Server::start(ServerKind::Axum).await;
    let proxy = Proxy::start(server.address()).await;
    let home = TempDir::new().expect("a temporary directory can be made");
    let of_relay = SocketAddr::from(([127, 0, 0, 1], relay.tls_port));
    let (_nginx, address) = shared_port(proxy.address, of_relay, home.path()).await;

    let name = ServerName::try_from(TURN).expect("it is a name");
    let stream = tls::connect_to(name, relay.certificate.der(), address).await;
    let wire = Wire::stream(stream.expect("the relay answers to its name"));
    let minted = generate_turn_credentials("ann", SECRET, 600);
    let mut client = TurnClient::over(wire, &minted.username, &minted.credential);
    client.allocate().await.expect("coturn allocates");

    // The proxy's certificate is for an address, and no name is asked for with an address.
    let stream = tls::connect(proxy.certificate.der(), address).await;
    let mut stream = stream.expect("the page answers to every other name");
    let request = b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
