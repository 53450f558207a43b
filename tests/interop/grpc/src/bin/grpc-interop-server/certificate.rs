//! A certificate for this machine, and the root that vouches for it.

use std::fs;
use std::path::Path;

use micro::tls::ServerTls;
use micro::{Error, Result};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// Makes them, and writes `ca.pem`, `server.pem` and `server.key` into a folder.
pub(crate) fn make(folder: &Path) -> Result<ServerTls> {
    let mut root = CertificateParams::new([]).map_err(failed)?;
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(rcgen::DnType::CommonName, "the root of the interop tests");
    let root_key = KeyPair::generate().map_err(failed)?;
    let root_certificate = root.self_signed(&root_key).map_err(failed)?;

    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = KeyPair::generate().map_err(failed)?;
    let issuer = Issuer::new(root, root_key);
    let certificate =
        CertificateParams::new(names).map_err(failed)?.signed_by(&key, &issuer).map_err(failed)?;

    let (chain, key) = (certificate.pem(), key.serialize_pem());
    for (name, pem) in [("ca.pem", &root_certificate.pem()), ("server.pem", &chain), ("server.key", &key)] {
        fs::write(folder.join(name), pem).map_err(failed)?;
    }
    ServerTls::pem(chain, key)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal(format!("cannot make a certificate: {error}")).with_source(error)
}
