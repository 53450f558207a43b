//! Files that say who we are, as `nsc` writes them.

use std::fmt;
use std::path::Path;

use nkeys::KeyPair;

use crate::error::{Error, Result};

/// A token that names a user, and the key that proves that we are the one.
pub(crate) struct Credentials {
    pub(crate) jwt: String,
    key: KeyPair,
}

impl Credentials {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| wrong(path, error))?;
        let [jwt, seed] = blocks(&text).ok_or_else(|| {
            wrong(path, "it has no token and no key with lines of dashes around each, as `nsc generate creds` writes them")
        })?;
        let key = KeyPair::from_seed(seed).map_err(|error| wrong(path, error))?;
        Ok(Self { jwt: jwt.to_owned(), key })
    }

    /// Signs what a server wants to have signed.
    pub(crate) fn sign(&self, nonce: &[u8]) -> Result<Vec<u8>> {
        self.key.sign(nonce).map_err(|error| Error::internal(format!("NATS: cannot sign: {error}")))
    }
}

/// Shows no secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cold]
fn wrong(path: &Path, why: impl fmt::Display) -> Error {
    Error::failed_precondition(format!("the NATS credentials in {}: {why}", path.display()))
}

/// What is in the first two blocks: one line between two of dashes.
fn blocks(text: &str) -> Option<[&str; 2]> {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_fence = |line: &str| line.len() > 6 && line.starts_with("---") && line.ends_with("---");
    let mut blocks = lines.windows(3).filter_map(|lines| match lines {
        [begin, line, end] if is_fence(begin) && begin.contains("BEGIN") && is_fence(end) => Some(*line),
        _ => None,
    });
    Some([blocks.next()?, blocks.next()?])
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn file(jwt: &str, seed: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\r\n{jwt}\r\n------END NATS USER JWT------\r\n\r\n*** IMPORTANT ***\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n\n***\n"
        )
    }

    #[test]
    fn a_token_and_a_key_are_read_and_errors_show_neither() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("service.creds");
        let key = KeyPair::new_user();
        std::fs::write(&path, file("a.b-c.d", &key.seed()?))?;
        let credentials = Credentials::read(&path)?;
        assert_eq!((&*credentials.jwt, credentials.sign(b"nonce")?), ("a.b-c.d", key.sign(b"nonce")?));

        for wrong in ["", "SUAsecret", &file("a.secret", "SUAsecret"), &file("a.secret", "")] {
            std::fs::write(&path, wrong)?;
            let error = format!("{:?}", Credentials::read(&path).expect_err("no credentials"));
            assert!(error.contains("service.creds") && !error.contains("secret"), "{error}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn any_text_has_blocks_or_has_none(text in "(---+(BEGIN|END)?---+\n|[a-z. ]{0,3}\n){0,9}|.{0,40}") {
            if let Some(blocks) = blocks(&text) {
                prop_assert!(blocks.iter().all(|block| text.contains(block)));
            }
        }
    }
}
