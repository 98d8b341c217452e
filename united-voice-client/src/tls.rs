//! TLS for `wss://`.

use std::{fmt, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::{
    error::{ConnectError, RootsError},
    socket::Io,
};

/// The authorities that may vouch for a server of a `wss://` URL. A server has to prove its name
/// with a certificate that one of them signed.
///
/// The default is [`mozilla`](Self::mozilla). For a private authority, begin with
/// [`none`](Self::none) and add its certificate:
///
/// ```
/// use united_voice_client::{Client, Roots};
///
/// # fn settings() -> Result<(), Box<dyn std::error::Error>> {
/// let roots = Roots::none().with_pem(&std::fs::read("/etc/ssl/our-authority.pem")?)?;
/// let settings = Client::builder("wss://voice.internal/ws").roots(roots);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Roots(Arc<RootCertStore>);

impl Default for Roots {
    fn default() -> Self {
        Self::mozilla()
    }
}

impl Roots {
    /// No authority. Without another one, no server is trusted.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new(RootCertStore::empty()))
    }

    /// The authorities that Mozilla trusts, as of the release of the `webpki-roots` crate.
    #[must_use]
    pub fn mozilla() -> Self {
        Self(Arc::new(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        }))
    }

    /// The authorities that the operating system trusts, read now. This may read many files, so
    /// call it once and clone the result. The variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name
    /// other places. Certificates that can't be read are left out.
    ///
    /// # Errors
    ///
    /// [`RootsError::NoCertificate`] if none was found.
    #[cfg(feature = "system-roots")]
    pub fn system() -> Result<Self, RootsError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() {
            return Err(RootsError::NoCertificate);
        }
        Ok(Self(Arc::new(store)))
    }

    /// Adds the authorities of a text in PEM (RFC 7468), which may have any number of
    /// certificates. Sections of another kind are skipped.
    ///
    /// # Errors
    ///
    /// See [`RootsError`].
    pub fn with_pem(mut self, pem: &[u8]) -> Result<Self, RootsError> {
        let mut added = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| RootsError::Pem(Arc::new(error)))?;
            self = self.with_der(&certificate)?;
            added = true;
        }
        if added {
            Ok(self)
        } else {
            Err(RootsError::NoCertificate)
        }
    }

    /// Adds an authority: an X.509 certificate in DER.
    ///
    /// # Errors
    ///
    /// [`RootsError::Certificate`] if it is not a certificate.
    pub fn with_der(mut self, der: &[u8]) -> Result<Self, RootsError> {
        let certificate = CertificateDer::from(der).into_owned();
        Arc::make_mut(&mut self.0)
            .add(certificate)
            .map_err(|error| RootsError::Certificate(Arc::new(error)))?;
        Ok(self)
    }

    /// Encrypts a connection to this host.
    pub(crate) async fn wrap(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<Box<dyn Io>, ConnectError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::InvalidUrl)?;
        let stream = TlsConnector::from(Arc::new(self.config()))
            .connect(name, stream)
            .await
            .map_err(|error| ConnectError::Handshake(Arc::new(error)))?;
        Ok(Box::new(stream))
    }

    /// Names the cryptography provider, because the process-wide default belongs to the
    /// application.
    fn config(&self) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions")
            .with_root_certificates(Arc::clone(&self.0))
            .with_no_client_auth()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({} authorities)", self.0.len())
    }
}
