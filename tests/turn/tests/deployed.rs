//! The files of `deploy/`, used as its README says.

use std::{fs, net::IpAddr, path::PathBuf};

use tempfile::TempDir;
use tokio::net::TcpStream;
use united_voice_scenarios::{Server, ServerKind, eventually};
use united_voice_turn_tests::{Coturn, CoturnOptions, free_port};

use crate::tls::Certificate;

pub(crate) const SECRET: &str = "6d1f0b7a2c";
/// The relay's host name. It is an address here, since the tests have no name server.
pub(crate) const HOST: &str = "127.0.0.1";

pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(name)
}

pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("deploy/{name}: {error}"))
}

/// The values of a key in `turnserver.conf`, in their order.
pub(crate) fn settings<'a>(conf: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    conf.lines()
        .filter_map(move |line| line.strip_prefix(key)?.strip_prefix('='))
}

pub(crate) fn switch(conf: &str, key: &str) -> bool {
    conf.lines().any(|line| line == key)
}

/// A coturn with `start-coturn` and `turnserver.conf`. Only addresses, ports and the certificate
/// differ.
pub(crate) struct Relay {
    pub(crate) coturn: Coturn,
    pub(crate) tls_port: u16,
    pub(crate) certificate: Certificate,
    _home: TempDir,
}

impl Relay {
    pub(crate) async fn start() -> Self {
        Self::start_with("", &[]).await
    }

    pub(crate) async fn start_with(external_ip: &str, extra: &[&str]) -> Self {
        Self::launch(HOST, external_ip, extra).await
    }

    /// A relay whose certificate is for another name.
    pub(crate) async fn start_for(name: &str) -> Self {
        Self::launch(name, "", &[]).await
    }

    async fn launch(name: &str, external_ip: &str, extra: &[&str]) -> Self {
        let home = TempDir::new().expect("a temporary directory can be made");
        let certificate = Certificate::write_for(name, home.path());
        let tls_port = free_port(IpAddr::from([127, 0, 0, 1]));
        let mut arguments = vec![
            "--relay-ip=::1".to_owned(),
            format!("--tls-listening-port={tls_port}"),
            format!("--cert={}", certificate.chain.display()),
            format!("--pkey={}", certificate.key.display()),
        ];
        arguments.extend(extra.iter().copied().map(str::to_owned));
        let conf = path("turnserver.conf").display().to_string();
        let environment = [
            ("TURN_CONFIG", conf.as_str()),
            ("TURN_HOST", HOST),
            ("TURN_SECRET", SECRET),
            ("EXTERNAL_IP", external_ip),
        ];
        let coturn = Coturn::start(CoturnOptions {
            secrets: Vec::new(),
            allow_loopback_peers: false,
            extra: arguments,
            launcher: Some(path("start-coturn")),
            environment: environment
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            ..CoturnOptions::default()
        })
        .await;
        eventually("coturn to listen for TLS", async || {
            TcpStream::connect(("127.0.0.1", tls_port)).await.ok()
        })
        .await;
        Self {
            coturn,
            tls_port,
            certificate,
            _home: home,
        }
    }

    /// A server with `united.toml`. Only the ports of this relay differ.
    pub(crate) async fn server(&self, kind: ServerKind) -> Server {
        let text = read("united.toml")
            .replacen("3478", &self.coturn.port().to_string(), 1)
            .replacen("5349", &self.tls_port.to_string(), 1);
        let config = format!("{text}host = \"{HOST}\"\nshared_secret = \"{SECRET}\"\n");
        Server::builder(kind).config(&config).start().await
    }
}
