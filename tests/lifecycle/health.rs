//! Checks, and what follows from health: who is sick leaves the registry once, and comes back once.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use micro::health::Check;
use micro::service::NodeState;
use micro::{Client, Context, Environment, Error, Result, Running, transport};
use tokio::time::{Instant, sleep};

use super::moody::{Mood, Moody};
use super::{Work, WorkClient};

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

#[micro::handler]
impl Counted {
    pub async fn hello(&self, _ctx: &Context, _request: ()) -> Result<()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Counted {
    fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A check that fails while it is told to.
fn while_sick(sick: &Arc<AtomicBool>) -> Check {
    let sick = sick.clone();
    Check::new(move || {
        let sick = sick.load(Ordering::SeqCst);
        async move { if sick { Err(Error::unavailable("no connection")) } else { Ok(()) } }
    })
}

async fn until(running: &Running, state: NodeState) {
    running.watch().wait_for(|status| status.state == state).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sick_node_leaves_once_gets_no_calls_and_comes_back_once() {
    let (registry, network) = (Moody::default(), transport::Memory::new());
    let (sick, handler) = (Arc::new(AtomicBool::new(false)), Counted::default());
    let check = while_sick(&sick).interval(200 * MS);
    let service = || registry.service("counted").transport(network.clone());
    let node = service().handle(handler.clone()).check("database", check).start().await.unwrap();
    let other = service().handle(Counted::default()).start().await.unwrap();
    assert_eq!(registry.counts(), (2, 0));

    let client = Client::builder().environment(Environment::empty());
    let client = CountedClient::new(&client.registry(registry.clone()).transport(network).build());
    let call = async |calls: usize| {
        for _ in 0..calls {
            client.hello(&Context::new(), ()).await.unwrap();
            sleep(MS).await;
        }
    };
    call(100).await;
    assert!(handler.calls() > 0);

    sick.store(true, Ordering::SeqCst);
    until(&node, NodeState::Unhealthy).await;
    while registry.nodes().await.len() > 1 {
        sleep(MS).await;
    }
    // The client hears of it as it happens.
    call(1).await;
    let before = handler.calls();
    call(2000).await;
    assert_eq!(handler.calls(), before, "calls of a sick node");
    assert_eq!(registry.counts(), (2, 1));

    sick.store(false, Ordering::SeqCst);
    until(&node, NodeState::Ready).await;
    call(2000).await;
    assert!(handler.calls() > before);
    assert_eq!(registry.counts(), (3, 1));
    for running in [node, other] {
        running.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_fails_now_and_then_changes_nothing() {
    let (registry, runs) = (Moody::default(), Arc::new(AtomicUsize::new(0)));
    let count = runs.clone();
    let check = Check::new(move || {
        // Two of three fail.
        let fine = count.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
        async move { if fine { Ok(()) } else { Err(Error::unavailable("now and then")) } }
    });
    let running = registry.service("work").check("database", check.interval(100 * MS)).start().await.unwrap();
    while runs.load(Ordering::SeqCst) < 100 {
        sleep(100 * MS).await;
    }
    assert_eq!(running.state(), NodeState::Ready);
    assert_eq!(registry.counts(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_word_of_the_program_counts_at_once_and_one_that_changes_its_mind_does_not_flap() {
    let registry = Moody::default();
    let running = registry.service("work").start().await.unwrap();
    let health = running.health();
    health.set_serving(false);
    until(&running, NodeState::Unhealthy).await;
    assert!(running.watch().borrow().reason.contains("set_serving"));
    health.set_serving(true);
    until(&running, NodeState::Ready).await;
    for _ in 0..10 {
        for serving in [false, true] {
            health.set_serving(serving);
            sleep(100 * MS).await;
        }
    }
    let (registrations, deregistrations) = registry.counts();
    assert!(deregistrations <= 2 && registrations <= 3, "{registrations} {deregistrations}");
    until(&running, NodeState::Ready).await;
    sleep(MS).await;
    assert_eq!(registry.nodes().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_check_fails_at_the_start_is_started_and_registered_later() {
    let (registry, sick) = (Moody::default(), Arc::new(AtomicBool::new(true)));
    let network = transport::Memory::new();
    let service = registry.service("work").transport(network.clone()).handle(Work::default());
    let running = service.check("database", while_sick(&sick)).start().await.unwrap();
    assert_eq!(running.state(), NodeState::Unhealthy);
    assert_eq!(registry.counts(), (0, 0));
    assert!(!running.health().is_serving());
    // Calls that arrive all the same are served.
    let client =
        Client::builder().environment(Environment::empty()).address(running.address()).transport(network);
    WorkClient::new(&client.build()).quick(&Context::new(), ()).await.unwrap();

    sick.store(false, Ordering::SeqCst);
    until(&running, NodeState::Ready).await;
    sleep(MS).await;
    assert_eq!(registry.nodes().await.len(), 1);
    running.stop().await.unwrap();
    assert_eq!(registry.counts(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_not_healthy_at_its_start_was_not_taken_out() {
    let registry = Moody::default();
    let service = registry.service("work");
    let health = service.health();
    health.set_serving(false);
    let running = service.start().await.unwrap();
    health.set_serving(true);
    until(&running, NodeState::Ready).await;
    let start = Instant::now();
    health.set_serving(false);
    until(&running, NodeState::Unhealthy).await;
    health.set_serving(true);
    until(&running, NodeState::Ready).await;
    assert!(start.elapsed() < 100 * MS, "the first time it comes back at once: {:?}", start.elapsed());
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_program_that_says_no_before_the_start_is_not_registered() {
    let registry = Moody::default();
    let service = registry.service("work");
    service.health().set_serving(false);
    let running = service.start().await.unwrap();
    assert_eq!((running.state(), registry.counts()), (NodeState::Unhealthy, (0, 0)));
    running.health().set_serving(true);
    until(&running, NodeState::Ready).await;
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_or_panics_has_failed_and_holds_nothing_up() {
    let registry = Moody::default();
    let start = Instant::now();
    let running = registry
        .service("work")
        .check("hangs", || async { pending().await })
        .check("panics", || async { panic!("a bug in a check") })
        .start()
        .await
        .unwrap();
    assert!(start.elapsed() < Duration::from_millis(2100), "{:?}", start.elapsed());
    assert_eq!(running.state(), NodeState::Unhealthy);
    let report = running.health_report();
    assert!(!report.serving && report.said);
    for (name, error) in [("hangs", "not done within 2s"), ("panics", "it panicked: a bug in a check")] {
        let check = report.check(name).unwrap();
        assert!(!check.healthy && check.last_run.is_some());
        assert!(check.error.as_ref().unwrap().contains(error), "{check:?}");
    }
    let start = Instant::now();
    running.stop().await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_only_reported_gates_nothing() {
    let registry = Moody::default();
    let sick = Arc::new(AtomicBool::new(true));
    let check = while_sick(&sick).reported_only();
    let running = registry.service("work").check("cache", check).start().await.unwrap();
    sleep(60_000 * MS).await;
    assert_eq!((running.state(), registry.nodes().await.len()), (NodeState::Ready, 1));
    let report = running.health_report();
    assert!(report.serving && !report.check("cache").unwrap().healthy);
    assert!(report.check("registry").unwrap().healthy && report.check("runtime").is_some());
    assert_eq!(running.health().is_serving_of("check/cache"), Some(false));
    assert_eq!(running.health().is_serving_of("check/registry"), None);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_could_not_be_taken_out_is_taken_out_once_the_registry_is_there() {
    let registry = Moody::default();
    let running = registry.service("work").start().await.unwrap();
    registry.set(Mood::Down);
    running.health().set_serving(false);
    sleep(10_000 * MS).await;
    assert_eq!(registry.nodes().await.len(), 1);
    assert!(registry.counts().1 > 2);
    registry.set(Mood::Well);
    sleep(5_000 * MS).await;
    assert_eq!(registry.nodes().await.len(), 0);
    assert_eq!(running.state(), NodeState::Unhealthy);
    let after = registry.counts();
    sleep(60_000 * MS).await;
    assert_eq!(registry.counts(), after);
}

#[tokio::test]
async fn a_check_of_a_name_that_is_taken_fails_the_start() {
    for name in ["registry", "a b"] {
        let service = Moody::default().service("work").check(name, || async { Ok(()) });
        let error = service.start().await.unwrap_err();
        assert!(error.message().contains(&format!("the check `{name}` cannot be added")), "{error}");
    }
}
