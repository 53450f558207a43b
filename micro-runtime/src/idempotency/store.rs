use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Result;

/// Where it is kept which keys were used, and what was answered.
///
/// [`MemoryKeys`](super::MemoryKeys) is one for a single node. A service with several nodes needs one that they
/// share, since a repeated call may come to another node: implement this over a database that can insert
/// where there is nothing, and try it with the kit in [`conformance`](super::conformance).
///
/// A key is free, or it has a lease, or it has an answer. All calls are atomic.
#[async_trait]
pub trait KeyStore: Send + Sync + 'static {
    /// Takes a lease on a key that is free, or says why there is none.
    ///
    /// `fingerprint` tells requests apart; it is kept with the key. A lease that was neither finished nor
    /// released within `lease` is as if it were not: its holder is taken for dead.
    async fn begin(&self, key: &str, fingerprint: &str, lease: Duration) -> Result<Begun>;

    /// Makes a lease end so long from now on: its holder still runs. It is an error if the lease does not hold any
    /// more.
    async fn renew(&self, key: &str, lease: &Lease, time: Duration) -> Result<()>;

    /// Keeps the answer for this time from now on, after which the key is free. It is an error if the lease
    /// does not hold any more. Where it fails for another reason, as there is no room for the answer, the lease stays as it
    /// is: what follows is a shorter answer, which says that there was one.
    async fn finish(&self, key: &str, lease: &Lease, answer: Bytes, keep: Duration) -> Result<()>;

    /// Makes the key free. Where the lease does not hold any more nothing happens.
    async fn release(&self, key: &str, lease: &Lease) -> Result<()>;
}

/// What a [`KeyStore`] knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It was free, and belongs to whoever asked.
    Yours(Lease),
    /// Somebody else has it.
    Running {
        /// That of the request which has it.
        fingerprint: String,
    },
    /// It was used.
    Done {
        /// That of the request that was answered.
        fingerprint: String,
        /// As it was given to [`KeyStore::finish`].
        answer: Bytes,
    },
}

/// What shows that a key belongs to somebody. No two are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease(String);

impl Lease {
    /// A lease with a name that no other one has, a random UUID for example.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[async_trait]
impl<T: KeyStore + ?Sized> KeyStore for Arc<T> {
    async fn begin(&self, key: &str, fingerprint: &str, lease: Duration) -> Result<Begun> {
        (**self).begin(key, fingerprint, lease).await
    }

    async fn renew(&self, key: &str, lease: &Lease, time: Duration) -> Result<()> {
        (**self).renew(key, lease, time).await
    }

    async fn finish(&self, key: &str, lease: &Lease, answer: Bytes, keep: Duration) -> Result<()> {
        (**self).finish(key, lease, answer, keep).await
    }

    async fn release(&self, key: &str, lease: &Lease) -> Result<()> {
        (**self).release(key, lease).await
    }
}
