//! `wss://` against a server whose certificate a test authority signed.

use std::{sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
    server::TlsStream,
};
use united_voice_client::{Client, ClientBuilder, ConnectError, Roots, RootsError};

use crate::fake::{Link, soon};

struct Authority {
    pem: String,
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A server of this name, with a certificate of this authority.
    async fn server(&self, name: &str) -> Server {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Server {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }
}

struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Server {
    fn client(&self) -> ClientBuilder {
        let port = self.listener.local_addr().unwrap().port();
        Client::builder(format!("wss://localhost:{port}/ws"))
    }

    async fn accept(&self) -> std::io::Result<Link<TlsStream<TcpStream>>> {
        let (stream, _) = self.listener.accept().await?;
        Ok(Link::accept(self.acceptor.accept(stream).await?).await)
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_if_it_is_named() {
    let authority = Authority::new();
    let server = authority.server("localhost").await;
    let pem = Roots::none().with_pem(authority.pem.as_bytes()).unwrap();
    let der = Roots::mozilla().with_der(&authority.der).unwrap();
    for roots in [pem, der] {
        let connecting = server.client().roots(roots).connect();
        let (connected, link) = soon(async { tokio::join!(connecting, server.accept()) }).await;
        let (client, _events) = connected.unwrap();
        let mut link = link.unwrap();
        let joining = async { tokio::join!(client.join("general"), link.let_in("s", &["bob"])) };
        let (joined, ()) = soon(joining).await;
        assert_eq!(joined.unwrap().participants[0].user_id, "bob");
    }
}

#[tokio::test]
async fn an_authority_that_was_not_named_and_another_name_are_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ours = authority.server("localhost").await;
    let not_localhost = authority.server("voice.test").await;
    let trusts = |authority: &Authority| Roots::none().with_der(&authority.der).unwrap();
    for (server, roots) in [
        (&ours, Roots::default()),
        (&ours, Roots::none()),
        (&ours, trusts(&other)),
        (&not_localhost, trusts(&authority)),
    ] {
        let connecting = server.client().token("secret").roots(roots).connect();
        let (connected, link) = soon(async { tokio::join!(connecting, server.accept()) }).await;
        assert!(
            matches!(connected, Err(ConnectError::Handshake(_))),
            "{connected:?}"
        );
        assert!(link.is_err(), "the server was sent nothing");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_the_handshake_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::builder(format!("wss://{}/", listener.local_addr().unwrap()));
    let connecting = client.open_timeout(Duration::from_millis(300)).connect();
    let silent = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        // Ends when the client gives up.
        stream.read_to_end(&mut heard).await.unwrap();
    };
    let (connected, ()) = soon(async { tokio::join!(connecting, silent) }).await;
    assert!(matches!(connected, Err(ConnectError::TimedOut)));
}

#[test]
fn what_is_no_certificate_is_refused() {
    let pem = |text: &str| Roots::none().with_pem(text.as_bytes()).unwrap_err();
    assert!(matches!(pem(""), RootsError::NoCertificate));
    let key = KeyPair::generate().unwrap().serialize_pem();
    assert!(matches!(pem(&key), RootsError::NoCertificate));
    let cut = "-----BEGIN CERTIFICATE-----\nMIIB";
    assert!(matches!(pem(cut), RootsError::Pem(_)));
    let hello = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    assert!(matches!(pem(hello), RootsError::Certificate(_)));
    let error = Roots::none().with_der(b"hello").unwrap_err();
    assert!(matches!(error, RootsError::Certificate(_)));
    assert_eq!(format!("{:?}", Roots::none()), "Roots(0 authorities)");
}

/// `SSL_CERT_FILE` names an authority of ours in place of the system's. The variable belongs to the
/// whole process, so the test runs itself again with it.
#[cfg(feature = "system-roots")]
#[test]
fn the_systems_authorities_are_read() {
    const CHILD: &str = "UNITED_VOICE_CLIENT_SYSTEM_ROOTS";
    if let Ok(expected) = std::env::var(CHILD) {
        let found = Roots::system().map(|roots| format!("{roots:?}"));
        assert_eq!(found.unwrap_or_else(|error| error.to_string()), expected);
        return;
    }
    let file = std::env::temp_dir().join(format!("united-voice-client-{}", std::process::id()));
    for (pem, expected) in [
        (Authority::new().pem, "Roots(1 authorities)"),
        (String::new(), "there is no certificate"),
    ] {
        std::fs::write(&file, pem).unwrap();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tls::the_systems_authorities_are_read"])
            .env("SSL_CERT_FILE", &file)
            .env_remove("SSL_CERT_DIR")
            .env(CHILD, expected)
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
    }
    std::fs::remove_file(&file).unwrap();
}
