//! A server behind a real nginx with the configuration of `deploy/`.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;
use tokio::net::TcpStream;
use united_voice_client::{Client, Event};
use united_voice_scenarios::{Server, ServerKind, eventually};
use united_voice_turn_tests::{Program, free_port, needs};

use crate::{
    deployed::read,
    tls::{self, Certificate},
};

/// nginx closes a connection that is silent for this long. The server below pings three times as
/// often.
const SHORT_TIMEOUT: &str = "3s";
/// Long enough for nginx to close a connection without pings.
const SILENCE: Duration = Duration::from_secs(5);
const FAR: Duration = Duration::from_secs(600);

pub(crate) struct Proxy {
    // Declared before `home`, so that the process has ended when the directory is removed.
    _process: Program,
    pub(crate) address: SocketAddr,
    pub(crate) certificate: Certificate,
    home: TempDir,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let nginx = needs("nginx", "nginx-light");
        let home = TempDir::new().expect("a temporary directory can be made");
        let certificate = Certificate::write(home.path());
        let address = SocketAddr::from(([127, 0, 0, 1], free_port(IpAddr::from([127, 0, 0, 1]))));
        let site = site(server, address, &certificate, &home);
        fs::write(home.path().join("site.conf"), site).expect("the directory is writable");
        fs::write(home.path().join("nginx.conf"), WHOLE).expect("the directory is writable");
        let mut command = Command::new(nginx);
        command
            .args(["-p"])
            .arg(home.path())
            .args(["-c", "nginx.conf", "-e", "error.log"]);
        let process = Program::start("nginx", command, home.path());
        eventually("nginx to listen", async || {
            TcpStream::connect(address).await.ok()
        })
        .await;
        Self {
            _process: process,
            address,
            certificate,
            home,
        }
    }

    fn access_log(&self) -> String {
        fs::read_to_string(self.home.path().join("access.log")).expect("nginx makes it")
    }
}

/// The settings of Debian's `/etc/nginx/nginx.conf` that matter here. nginx is one process, so
/// killing it ends all of it.
const WHOLE: &str = "
daemon off;
master_process off;
pid pid;
events {}
http {
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}
";

/// The file of `deploy/` with other ports and paths, and with shorter time-outs.
fn site(
    server: SocketAddr,
    address: SocketAddr,
    certificate: &Certificate,
    home: &TempDir,
) -> String {
    let log = home.path().join("access.log");
    let changes = [
        ("listen 443 ssl;", format!("listen {address} ssl;")),
        ("listen [::]:443 ssl;", String::new()),
        (
            "/etc/united-voice/tls/fullchain.pem",
            certificate.chain.display().to_string(),
        ),
        (
            "/etc/united-voice/tls/privkey.pem",
            certificate.key.display().to_string(),
        ),
        ("/var/log/nginx/voice.log", log.display().to_string()),
        ("http://127.0.0.1:8080;", format!("http://{server};")),
        (
            "proxy_read_timeout 60s;",
            format!("proxy_read_timeout {SHORT_TIMEOUT};"),
        ),
        (
            "proxy_send_timeout 60s;",
            format!("proxy_send_timeout {SHORT_TIMEOUT};"),
        ),
    ];
    changes
        .into_iter()
        .fold(read("nginx.conf"), |site, (from, to)| {
            assert!(site.contains(from), "deploy/nginx.conf has no {from:?}");
            site.replace(from, &to)
        })
}

pub(crate) async fn a_silent_member_stays_and_its_token_is_not_logged(kind: ServerKind) {
    let config = "[limits]\nping_interval_secs = 1\nping_timeout_secs = 5\n";
    let server = Server::with_config(kind, config).await;
    let proxy = Proxy::start(server.address()).await;
    let user = server.user("Ann").await;
    let trusted = proxy.certificate.der();
    let (address, token) = (proxy.address, &user.token);
    let (client, mut events) = Client::builder(format!("wss://{address}/ws?access_token={token}"))
        .dial_with(move |_| tls::connect(trusted.clone(), address))
        .reconnect(None)
        .keepalive(FAR, FAR)
        .connect()
        .await
        .expect("nginx passes the upgrade on");
    client.join("general").await.expect("the channel is there");
    let entered = events.next().await;
    assert!(
        matches!(entered, Some(Event::Entered { .. })),
        "{entered:?}"
    );
    let silence = tokio::time::timeout(SILENCE, events.next()).await;
    assert!(silence.is_err(), "cut off while silent: {silence:?}");
    client
        .set_state(true, false)
        .await
        .expect("still connected");
    assert_eq!(server.roster(&user, "general").await, [user.id.as_str()]);

    client.close().await;
    let log = eventually("the access log", async || {
        Some(proxy.access_log()).filter(|log| log.contains("\"GET /ws\" 101"))
    })
    .await;
    assert!(
        !log.contains(token.as_str()),
        "a token is in the access log"
    );
}
