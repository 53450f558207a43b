use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::view::State;
use super::{Locals, Membership, Node, Registry, View};
use crate::endpoint::Entrance;
use crate::error::{Error, Result};

/// How long a view is kept up to date that nobody holds any more.
const IDLE: Duration = Duration::from_secs(60);

/// The pause before a watch is begun again: half of this to all of it, doubled each time…
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// …up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The views on one registry: one per service, whoever asks for it, each with one watch.
///
/// Clones share the views, and calls between services and clients that have clones stay in the process, see
/// [`in_process`](crate::client::ClientBuilder::in_process). A watch ends a minute after its view was last in use, or when the last
/// clone is dropped; what was read before stays readable.
#[derive(Clone)]
pub struct Discovery(Arc<Inner>);

struct Inner {
    registry: Arc<dyn Registry>,
    views: Mutex<HashMap<String, Entry>>,
    locals: Locals,
}

struct Entry {
    view: Arc<View>,
    last_use: Instant,
    task: AbortHandle,
}

impl Discovery {
    /// Discovery over this registry, which is not used before the first view.
    pub fn new(registry: Arc<dyn Registry>) -> Self {
        Self(Arc::new(Inner { registry, views: Mutex::default(), locals: Locals::default() }))
    }

    /// The registry.
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.0.registry
    }

    /// The nodes in this process that joined.
    pub(crate) fn locals(&self) -> &Locals {
        &self.0.locals
    }

    /// Lets those who share this reach a node in this process without a connection, until what is returned is
    /// dropped.
    pub(crate) fn join(&self, node: &Node, entrance: Arc<dyn Entrance>) -> Membership {
        self.0.locals.join(node, entrance)
    }

    /// The view on a service, which begins to be followed where it is not yet.
    ///
    /// Hold on to it and read it for every call. Fails with `failed_precondition` outside of a tokio
    /// runtime.
    pub fn view(&self, service: &str) -> Result<Arc<View>> {
        let mut views = self.0.views();
        // A task is finished when its runtime is gone, or a driver panicked.
        if let Some(entry) = views.get_mut(service)
            && !entry.task.is_finished()
        {
            entry.last_use = Instant::now();
            return Ok(entry.view.clone());
        }
        let runtime = Handle::try_current().map_err(|error| {
            Error::failed_precondition(format!("`{service}` can be looked for in a tokio runtime only"))
                .with_source(error)
        })?;
        let view = match views.remove(service) {
            Some(entry) => entry.view,
            None => Arc::new(View::new(service, self.0.registry.clone())),
        };
        let follower = Follower {
            service: service.to_owned(),
            registry: self.0.registry.clone(),
            state: view.state(),
            home: Arc::downgrade(&self.0),
        };
        let task = runtime.spawn(follower.follow()).abort_handle();
        let entry = Entry { view: view.clone(), last_use: Instant::now(), task };
        views.insert(service.to_owned(), entry);
        Ok(view)
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let views = self.0.views();
        f.debug_struct("Discovery")
            .field("registry", &self.0.registry)
            .field("views", &views.values().map(|entry| &entry.view).collect::<Vec<_>>())
            .finish()
    }
}

impl Inner {
    fn views(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of the view where it is not in use, and says so.
    fn is_unused(&self, service: &str) -> bool {
        let mut views = self.views();
        let unused = |entry: &Entry| Arc::strong_count(&entry.view) == 1 && entry.last_use.elapsed() >= IDLE;
        // Views are handed out under the same lock, so none can come into use here.
        let unused = views.get(service).is_none_or(unused);
        if unused {
            views.remove(service);
        }
        unused
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for entry in self.views().values() {
            entry.task.abort();
        }
    }
}

/// The task that keeps one view up to date.
struct Follower {
    service: String,
    registry: Arc<dyn Registry>,
    state: Arc<State>,
    home: Weak<Inner>,
}

impl Follower {
    async fn follow(self) {
        let watching = async {
            let mut failures = 0;
            loop {
                let (error, heard) = self.watch().await;
                failures = if heard { 0 } else { failures + 1 };
                tracing::debug!(service = self.service, %error, "lost the watch on the registry");
                self.state.failed(&error);
                sleep(pause(failures)).await;
            }
        };
        tokio::select! {
            () = watching => {}
            () = self.unused() => {}
        }
    }

    /// Follows the registry until it fails; says why, and whether it had said anything.
    async fn watch(&self) -> (Error, bool) {
        let mut heard = false;
        let mut watch = match self.registry.watch(&self.service).await {
            Ok(watch) => watch,
            Err(error) => return (error, heard),
        };
        while let Some(change) = watch.next().await {
            match change {
                Ok(change) => self.state.apply(change),
                Err(error) => return (error, heard),
            }
            heard = true;
        }
        let name = self.registry.name();
        (Error::unavailable(format!("the registry `{name}` ended the watch on `{}`", self.service)), heard)
    }

