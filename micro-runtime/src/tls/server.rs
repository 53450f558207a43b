use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::{HTTP1, HTTP2, NATIVE, pem, provider, trouble};
use crate::error::{Error, Result};
use crate::transport::{BoxIo, Io};

/// TLS for a service: its certificate, and which clients it takes.
///
/// ```no_run
/// # use micro_runtime::tls::ServerTls;
/// # fn main() -> micro_runtime::Result<()> {
/// let tls = ServerTls::from_files("greeter.pem", "greeter.key")?.client_roots_file("ca.pem")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServerTls(Source);

#[derive(Clone)]
enum Source {
    Identity { identity: Arc<CertifiedKey>, clients: Option<Arc<RootCertStore>> },
    Config(Arc<ServerConfig>),
}

impl ServerTls {
    /// A service with this certificate and key, both in PEM: the certificate of the service itself
    /// first, then those that vouch for it up to a root that clients know.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where one of them is no PEM, or the key is not that of the certificate.
    pub fn pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self> {
        let identity = Arc::new(pem::identity(chain.as_ref(), key.as_ref())?);
        Ok(Self(Source::Identity { identity, clients: None }))
    }

    /// As [`pem`](Self::pem), from two files. They are read now, and not again.
    ///
    /// # Errors
    ///
    /// Those of [`pem`](Self::pem), and `invalid_argument` where a file cannot be read.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let files = format!("`{}` and `{}`", chain.display(), key.display());
        Self::pem(pem::read(chain)?, pem::read(key)?).map_err(|error| error.context(files))
    }

    /// A configuration of rustls, for what cannot be said otherwise. Where it names no protocols
    /// (ALPN), `h2` and `http/1.1` are added.
    pub fn from_config(config: impl Into<Arc<ServerConfig>>) -> Self {
        Self(Source::Config(config.into()))
    }

    /// Takes only clients with a certificate that one of these roots, in PEM, issued. Without this,
    /// clients are not asked for one.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where there is no certificate in it, and `failed_precondition` after
    /// [`from_config`](Self::from_config), whose configuration says it already.
    pub fn client_roots(mut self, pem: impl AsRef<[u8]>) -> Result<Self> {
        match &mut self.0 {
            Source::Identity { clients, .. } => *clients = Some(Arc::new(pem::roots(pem.as_ref())?)),
            Source::Config(_) => {
                return Err(Error::failed_precondition(
                    "the roots of clients are a matter of the rustls configuration that was given: set them there",
                ));
            }
        }
        Ok(self)
    }

    /// As [`client_roots`](Self::client_roots), from a file, which is read now, and not again.
    ///
    /// # Errors
    ///
    /// Those of [`client_roots`](Self::client_roots), and `invalid_argument` where the file cannot
    /// be read.
    pub fn client_roots_file(self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        self.client_roots(pem::read(path)?).map_err(|error| error.context(format!("`{}`", path.display())))
    }

    pub(crate) fn open(&self) -> Result<Acceptor> {
        let mut config = match &self.0 {
            Source::Identity { identity, clients } => {
                let resolver = Arc::new(SingleCertAndKey::from(identity.clone()));
                let builder = ServerConfig::builder_with_provider(provider())
                    .with_safe_default_protocol_versions()
                    .map_err(unusable)?;
                let builder = match clients {
                    Some(roots) => builder.with_client_cert_verifier(verifier(roots.clone())?),
                    None => builder.with_no_client_auth(),
                };
                Arc::new(builder.with_cert_resolver(resolver))
            }
            Source::Config(config) => config.clone(),
        };
        if config.alpn_protocols.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = [NATIVE, HTTP2, HTTP1].map(<[u8]>::to_vec).to_vec();
        }
        Ok(Acceptor(config))
    }
}

fn verifier(roots: Arc<RootCertStore>) -> Result<Arc<dyn ClientCertVerifier>> {
    WebPkiClientVerifier::builder_with_provider(roots, provider()).build().map_err(|error| {
        Error::invalid_argument(format!("the roots of clients cannot be used: {error}")).with_source(error)
    })
}

#[cold]
fn unusable(error: rustls::Error) -> Error {
    Error::internal(format!("TLS cannot be set up: {error}")).with_source(error)
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asks = match &self.0 {
            Source::Identity { clients, .. } => clients.is_some(),
            Source::Config(_) => return f.debug_tuple("ServerTls").field(&"a rustls configuration").finish(),
        };
        f.debug_struct("ServerTls").field("client_certificates", &asks).finish_non_exhaustive()
    }
}

/// The server's side of handshakes.
pub(crate) struct Acceptor(Arc<ServerConfig>);

impl Acceptor {
    /// Waits for the whole handshake. Where it fails, the client was told why, and the connection
    /// is given back to be closed.
    pub(crate) async fn accept<T: Io>(&self, io: T) -> Result<BoxIo, Declined<T>> {
        match TlsAcceptor::from(self.0.clone()).accept(io).into_fallible().await {
            Ok(io) => Ok(Box::new(io)),
            Err((error, io)) => Err(Declined { error: trouble::of_server(error), io }),
        }
    }
}

/// A handshake that failed.
pub(crate) struct Declined<T> {
    pub(crate) error: io::Error,
    pub(crate) io: T,
}
