//! The test kit for key stores: what every driver has to do.
//!
//! Run it in a test of the driver, with the real server. It takes keys that nobody else has, and what it
//! leaves behind is over a second later.
//!
//! ```
//! # use std::sync::Arc;
//! # use std::time::Duration;
//! use micro_runtime::idempotency::{MemoryKeys, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> micro_runtime::Result<()> {
//! let keys = MemoryKeys::new();
//! conformance::run(|| Arc::new(keys.clone()), Duration::from_millis(200)).await
//! # }
//! ```

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::sleep;
use uuid::Uuid;

use super::store::{Begun, KeyStore, Lease};
use crate::error::{Error, Result};

/// Longer than the kit takes.
const LONG: Duration = Duration::from_secs(60);

/// Runs all scenarios, and fails with what did not go as it should.
///
/// `make` makes a handle on the store, as another process would have it: all handles see the same keys. `short`
/// is the shortest time to live that the driver keeps to within as much again.
pub async fn run(make: impl Fn() -> Arc<dyn KeyStore>, short: Duration) -> Result<()> {
    let mut failures = Vec::new();
    let kit = || Kit { here: make(), there: make(), key: format!("kit-{}", Uuid::new_v4().simple()), short };
    let scenarios = [
        ("a key is had by one", kit().one().await),
        ("of many that ask at once one has the key", kit().many().await),
        ("an answer is kept, with what it is the answer to", kit().kept().await),
        ("a key that was released is free", kit().released().await),
        ("a lease ends, and so does the right to finish", kit().over().await),
        ("a lease that is renewed goes on, and one that is over does not", kit().renewed().await),
        ("an answer ends", kit().forgotten().await),
        ("only the holder of a lease ends it", kit().strangers().await),
        ("any key and any answer are kept as they are", kit().odd().await),
    ];
    for (name, done) in scenarios {
        if let Err(error) = done {
            failures.push(format!("{name}: {error}"));
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Error::failed_precondition(format!(
        "the key store does not conform, {} scenarios failed:\n{}",
        failures.len(),
        failures.join("\n")
    )))
}

struct Kit {
    here: Arc<dyn KeyStore>,
    there: Arc<dyn KeyStore>,
    key: String,
    short: Duration,
}

impl Kit {
    async fn begin(&self, store: &Arc<dyn KeyStore>, lease: Duration) -> Result<Begun> {
        store.begin(&self.key, "print", lease).await
    }

    async fn lease(&self, time: Duration) -> Result<Lease> {
        match self.begin(&self.here, time).await? {
            Begun::Yours(lease) => Ok(lease),
            other => Err(wrong("a lease", &other)),
        }
    }

    async fn one(&self) -> Result<()> {
        let lease = self.lease(LONG).await?;
        let due = Begun::Running { fingerprint: "print".to_owned() };
        for store in [&self.here, &self.there] {
            let found = store.begin(&self.key, "another", LONG).await?;
            same(&due, &found)?;
        }
        self.here.release(&self.key, &lease).await
    }

    async fn many(&self) -> Result<()> {
        let asked = (0..20).map(|number| self.begin([&self.here, &self.there][number % 2], LONG));
        let mut leases = Vec::new();
        for begun in join_all(asked).await {
            if let Begun::Yours(lease) = begun? {
                leases.push(lease);
            }
        }
        same(&1, &leases.len())?;
        self.there.release(&self.key, &leases[0]).await
    }

    async fn kept(&self) -> Result<()> {
        let lease = self.lease(LONG).await?;
        self.there.finish(&self.key, &lease, Bytes::from_static(b"answer"), self.short * 2).await?;
        let due = Begun::Done { fingerprint: "print".to_owned(), answer: Bytes::from_static(b"answer") };
        for store in [&self.here, &self.there] {
            same(&due, &self.begin(store, LONG).await?)?;
        }
        // What is answered is not released.
        self.here.release(&self.key, &lease).await?;
        same(&due, &self.begin(&self.here, LONG).await?)
    }

    async fn released(&self) -> Result<()> {
        let lease = self.lease(LONG).await?;
        self.there.release(&self.key, &lease).await?;
        let again = self.lease(LONG).await?;
        if again == lease {
            return Err(Error::internal("two leases are the same"));
        }
        self.here.release(&self.key, &again).await
    }

    async fn over(&self) -> Result<()> {
        let lease = self.lease(self.short).await?;
        sleep(self.short * 2).await;
        let next = self.lease(LONG).await?;
        if self.here.finish(&self.key, &lease, Bytes::new(), LONG).await.is_ok() {
            return Err(Error::internal("a lease that was over was finished"));
        }
        let due = Begun::Running { fingerprint: "print".to_owned() };
        same(&due, &self.begin(&self.there, LONG).await?)?;
        self.here.release(&self.key, &next).await
    }

    async fn renewed(&self) -> Result<()> {
        let lease = self.lease(self.short * 2).await?;
        self.there.renew(&self.key, &lease, LONG).await?;
        sleep(self.short * 4).await;
        let due = Begun::Running { fingerprint: "print".to_owned() };
        same(&due, &self.begin(&self.there, LONG).await?)?;
        let stranger = Lease::new(Uuid::new_v4().simple().to_string());
        if self.here.renew(&self.key, &stranger, LONG).await.is_ok() {
            return Err(Error::internal("a stranger renewed"));
        }
        self.here.release(&self.key, &lease).await?;
        if self.here.renew(&self.key, &lease, LONG).await.is_ok() {
            return Err(Error::internal("a lease that was released was renewed"));
        }
        let next = self.lease(LONG).await?;
        self.here.release(&self.key, &next).await
    }

    async fn forgotten(&self) -> Result<()> {
        let lease = self.lease(LONG).await?;
        self.here.finish(&self.key, &lease, Bytes::from_static(b"answer"), self.short).await?;
        sleep(self.short * 2).await;
        let next = self.lease(LONG).await?;
        self.here.release(&self.key, &next).await
    }

    async fn strangers(&self) -> Result<()> {
        let lease = self.lease(LONG).await?;
        let stranger = Lease::new(Uuid::new_v4().simple().to_string());
        self.here.release(&self.key, &stranger).await?;
        if self.here.finish(&self.key, &stranger, Bytes::new(), LONG).await.is_ok() {
            return Err(Error::internal("a stranger finished"));
        }
        let due = Begun::Running { fingerprint: "print".to_owned() };
        same(&due, &self.begin(&self.here, LONG).await?)?;
        self.here.release(&self.key, &lease).await
    }

    async fn odd(&self) -> Result<()> {
        for (index, name) in ["a/b", "ä ö", "%00", "a\nb", "x".repeat(1000).as_str()].into_iter().enumerate()
        {
            let key = format!("{} {name}", self.key);
            let Begun::Yours(lease) = self.here.begin(&key, "", LONG).await? else {
                return Err(Error::internal(format!("`{name}` was not free")));
            };
            let answer: Bytes = (0..=255).cycle().take(index * 10_000).collect::<Vec<u8>>().into();
            self.here.finish(&key, &lease, answer.clone(), self.short * 2).await?;
            let due = Begun::Done { fingerprint: String::new(), answer };
            same(&due, &self.there.begin(&key, "", LONG).await?)?;
        }
        Ok(())
    }
}

fn same<T: PartialEq + Debug>(due: &T, found: &T) -> Result<()> {
    if due == found { Ok(()) } else { Err(wrong(&format!("{due:?}"), found)) }
}

fn wrong(due: &str, found: &impl Debug) -> Error {
    Error::internal(format!("it is {found:?} and not {due}"))
}
