//! Metadata: what travels beside a message, as headers and trailers.
//!
//! Names are case-insensitive and kept in lower case. A value is text (visible ASCII and spaces),
//! except under a name that ends in `-bin`, whose value is any bytes and travels as base64, as in
//! gRPC.
//!
//! ```
//! # use micro_runtime::Metadata;
//! let mut metadata = Metadata::new();
//! metadata.insert("Tenant", "acme")?;
//! assert_eq!(metadata.get("tenant"), Some("acme"));
//! # Ok::<_, micro_runtime::Error>(())
//! ```

mod around;

use std::fmt;

use bytes::Bytes;

pub(crate) use around::Around;

use crate::error::{Error, Result};

/// A list of names and values, in the order they were added. A name may stand several times.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    entries: Vec<(String, Bytes)>,
}

/// No metadata, to be lent out.
pub(crate) static NONE: Metadata = Metadata::new();

impl Metadata {
    /// Empty metadata; allocates nothing.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Sets `name` to `value` in place of what it had.
    pub fn insert(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        let (name, value) = checked(name, value.as_ref())?;
        self.entries.retain(|(known, _)| *known != name);
        self.entries.push((name, value));
        Ok(())
    }

    /// Adds `value` to the values of `name`.
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.entries.push(checked(name, value.as_ref())?);
        Ok(())
    }

    /// Takes all values of `name` out and says whether there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.entries.len() != before
    }

    /// The first value of `name` as text; `None` where there is none, or under a `-bin` name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// All values of `name` as text.
    pub fn get_all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.bytes_of(name)
            .filter(move |_| !is_binary(name))
            .filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// The first value of `name` as bytes, whatever its kind.
    pub fn get_bytes(&self, name: &str) -> Option<&Bytes> {
        self.bytes_of(name).next()
    }

    /// Whether `name` has a value.
    pub fn contains(&self, name: &str) -> bool {
        self.get_bytes(name).is_some()
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds everything that `other` has.
    pub fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    fn bytes_of<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a Bytes> + use<'a, 'n> {
        self.entries.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Whether values under this name are bytes and not text.
pub(crate) fn is_binary(name: &str) -> bool {
    name.len() > 4 && name.as_bytes()[name.len() - 4..].eq_ignore_ascii_case(b"-bin")
}

/// Names that belong to HTTP or to a protocol and are not metadata.
pub(crate) fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "accept"
            | "accept-encoding"
            | "connection"
            | "content-encoding"
            | "content-length"
            | "content-type"
            | "date"
            | "host"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "user-agent"
    ) || name.starts_with("connect-")
        || (name.starts_with("grpc-") && !is_of_retries(name))
}

/// What gRPC's proposal A6 says about attempts is metadata, in every protocol.
fn is_of_retries(name: &str) -> bool {
    matches!(name, "grpc-previous-rpc-attempts" | "grpc-retry-pushback-ms")
}

fn checked(name: &str, value: &[u8]) -> Result<(String, Bytes)> {
    let known = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
        Error::invalid_argument(format!(
            "`{name}` is not a metadata name: use letters, digits, `-`, `_` and `.`"
        ))
    })?;
    if is_reserved(known.as_str()) {
        return Err(Error::invalid_argument(format!(
            "`{name}` belongs to HTTP and cannot be the name of metadata"
        )));
    }
    let text = |byte: &u8| (b' '..=b'~').contains(byte) || *byte == b'\t';
    if !is_binary(name) && !value.iter().all(text) {
        return Err(Error::invalid_argument(format!(
            "the value of metadata `{name}` has bytes that are not visible ASCII: \
             use a name that ends in `-bin` for any other bytes"
        )));
    }
    Ok((known.as_str().to_owned(), Bytes::copy_from_slice(value)))
}

/// Shows the names only: values may be credentials.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::error::Code;

    proptest! {
        #[test]
        fn any_entry_is_kept_as_it_is_or_refused(
            name in "[a-zA-Z0-9_.-]{0,8}(-bin)?|(connect|grpc)-[a-z]{1,3}|content-type|.{0,6}",
            value in vec(prop_oneof![32..=126_u8, any::<u8>()], 0..12),
        ) {
            let mut metadata = Metadata::new();
            match metadata.append(&name, &value) {
                Ok(()) => {
                    prop_assert_eq!(&metadata.get_bytes(&name).unwrap()[..], &value[..]);
                    let (kept, _) = metadata.iter().next().unwrap();
                    prop_assert_eq!(kept, name.to_ascii_lowercase());
                    // What is kept is good for a header, and is nobody else's.
                    prop_assert!(is_binary(kept) || http::HeaderValue::from_bytes(&value).is_ok());
                    prop_assert!(!is_reserved(kept));
                }
                Err(error) => {
                    prop_assert_eq!((error.code(), metadata.len()), (Code::InvalidArgument, 0));
                }
            }
        }
    }

    #[test]
    fn names_are_found_in_any_case() -> Result<()> {
        let mut metadata = Metadata::new();
        metadata.append("X-Tenant", "acme")?;
        metadata.append("x-tenant", "umbrella")?;
        assert_eq!(metadata.get_all("x-TENANT").collect::<Vec<_>>(), ["acme", "umbrella"]);
        metadata.insert("X-TENANT", "initech")?;
        assert_eq!(metadata.len(), 1);
        assert!(metadata.remove("X-tenant"));
        assert!(metadata.is_empty());
        Ok(())
    }

    #[test]
    fn bytes_need_a_name_that_says_so() -> Result<()> {
        let mut metadata = Metadata::new();
        let refused = metadata.insert("token", [0xff, 0x00]).unwrap_err();
        assert!(refused.message().contains("-bin"), "{refused}");
        metadata.insert("token-bin", [0xff, 0x00])?;
        assert_eq!(metadata.get("token-bin"), None);
        assert_eq!(metadata.get_bytes("token-bin").map(|value| &value[..]), Some(&[0xff, 0x00][..]));
        Ok(())
    }

    #[test]
    fn values_do_not_reach_the_log() -> Result<()> {
        let mut metadata = Metadata::new();
        metadata.insert("authorization", "Bearer secret")?;
        assert_eq!(format!("{metadata:?}"), r#"{"authorization"}"#);
        Ok(())
    }
}
