use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::watched::Watched;
use super::{Refusal, Secured, pem, provider, trouble};
use crate::error::{Error, Result};
use crate::transport::{BoxIo, is_path};

/// TLS for a client: which servers it trusts, and who it is itself.
///
/// A server must show a certificate that a trusted root issued and that is for the host of the
/// address that is called.
///
/// ```no_run
/// # use micro_runtime::tls::ClientTls;
/// # fn main() -> micro_runtime::Result<()> {
/// let tls = ClientTls::new().roots_file("ca.pem")?.identity_files("web.pem", "web.key")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct ClientTls {
    /// `None` is the roots of the system.
    roots: Option<Arc<RootCertStore>>,
    identity: Option<Arc<CertifiedKey>>,
    name: Option<ServerName<'static>>,
    config: Option<Arc<ClientConfig>>,
}

impl ClientTls {
    /// A client that trusts the roots that the system trusts, unless others are named, and that
    /// shows no certificate.
    ///
    /// The roots of the system are read when the client is first used. Where they are is a matter
    /// of the system; the variables `SSL_CERT_FILE` and `SSL_CERT_DIR` say otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// A configuration of rustls, for what cannot be said otherwise. Of it, only the protocols
    /// (ALPN) are replaced: they follow from the [`http_version`] of the client.
    ///
    /// [`http_version`]: crate::client::ClientBuilder::http_version
    pub fn from_config(config: impl Into<Arc<ClientConfig>>) -> Self {
        Self { config: Some(config.into()), ..Self::default() }
    }

    /// Trusts these roots, in PEM, and no others. A certificate that was issued by nobody but itself
    /// can stand here as well.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where there is no certificate in it, and `failed_precondition` after
    /// [`from_config`](Self::from_config), whose configuration says it already.
    pub fn roots_pem(mut self, pem: impl AsRef<[u8]>) -> Result<Self> {
        self.unless_given("roots")?;
        self.roots = Some(Arc::new(pem::roots(pem.as_ref())?));
        Ok(self)
    }

    /// As [`roots_pem`](Self::roots_pem), from a file, which is read now, and not again.
    ///
    /// # Errors
    ///
    /// Those of [`roots_pem`](Self::roots_pem), and `invalid_argument` where the file cannot be
    /// read.
    pub fn roots_file(self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        self.roots_pem(pem::read(path)?).map_err(|error| error.context(format!("`{}`", path.display())))
    }

    /// Shows this certificate to servers that ask for one, with its key, both in PEM: the
    /// certificate of the client itself first, then those that vouch for it.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where one of them is no PEM, or the key is not that of the certificate,
    /// and `failed_precondition` after [`from_config`](Self::from_config), whose configuration says
    /// it already.
    pub fn identity(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self> {
        self.unless_given("identity")?;
        self.identity = Some(Arc::new(pem::identity(chain.as_ref(), key.as_ref())?));
        Ok(self)
    }

    /// As [`identity`](Self::identity), from two files. They are read now, and not again.
    ///
    /// # Errors
    ///
    /// Those of [`identity`](Self::identity), and `invalid_argument` where a file cannot be read.
    pub fn identity_files(self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let files = format!("`{}` and `{}`", chain.display(), key.display());
        self.identity(pem::read(chain)?, pem::read(key)?).map_err(|error| error.context(files))
    }

    /// Expects servers to be certified for this name or IP address, whatever address they are
    /// called at. It is also the name that they are asked for (SNI).
    ///
    /// # Errors
    ///
    /// `invalid_argument` where it is neither.
    pub fn server_name(mut self, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let parsed = ServerName::try_from(name.clone()).map_err(|error| {
            Error::invalid_argument(format!(
                "`{name}` is no name that a certificate can be for: it takes a host name without a port, or an IP address"
            ))
            .with_source(error)
        })?;
        self.name = Some(parsed);
        Ok(self)
    }

    fn unless_given(&self, what: &str) -> Result<()> {
        match self.config {
            None => Ok(()),
            Some(_) => Err(Error::failed_precondition(format!(
                "the {what} of the client is a matter of the rustls configuration that was given: set it there"
            ))),
        }
    }

    pub(crate) fn open(&self) -> Result<Connector> {
        let config = match &self.config {
            Some(config) => config.clone(),
            None => Arc::new(self.configured()?),
        };
        Ok(Connector { config, name: self.name.clone() })
    }

    fn configured(&self) -> Result<ClientConfig> {
        let roots = match &self.roots {
            Some(roots) => roots.clone(),
            None => Arc::new(of_system()?),
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal(format!("TLS cannot be set up: {error}")).with_source(error))?
            .with_root_certificates(roots);
        Ok(match &self.identity {
            Some(identity) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.clone())))
            }
            None => builder.with_no_client_auth(),
        })
    }
}

fn of_system() -> Result<RootCertStore> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken > 0 {
        return Ok(roots);
    }
    let errors: Vec<_> = found.errors.iter().map(|error| format!(" ({error})")).collect();
    Err(Error::failed_precondition(format!(
        "no root certificates are installed on this system{}: install them, or name those to trust with \
         `ClientTls::roots_file`",
        errors.concat()
    )))
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("roots", &self.roots.as_ref().map_or(0, |roots| roots.len()))
            .field("identity", &self.identity.is_some())
            .field("server_name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The client's side of handshakes.
pub(crate) struct Connector {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl Connector {
    /// Waits for the whole handshake with the server at this address.
    pub(crate) async fn connect(&self, io: BoxIo, address: &str, offered: &[&[u8]]) -> Result<Secured> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => name_of(address)?,
        };
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = offered.iter().map(|id| id.to_vec()).collect();
        let connected = TlsConnector::from(Arc::new(config)).connect(name, io).await;
        let io = connected.map_err(|error| {
            let reason = trouble::of_client(&error);
            let message = format!("cannot connect to {address} with TLS: {reason}");
            Error::unavailable(message).with_source(error).never_processed()
        })?;
        let agreed = io.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let refusal = Refusal::default();
        Ok(Secured { io: Box::new(Watched::new(io, refusal.clone())), agreed, refusal })
    }
}

/// The name that the server at an address must be certified for.
fn name_of(address: &str) -> Result<ServerName<'static>> {
    let host =
        if is_path(address) { address } else { address.rsplit_once(':').map_or(address, |(host, _)| host) };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|error| {
        Error::invalid_argument(format!(
            "cannot connect to {address} with TLS: no certificate can be for `{bare}`; say what name to expect with \
             `ClientTls::server_name`"
        ))
        .with_source(error)
        .never_processed()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_server_is_the_host_of_its_address() {
        for (address, name) in [
            ("greeter.example:443", "greeter.example"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "::1"),
            ("memory-1", "memory-1"),
        ] {
            assert_eq!(name_of(address).unwrap(), ServerName::try_from(name).unwrap(), "{address}");
        }
        let refused = name_of("my host:80").unwrap_err();
        assert!(refused.message().contains("no certificate can be for `my host`"), "{refused}");
        let refused = name_of("unix:/run/a.sock").unwrap_err();
        assert!(refused.message().contains("`ClientTls::server_name`"), "{refused}");
        let refused = ClientTls::new().server_name("host:80").unwrap_err();
        assert!(refused.message().contains("without a port"), "{refused}");
    }

    #[test]
    fn a_configuration_of_rustls_is_not_half_replaced() {
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let refused = ClientTls::from_config(config).roots_pem("").unwrap_err();
        assert!(refused.message().contains("set it there"), "{refused}");
    }
}
