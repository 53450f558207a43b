use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::follow::Follower;
use super::{Locals, Membership, Node, Registry, View};
use crate::endpoint::Entrance;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// How long a view is kept up to date that nobody holds any more.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// The longest time that an option can be, which is as good as never: timers cannot add more.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The views on one registry: one per service, whoever asks for it, each with one watch.
///
/// Clones share the views, and calls between services and clients that have clones stay in the process, see
/// [`in_process`](crate::client::ClientBuilder::in_process). A watch ends a minute after its view was last in use, or when the last
/// clone is dropped; what was read before stays readable.
///
/// Every five minutes or so a view reads everything again, with a new watch that takes the place of the old one
/// once it has answered. While the registry is down, the last good answer stays, and [`age`](Self::age) says
/// how old it is. A registry that comes back without its data takes no node away: see [`DiscoveryOptions::grace`].
#[derive(Clone)]
pub struct Discovery(Arc<Inner>);

/// How a registry is followed.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// use micro_runtime::registry::{Discovery, DiscoveryOptions, Memory};
///
/// let options = DiscoveryOptions::new().resync(Duration::from_secs(60));
/// let discovery = Discovery::with_options(Arc::new(Memory::new()), options);
/// ```
#[derive(Clone, Debug)]
pub struct DiscoveryOptions {
    pub(super) resync: Duration,
    pub(super) grace: Duration,
}

impl DiscoveryOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self { resync: Duration::from_secs(300), grace: Duration::from_secs(45) }
    }

    /// How often everything is read again, for what a watch may have missed; 5 min unless set, never where it is
    /// zero. Each time it is up to a fifth more or less, so that those who began together do not come back together.
    #[must_use]
    pub fn resync(mut self, every: Duration) -> Self {
        self.resync = every.min(NEVER);
        self
    }

    /// How long a node is kept that the first answer of a new watch does not know; 45 s unless set.
    ///
    /// A registry that was restarted without its data knows nobody until everybody has registered again, which
    /// services do every 30 s. A node that deregisters is out at once, and one that refuses connections as well.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace.min(NEVER);
        self
    }
}

impl Default for DiscoveryOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Who wants to hear of addresses where no node is any more.
pub(crate) trait Departures: Send + Sync {
    /// They left all views. Called where the registry is followed: it must not wait.
    fn left(&self, addresses: &[String]);
}

