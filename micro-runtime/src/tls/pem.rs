//! Certificates and keys as they stand in PEM files.

use std::fs;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{provider, trouble};
use crate::error::{Error, Result};

/// A certificate, those that vouch for it, and its key.
pub(super) fn identity(chain: &[u8], key: &[u8]) -> Result<CertifiedKey> {
    let chain = certificates(chain).map_err(|error| error.context("the certificate chain"))?;
    let key = private_key(key).map_err(|error| error.context("the private key"))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => Error::invalid_argument(
            "the private key is not that of the first certificate in the chain: give the key that this \
             certificate was made with, and put the certificate of the node itself first",
        ),
        error => {
            let reason = trouble::certificate(&error);
            Error::invalid_argument(format!("the certificate or its key cannot be used: {reason}"))
                .with_source(error)
        }
    })
}

/// The certificates of those who are trusted to issue others.
pub(super) fn roots(pem: &[u8]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).map_err(|error| error.context("the root certificates"))? {
        roots.add(certificate).map_err(|error| {
            Error::invalid_argument(format!("the root certificates: one of them cannot be read: {error}"))
                .with_source(error)
        })?;
    }
    Ok(roots)
}

/// Reads a small file, at the start of a program.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| {
        Error::invalid_argument(format!("cannot read `{}`: {error}", path.display())).with_source(error)
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(none) if none.is_empty() => Err(Error::invalid_argument(
            "there is no `-----BEGIN CERTIFICATE-----` in it; it has to be in PEM format",
        )),
        Ok(all) => Ok(all),
        Err(error) => Err(malformed(error)),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        PemError::NoItemsFound if contains(pem, b"BEGIN ENCRYPTED PRIVATE KEY") => Error::invalid_argument(
            "it is encrypted; decrypt it first, with `openssl pkey -in encrypted.key -out plain.key` for example",
        ),
        PemError::NoItemsFound => Error::invalid_argument(
            "there is no `-----BEGIN PRIVATE KEY-----` in it (nor one of an RSA or EC key); it has to be in PEM format",
        ),
        error => malformed(error),
    })
}

fn malformed(error: PemError) -> Error {
    Error::invalid_argument(format!("it is not well-formed PEM: {error}")).with_source(error)
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|window| window == words)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn refused(chain: &str, key: &str) -> String {
        identity(chain.as_bytes(), key.as_bytes()).unwrap_err().message().to_owned()
    }

    #[test]
    fn what_is_wrong_with_an_identity_is_said_in_words() {
        let ((chain, key), (_, other)) = (made(), made());
        identity(chain.as_bytes(), key.as_bytes()).unwrap();
        assert!(refused(&chain, &other).contains("is not that of the first certificate"));
        // The two are often mixed up.
        assert!(refused(&key, &chain).contains("the certificate chain: there is no `-----BEGIN CERT"));
        assert!(refused(&chain, &chain).contains("the private key: there is no `-----BEGIN PRIVATE KEY"));
        assert!(refused("", "").contains("the certificate chain: there is no"));
        let cut = &chain[..chain.len() - 20];
        assert!(refused(cut, &key).contains("the certificate chain: it is not well-formed PEM"));
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        assert!(refused(&chain, &encrypted).contains("the private key: it is encrypted"));
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(refused(nonsense, &key).contains("cannot be used"), "{}", refused(nonsense, &key));
        assert!(roots(nonsense.as_bytes()).unwrap_err().message().contains("one of them cannot be read"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let missing = read(Path::new("no/such.pem")).unwrap_err();
        assert!(missing.message().contains("cannot read `no/such.pem`"), "{missing}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
            let (mut chain, mut key) = made();
            let _ = identity(&text, &text);
            let _ = roots(&text);
            // And so do almost good ones not.
            for pem in [&mut chain, &mut key] {
                let at = at.index(pem.len());
                pem.replace_range(at..=at, "~");
            }
            let _ = identity(chain.as_bytes(), key.as_bytes());
            let _ = roots(chain.as_bytes());
        }
    }
}
