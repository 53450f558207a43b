//! A registry that is away.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::registry::{Change, Registration, Registry, ServiceRecord, Watch};

/// A registry that can be told to fail, to hang and to forget, around any other one.
///
/// Clones are the same, and have the same faults. Two of them around one registry have faults of their own: that
/// is how one service is cut off from a registry that others still reach.
///
/// ```
/// use micro_runtime::registry::{Memory, Registry as _};
/// use micro_runtime::testing::FaultyRegistry;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> micro_runtime::Result<()> {
/// let registry = FaultyRegistry::new(Memory::new());
/// registry.fail();
/// assert!(registry.services().await.is_err());
/// registry.heal();
/// assert!(registry.services().await?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FaultyRegistry {
    inner: Arc<dyn Registry>,
    state: Arc<watch::Sender<State>>,
    asked: Arc<Asked>,
}

/// How often a registry was asked, faults included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistryCounts {
    /// Registrations and their renewals.
    pub registered: u64,
    /// Registrations that were taken back.
    pub deregistered: u64,
    /// Watches that were begun.
    pub watched: u64,
    /// Lists of all services.
    pub listed: u64,
}

#[derive(Debug, Default)]
struct Asked {
    registered: AtomicU64,
    deregistered: AtomicU64,
    watched: AtomicU64,
    listed: AtomicU64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Well,
    Fails,
    Hangs,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Watches and lists.
    reads: Mood,
    /// Registrations.
    writes: Mood,
}

impl FaultyRegistry {
    /// Around this registry; nothing is wrong at first.
    pub fn new(inner: impl Registry) -> Self {
        Self {
            inner: Arc::new(inner),
            state: Arc::new(watch::channel(State::default()).0),
            asked: Arc::default(),
        }
    }

    /// The registry is away: watches end with an error, and all that is asked of it fails with `unavailable`.
    pub fn fail(&self) {
        self.set(State { reads: Mood::Fails, writes: Mood::Fails });
    }

    /// The registry is there and says nothing: watches are silent, and all that is asked of it waits until it is
    /// healed.
    pub fn hang(&self) {
        self.set(State { reads: Mood::Hangs, writes: Mood::Hangs });
    }

    /// Watches end with an error, and they and lists fail with `unavailable`; registrations stay as they are.
    pub fn fail_reads(&self) {
        self.state.send_modify(|state| state.reads = Mood::Fails);
    }

    /// Watches are silent, and they and lists wait until it is healed; registrations stay as they are.
    pub fn hang_reads(&self) {
        self.state.send_modify(|state| state.reads = Mood::Hangs);
    }

    /// Registering and taking a registration back fail with `unavailable`; watches stay as they are.
    pub fn fail_writes(&self) {
        self.state.send_modify(|state| state.writes = Mood::Fails);
    }

    /// Registering and taking a registration back wait until it is healed; watches stay as they are.
    pub fn hang_writes(&self) {
        self.state.send_modify(|state| state.writes = Mood::Hangs);
    }

    /// Nothing is wrong any more.
    pub fn heal(&self) {
        self.set(State::default());
    }

    /// Takes everything out of the registry inside, as one does that lost its data.
    pub async fn forget(&self) -> Result<()> {
        for record in self.inner.services().await? {
            for registration in Registration::from_record(record) {
                self.inner.deregister(&registration).await?;
            }
        }
        Ok(())
    }

    /// How often it was asked.
    pub fn counts(&self) -> RegistryCounts {
        let Asked { registered, deregistered, watched, listed } = &*self.asked;
        let [registered, deregistered, watched, listed] =
            [registered, deregistered, watched, listed].map(|count| count.load(Ordering::Relaxed));
        RegistryCounts { registered, deregistered, watched, listed }
    }

    fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    /// Returns when it may be asked, or fails.
    async fn pass(&self, mood: fn(&State) -> Mood) -> Result<()> {
        let mut state = self.state.subscribe();
        let now = state.wait_for(|state| mood(state) != Mood::Hangs).await;
        match now.map(|state| mood(&state)) {
            Ok(Mood::Fails) => Err(away(self.inner.name())),
            _ => Ok(()),
        }
    }
}

fn away(name: &str) -> Error {
    Error::unavailable(format!("the registry `{name}` cannot be reached (a fault of the test)"))
}

fn count(asked: &AtomicU64) {
    asked.fetch_add(1, Ordering::Relaxed);
}

#[async_trait]
impl Registry for FaultyRegistry {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
        count(&self.asked.registered);
        self.pass(|state| state.writes).await?;
        self.inner.register(registration, ttl).await
    }

    async fn deregister(&self, registration: &Registration) -> Result<()> {
        count(&self.asked.deregistered);
        self.pass(|state| state.writes).await?;
        self.inner.deregister(registration).await
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        count(&self.asked.watched);
        self.pass(|state| state.reads).await?;
        let watch = self.inner.watch(service).await?;
        let following = Following { watch, state: self.state.subscribe(), name: self.inner.name() };
        Ok(stream::unfold(Some(following), async |following| following?.next().await).boxed())
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        count(&self.asked.listed);
        self.pass(|state| state.reads).await?;
        self.inner.services().await
    }

    fn suspect(&self, registration: &Registration) {
        if self.state.borrow().reads == Mood::Well {
            self.inner.suspect(registration);
        }
    }

    /// Whatever is inside, [`forget`](FaultyRegistry::forget) makes nodes disappear.
    fn forgets(&self) -> bool {
        true
    }

    fn gathers(&self) -> bool {
        self.inner.gathers()
    }
}

/// A watch that ends, or is silent, when the registry is away.
struct Following {
    watch: Watch,
    state: watch::Receiver<State>,
    name: &'static str,
}

impl Following {
    async fn next(mut self) -> Option<(Result<Change>, Option<Self>)> {
        loop {
            let mood = self.state.borrow_and_update().reads;
            match mood {
                Mood::Fails => return Some((Err(away(self.name)), None)),
                // Without those who could heal it, it is silent for good.
                Mood::Hangs => {
                    if self.state.changed().await.is_err() {
                        pending::<()>().await;
                    }
                }
                Mood::Well => tokio::select! {
                    biased;
                    Ok(()) = self.state.changed() => {}
                    change = self.watch.next() => return change.map(|change| (change, Some(self))),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Memory;

    #[tokio::test(start_paused = true)]
    async fn a_watch_of_a_registry_that_hangs_is_silent_also_when_nobody_can_heal_it() -> Result<()> {
        let registry = FaultyRegistry::new(Memory::new());
        let mut watch = registry.watch("greeter").await?;
        registry.hang();
        drop(registry);
        let waited = tokio::time::timeout(Duration::from_secs(3600), watch.next()).await;
        assert!(waited.is_err(), "{waited:?}");
        Ok(())
    }
}