pub(super) struct Inner {
    registry: Arc<dyn Registry>,
    options: DiscoveryOptions,
    listeners: Mutex<Vec<Weak<dyn Departures>>>,
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
        Self::with_options(registry, DiscoveryOptions::new())
    }

    /// The same with options.
    pub fn with_options(registry: Arc<dyn Registry>, options: DiscoveryOptions) -> Self {
        Self(Arc::new(Inner {
            registry,
            options,
            listeners: Mutex::default(),
            views: Mutex::default(),
            locals: Locals::default(),
        }))
    }

    /// The registry.
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.0.registry
    }

    /// The views there are: of the services that were looked for and are in use.
    pub fn views(&self) -> Vec<Arc<View>> {
        self.0.views().values().map(|entry| entry.view.clone()).collect()
    }

    /// How old the oldest answer is that a view stands on, see [`View::age`]; zero while all are kept up to date.
    pub fn age(&self) -> Duration {
        self.0.views().values().map(|entry| entry.view.age()).max().unwrap_or_default()
    }

    /// Shows the views: how many nodes there are, how old they are, and how often the registry failed. A client does
    /// that by itself.
    pub fn observe(&self, metrics: &Metrics) {
        metrics.observe(&self.0, |inner, samples| {
            for entry in inner.views().values() {
                let view = &entry.view;
                let labels = [("registry", inner.registry.name()), ("service", view.service())];
                let nodes = view.nodes().len() as f64;
                samples.gauge("micro_registry_view_nodes", "Nodes of the service.", &labels, nodes);
                let now = Instant::now();
                let all = view.nodes();
                let out = all.iter().filter(|node| node.out_of_use(now).is_some()).count() as f64;
                let help =
                    "Those of them that get no calls, because they cannot be reached or fail too often.";
                samples.gauge("micro_registry_view_nodes_out_of_use", help, &labels, out);
                let help = "How long the registry has not been heard of.";
                samples.gauge_max("micro_registry_view_age_seconds", help, &labels, view.age().as_secs_f64());
                let help = "How often the registry could not be followed.";
                samples.counter("micro_registry_watch_failures", help, &labels, view.failures() as f64);
            }
        });
    }

    /// Tells of the addresses where no node is any more, for as long as somebody else holds who listens.
    pub(crate) fn tell(&self, listener: &Arc<dyn Departures>) {
        let mut listeners = self.0.listeners();
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(listener));
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
            options: self.0.options.clone(),
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

    fn listeners(&self) -> MutexGuard<'_, Vec<Weak<dyn Departures>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that no node of one service is at these addresses any more.
    pub(super) fn left(&self, mut addresses: Vec<String>) {
        let mut listening = Vec::new();
        self.listeners().retain(|listener| match listener.upgrade() {
            Some(listener) => {
                listening.push(listener);
                true
            }
            None => false,
        });
        if listening.is_empty() {
            return;
        }
        // A process may serve several services at one address.
        for entry in self.views().values() {
            let nodes = entry.view.nodes();
            addresses.retain(|address| !nodes.iter().any(|node| node.node().address == *address));
        }
        if !addresses.is_empty() {
            for listener in listening {
                listener.left(&addresses);
            }
        }
    }

    /// Lets go of the view where it is not in use, and says so.
    pub(super) fn is_unused(&self, service: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::{StreamExt, stream};
    use tokio::time::sleep;

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

    /// A registry in memory that counts what it is asked, can be cut off, and can lose what it knows.
    #[derive(Debug, Default)]
    struct Shaky {
        memory: Mutex<Memory>,
        asked: Mutex<Vec<Instant>>,
        off: tokio::sync::watch::Sender<bool>,
    }

    impl Shaky {
        fn memory(&self) -> Memory {
            self.memory.lock().unwrap().clone()
        }

        fn restart(&self, without_data: bool) {
            self.off.send_replace(true);
            if without_data {
                *self.memory.lock().unwrap() = Memory::new();
            }
        }

        fn back(&self) {
            self.off.send_replace(false);
        }

        fn asked(&self) -> usize {
            self.asked.lock().unwrap().len()
        }
    }

    #[async_trait]
    impl Registry for Shaky {
        fn name(&self) -> &'static str {
            "shaky"
        }

        async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
            self.memory().register(registration, ttl).await
        }

        async fn deregister(&self, registration: &Registration) -> Result<()> {
            self.memory().deregister(registration).await
        }

        async fn watch(&self, service: &str) -> Result<Watch> {
            self.asked.lock().unwrap().push(Instant::now());
            if *self.off.borrow() {
                return Err(Error::unavailable("cut off"));
            }
            let mut off = self.off.subscribe();
            let cut = async move {
                let _ = off.wait_for(|off| *off).await;
            };
            Ok(self.memory().watch(service).await?.take_until(Box::pin(cut)).boxed())
        }

        async fn services(&self) -> Result<Vec<ServiceRecord>> {
            self.memory().services().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_lost_its_data_takes_no_node_away_before_they_are_back() -> Result<()> {
        let registry = Arc::new(Shaky::default());
        for number in 1..=3 {
            registry.register(&node(&format!("a-{number}"), number), FOREVER).await?;
        }
        let discovery = Discovery::new(registry.clone());
        let view = discovery.view("a")?;
        view.until(|nodes| nodes.len() == 3).await;
        registry.restart(true);
        sleep(Duration::from_secs(60)).await;
        assert_eq!((view.nodes().len(), discovery.age() > Duration::from_secs(59)), (3, true));
        registry.back();
        sleep(Duration::from_secs(10)).await;
        assert_eq!((view.nodes().len(), discovery.age()), (3, Duration::ZERO));
        // One is back, one takes itself back, and of one nothing is heard.
        registry.register(&node("a-1", 1), FOREVER).await?;
        registry.register(&node("a-2", 2), FOREVER).await?;
        registry.deregister(&node("a-2", 2)).await?;
        sleep(Duration::from_secs(25)).await;
        assert!(view.nodes().iter().any(|node| node.node().id == "a-3"));
        sleep(Duration::from_secs(25)).await;
        let ids: Vec<_> = view.nodes().iter().map(|node| node.node().id.clone()).collect();
        assert_eq!(ids, ["a-1"]);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_node_that_deregisters_is_out_at_once() -> Result<()> {
        let registry = Arc::new(Shaky::default());
        registry.register(&node("a-1", 1), FOREVER).await?;
        let discovery = Discovery::new(registry.clone());
        let view = discovery.view("a")?;
        view.until(|nodes| nodes.len() == 1).await;
        let before = Instant::now();
        registry.deregister(&node("a-1", 1)).await?;
        view.until(|nodes| nodes.is_empty()).await;
        assert!(before.elapsed() < Duration::from_secs(1));
        Ok(())
    }

    /// A registry that gives one watch its answer and is silent then, to whoever asks.
    #[derive(Debug, Default)]
    struct Mute(AtomicBool);

    #[async_trait]
    impl Registry for Mute {
        fn name(&self) -> &'static str {
            "mute"
        }

        async fn register(&self, _: &Registration, _: Duration) -> Result<()> {
            Ok(())
        }

        async fn deregister(&self, _: &Registration) -> Result<()> {
            Ok(())
        }

        async fn watch(&self, _: &str) -> Result<Watch> {
            if self.0.swap(true, Ordering::SeqCst) {
                return Ok(stream::pending().boxed());
            }
            let answer = Change::Snapshot(vec![Arc::new(node("a-1", 1))]);
            Ok(stream::iter([Ok(answer)]).chain(stream::pending()).boxed())
        }

        async fn services(&self) -> Result<Vec<ServiceRecord>> {
            Ok(Vec::new())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_fell_silent_is_noticed_when_everything_is_to_be_read_again() -> Result<()> {
        let discovery = Discovery::new(Arc::new(Mute::default()));
        let view = discovery.view("a")?;
        view.ready(None).await?;
        sleep(Duration::from_secs(200)).await;
        assert!(!view.is_stale());
        sleep(Duration::from_secs(400)).await;
        assert!(view.is_stale() && view.age() > Duration::from_secs(60), "{:?}", view.age());
        assert_eq!(view.nodes().len(), 1);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_read_again_now_and_then_and_meanwhile_nobody_is_gone() -> Result<()> {
        let registry = Arc::new(Shaky::default());
        registry.register(&node("a-1", 1), FOREVER).await?;
        let discovery = Discovery::new(registry.clone());
        let view = discovery.view("a")?;
        view.until(|nodes| nodes.len() == 1).await;
        let seen = view.nodes()[0].clone();
        sleep(Duration::from_secs(3600)).await;
        let asked = registry.asked();
        assert!((10..=16).contains(&asked), "{asked} times in an hour");
        assert!(Arc::ptr_eq(&seen, &view.nodes()[0]), "what is known of the node stays");
        registry.register(&node("a-2", 2), FOREVER).await?;
        view.until(|nodes| nodes.len() == 2).await;
        assert_eq!(view.failures(), 0);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_returns_is_not_run_over_by_those_who_waited() -> Result<()> {
        let registry = Arc::new(Shaky::default());
        let discoveries: Vec<_> = (0..100).map(|_| Discovery::new(registry.clone())).collect();
        let views: Vec<_> = discoveries.iter().map(|one| one.view("a")).collect::<Result<_>>()?;
        for view in &views {
            view.ready(None).await?;
        }
        registry.restart(false);
        sleep(Duration::from_secs(60)).await;
        let from = Instant::now();
        registry.back();
        sleep(Duration::from_secs(6)).await;
        assert!(views.iter().all(|view| !view.is_stale()));
        let asked = registry.asked.lock().unwrap();
        let times: Vec<_> = asked.iter().filter_map(|at| at.checked_duration_since(from)).collect();
        assert_eq!(times.len(), 100, "each of them once");
        let busiest = (0..60).map(|tenth| times.iter().filter(|at| at.as_millis() / 100 == tenth).count());
        let busiest = busiest.max().unwrap_or_default();
        assert!(busiest <= 20, "{busiest} of 100 in a tenth of a second");
        // Those that failed before did not come more often than the longest pause allows.
        let before = asked.len() - times.len();
        assert!(before < 100 * 35, "{before} tries of 100 in a minute");
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