    /// Returns when nobody holds the view.
    async fn unused(&self) {
        let mut next = Instant::now();
        loop {
            next += IDLE;
            sleep_until(next).await;
            if self.home.upgrade().is_none_or(|home| home.is_unused(&self.service)) {
                return;
            }
        }
    }
}

/// However the task ends, what it wrote is a former answer from then on.
impl Drop for Follower {
    fn drop(&mut self) {
        self.state.failed(&Error::unavailable(format!("`{}` is no longer looked for", self.service)));
    }
}

fn pause(failures: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    // Clients that lost a registry together do not come back together.
    most.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::stream;

    use super::super::{Change, Memory, Registration, ServiceRecord, Watch};
    use super::*;

    const FOREVER: Duration = Duration::ZERO;

    fn node(id: &str, port: u16) -> Registration {
        Registration::new("a", Node::new(id, format!("127.0.0.1:{port}")))
    }

    #[tokio::test]
    async fn one_view_serves_all_who_ask_for_the_service() -> Result<()> {
        let discovery = Discovery::new(Arc::new(Memory::new()));
        let (one, same) = (discovery.view("a")?, discovery.clone().view("a")?);
        assert!(Arc::ptr_eq(&one, &same));
        assert!(!Arc::ptr_eq(&one, &discovery.view("b")?));
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_knows_no_node_is_an_answer() -> Result<()> {
        let discovery = Discovery::new(Arc::new(Memory::new()));
        let view = discovery.view("a")?;
        view.ready(Some(Instant::now() + Duration::from_secs(1))).await?;
        assert!(view.nodes().is_empty());
        assert!(!view.is_stale());
        Ok(())
    }

    #[tokio::test]
    async fn what_is_known_of_a_node_outlives_its_registration_but_not_its_address() -> Result<()> {
        let registry = Memory::new();
        let discovery = Discovery::new(Arc::new(registry.clone()));
        let view = discovery.view("a")?;
        registry.register(&node("a-1", 1), FOREVER).await?;
        let first = view.until(|nodes| nodes.len() == 1).await[0].clone();
        first.eject();

        let mut changed = node("a-1", 1);
        changed.version = "2".into();
        registry.register(&changed, FOREVER).await?;
        let renewed = view.until(|nodes| nodes.iter().any(|node| node.version() == "2")).await[0].clone();
        assert!(!renewed.is_available(Instant::now()));

        registry.register(&node("a-1", 2), FOREVER).await?;
        let moved = view.until(|nodes| nodes[0].node().address.ends_with(":2")).await[0].clone();
        assert!(moved.is_available(Instant::now()));
        Ok(())
    }

    /// A registry that answers until it is switched off, and ends its watches then.
    #[derive(Debug, Default)]
    struct Flaky {
        memory: Memory,
        off: AtomicBool,
        watches: AtomicUsize,
        switched_off: tokio::sync::Notify,
    }

    #[async_trait]
    impl Registry for Flaky {
        fn name(&self) -> &'static str {
            "flaky"
        }

        async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
            self.memory.register(registration, ttl).await
        }

        async fn deregister(&self, registration: &Registration) -> Result<()> {
            self.memory.deregister(registration).await
        }

        async fn watch(&self, service: &str) -> Result<Watch> {
            self.watches.fetch_add(1, Ordering::SeqCst);
            if self.off.load(Ordering::SeqCst) {
                return Err(Error::unavailable("switched off"));
            }
            let changes = self.memory.watch(service).await?;
            // The state of the registry is not needed by a test that only needs the first answer.
            let first: Vec<Result<Change>> = changes.take(1).collect().await;
            self.switched_off.notify_one();
            Ok(stream::iter(first).boxed())
        }

        async fn services(&self) -> Result<Vec<ServiceRecord>> {
            self.memory.services().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_good_answer_stays_while_the_registry_is_down_and_says_how_old_it_is() -> Result<()> {
        let registry = Arc::new(Flaky::default());
        registry.register(&node("a-1", 1), FOREVER).await?;
        let discovery = Discovery::new(registry.clone());
        let view = discovery.view("a")?;
        view.ready(None).await?;
        registry.off.store(true, Ordering::SeqCst);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(view.nodes().len(), 1);
        assert!(view.is_stale());
        assert!(view.age() >= Duration::from_secs(29), "{:?}", view.age());
        view.ready(None).await?;
        let tries = registry.watches.load(Ordering::SeqCst);
        assert!((8..20).contains(&tries), "{tries} tries in 30 seconds");
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_never_answered_is_an_error_and_not_a_wait() -> Result<()> {
        let registry = Arc::new(Flaky::default());
        registry.off.store(true, Ordering::SeqCst);
        let discovery = Discovery::new(registry.clone());
        let view = discovery.view("a")?;
        let error = view.ready(None).await.expect_err("the registry is off");
        assert_eq!(error.to_string(), "unavailable: switched off");
        registry.off.store(false, Ordering::SeqCst);
        registry.register(&node("a-1", 1), FOREVER).await?;
        assert_eq!(view.until(|nodes| !nodes.is_empty()).await.len(), 1);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_view_that_nobody_holds_is_given_up_after_a_while() -> Result<()> {
        let registry = Arc::new(Memory::new());
        let discovery = Discovery::new(registry.clone());
        let held = discovery.view("a")?;
        drop(discovery.view("b")?);
        sleep(IDLE * 3).await;
        assert_eq!(discovery.0.views().keys().collect::<Vec<_>>(), ["a"]);
        drop(discovery);
        while !held.is_stale() {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}
