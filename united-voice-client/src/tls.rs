//! TLS for `wss://`.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use crate::{error::ConnectError, socket::Io};

/// Encrypts a connection to this host. The host has to prove its name with a certificate.
pub(crate) async fn wrap(stream: TcpStream, host: &str) -> Result<Box<dyn Io>, ConnectError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::InvalidUrl)?;
    let stream = TlsConnector::from(Arc::new(config()))
        .connect(name, stream)
        .await
        .map_err(|error| ConnectError::Handshake(Arc::new(error)))?;
    Ok(Box::new(stream))
}

/// Names the cryptography provider, because the process-wide default belongs to the application.
fn config() -> ClientConfig {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
