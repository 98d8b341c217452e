//! TLS for `wss://`.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use crate::{ConnectError, socket::Io};

/// Encrypts a connection to this host, which has to prove with a certificate that it is it.
pub(crate) async fn wrap(stream: TcpStream, host: &str) -> Result<Box<dyn Io>, ConnectError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::InvalidUrl)?;
    let stream = TlsConnector::from(Arc::new(config()))
        .connect(name, stream)
        .await
        .map_err(|error| ConnectError::Handshake(Arc::new(error)))?;
    Ok(Box::new(stream))
}

/// Names its cryptography itself: the process-wide default is the application's business.
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
