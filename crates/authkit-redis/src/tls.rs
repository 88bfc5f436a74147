//! TLS of the Redis connection alone: it does not change what the rest of the process trusts.
//!
//! 1. The server's certificate is always checked, against the system's certificates or the given ones.
//! 2. Given certificates are read at the start: a file without a certificate, or a key that does not match, is refused
//!    then.

use std::sync::Arc;

use authkit_session::Secret;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{io, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::error::ConnectError;

/// The application's TLS settings.
#[derive(Clone, Default)]
pub(crate) struct TlsSettings {
    pub(crate) roots: Option<Box<[u8]>>,
    pub(crate) client: Option<(Box<[u8]>, Secret)>,
}

/// Wraps connections in TLS.
#[derive(Clone)]
pub(crate) struct TlsWrapper(TlsConnector);

impl TlsSettings {
    pub(crate) fn is_default(&self) -> bool {
        self.roots.is_none() && self.client.is_none()
    }
}

impl TlsWrapper {
    pub(crate) fn new(settings: &TlsSettings) -> Result<Self, ConnectError> {
        let roots = match &settings.roots {
            Some(pem) => given_roots(pem)?,
            None => system_roots()?,
        };
        // The provider is explicit: the process may have another one or none, or install one later.
        let provider = Arc::new(provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has what its default versions need")
            .with_root_certificates(roots);
        let config = match &settings.client {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain).ok_or(ConnectError::ClientCertificate)?;
                let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                    .map_err(|_| ConnectError::ClientCertificate)?;
                config
                    .with_client_auth_cert(chain, key)
                    .map_err(|_| ConnectError::ClientCertificate)?
            }
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(crate) async fn wrap(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

/// The same backend that authkit-session uses.
#[cfg(feature = "aws-lc-rs")]
fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

#[cfg(not(feature = "aws-lc-rs"))]
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

fn given_roots(pem: &[u8]) -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).ok_or(ConnectError::RootCertificates)? {
        roots.add(certificate).map_err(|_| ConnectError::RootCertificates)?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    let (added, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 { Err(ConnectError::NoSystemCertificates) } else { Ok(roots) }
}

/// The certificates of a PEM text; `None` if there are none or one cannot be read.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|certificates| !certificates.is_empty())
}
