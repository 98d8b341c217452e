//! A certificate for the tests, and clients that trust it.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

/// A certificate, stored in files.
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// A certificate for 127.0.0.1.
    pub(crate) fn write(directory: &Path) -> Self {
        Self::write_for("127.0.0.1", directory)
    }

    pub(crate) fn write_for(name: &str, directory: &Path) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([name.to_owned()]).expect("it is a name");
        let (chain, key) = (
            directory.join("fullchain.pem"),
            directory.join("privkey.pem"),
        );
        fs::write(&chain, cert.pem()).expect("the directory is writable");
        fs::write(&key, signing_key.serialize_pem()).expect("the directory is writable");
        Self {
            chain,
            key,
            der: cert.der().clone(),
        }
    }

    /// The certificate for clients to trust.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }
}

/// Connects over TLS to a server with this certificate for its address.
pub(crate) async fn connect(
    trusted: CertificateDer<'static>,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    connect_to(ServerName::from(address.ip()), trusted, address).await
}

/// Connects over TLS to a server with this certificate for its name, and asks for that name.
pub(crate) async fn connect_to(
    name: ServerName<'static>,
    trusted: CertificateDer<'static>,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).expect("it is a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}
