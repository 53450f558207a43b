//! The key of a call, which decides where calls go that belong together.

use std::num::NonZeroU64;

use super::Context;

impl Context {
    /// The same context with a key for its calls: a user, a session, a shard. Calls with the same key go to the
    /// same node where the client's selector is [`hash`](crate::selector::Hash), and to the same version where the
    /// client [splits](crate::client::ClientBuilder::split) its calls between versions.
    ///
    /// The key stays in this process, as a hash: it is not sent. For one call there is
    /// [`Call::affinity`](crate::client::Call::affinity).
    #[must_use]
    pub fn with_affinity(&self, key: impl AsRef<[u8]>) -> Self {
        self.clone().keyed(Some(hash(key.as_ref())))
    }

    /// The hash of the key that calls in this context have.
    pub(crate) fn affinity(&self) -> Option<NonZeroU64> {
        self.affinity
    }

    /// The same context with this key, where there is one.
    pub(crate) fn keyed(mut self, key: Option<NonZeroU64>) -> Self {
        self.affinity = key.or(self.affinity);
        self
    }
}

/// A hash that is the same in every process, version and machine, so that all clients agree where a key belongs:
/// FNV-1a with 64 bits (RFC 9923), and its bits mixed. It does not withstand callers who look for collisions.
pub(crate) fn hash(bytes: &[u8]) -> NonZeroU64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv));
    NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN)
}

/// Spreads the bits of a number over all of it: the finalizer of MurmurHash3 (Austin Appleby).
pub(crate) const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let number = (number ^ (number >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ (number >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_key_is_the_same_everywhere_and_for_ever() {
        // FNV-1a of "a" is af63dc4c8601ec8c (RFC 9923, appendix C), before it is mixed.
        assert_eq!(hash(b"a").get(), mix(0xaf63_dc4c_8601_ec8c));
        assert_eq!(mix(1), 0xb456_bcfc_34c2_cb2c);
        assert_ne!(hash(b""), hash(b"\0"));
    }

    #[test]
    fn a_key_stays_with_the_contexts_that_are_made_of_one() {
        let ctx = Context::new().with_affinity("ada");
        assert_eq!(ctx.with_timeout(std::time::Duration::from_secs(1)).affinity(), Some(hash(b"ada")));
        assert_eq!(ctx.with_affinity("bob").affinity(), Some(hash(b"bob")));
        assert_eq!(Context::new().affinity(), None);
    }
}
