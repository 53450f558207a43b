//! In the registry, whatever becomes of the registry.

use std::sync::atomic::Ordering;
use std::time::Duration;

use micro::registry::Memory;
use micro::service::NodeState;
use micro::{Client, Code, Context, Environment, transport};
use tokio::time::{Instant, sleep};

use super::moody::{Mood, Moody};
use super::{Work, WorkClient, service};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_node_that_the_registry_lost_is_back_within_seconds() {
    let registry = Moody::default();
    let running = registry.service("work").start().await.unwrap();
    sleep(SECOND).await;
    for losses in 1..4 {
        registry.forget().await;
        sleep(2 * SECOND).await;
        assert_eq!(registry.nodes().await.len(), 1);
        let status = running.registration();
        assert!(status.registered);
        assert_eq!((status.losses, status.registrations), (losses, losses + 1));
    }
    assert_eq!(running.state(), NodeState::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_was_away_and_came_back_empty_has_the_node_again_within_seconds() {
    let (registry, network) = (Moody::default(), transport::Memory::new());
    let service = registry.service("work").transport(network.clone()).handle(Work::default());
    let running = service.start().await.unwrap();
    registry.set(Mood::Down);
    sleep(120 * SECOND).await;
    let status = running.registration();
    assert!(status.age().unwrap() > 80 * SECOND, "{status:?}");
    assert!(status.failures_in_a_row > 3 && status.error.as_ref().unwrap().contains("is down"), "{status:?}");
    let report = running.health_report();
    assert!(!report.check("registry").unwrap().healthy && report.serving);
    // It goes on all the same.
    assert_eq!(running.state(), NodeState::Ready);
    assert!(running.health().is_serving());
    let client =
        Client::builder().environment(Environment::empty()).address(running.address()).transport(network);
    WorkClient::new(&client.build()).quick(&Context::new(), ()).await.unwrap();

    registry.restart_empty();
    sleep(6 * SECOND).await;
    assert_eq!(registry.nodes().await.len(), 1);
    assert!(running.health_report().check("registry").unwrap().healthy);
    assert_eq!(running.registration().failures_in_a_row, 0);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_was_restarted_between_two_renewals_has_the_node_again_within_seconds() {
    let registry = Moody::default();
    let running = registry.service("work").start().await.unwrap();
    sleep(SECOND).await;
    registry.set(Mood::Down);
    sleep(SECOND).await;
    registry.restart_empty();
    let start = Instant::now();
    while registry.nodes().await.is_empty() {
        sleep(SECOND / 10).await;
    }
    assert!(start.elapsed() < 7 * SECOND, "{:?}", start.elapsed());
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_hangs_or_a_driver_that_panics_is_asked_again() {
    for mood in [Mood::Hangs, Mood::Panics] {
        let registry = Moody::default();
        let running = registry.service("work").start().await.unwrap();
        registry.set(mood);
        sleep(70 * SECOND).await;
        let status = running.registration();
        assert!(status.failures > 1, "{mood:?}: {status:?}");
        registry.restart_empty();
        sleep(16 * SECOND).await;
        assert_eq!(registry.nodes().await.len(), 1, "{mood:?}");
        running.stop().await.unwrap();
        assert_eq!(registry.nodes().await.len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_without_a_registry_fails_and_names_the_option_that_helps() {
    for (mood, code) in [(Mood::Down, Code::Unavailable), (Mood::Hangs, Code::DeadlineExceeded)] {
        let registry = Moody::default();
        registry.set(mood);
        let error = registry.service("work").start().await.unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.message().contains("register_in_background"), "{error}");
        // It may have arrived all the same, and is taken back; that this fails as well is no further error.
        assert!(registry.counts().1 > 0, "{mood:?}");
        assert!(!error.to_string().contains("and then") || mood == Mood::Hangs, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_registers_in_the_background_starts_without_a_registry() {
    let registry = Moody::default();
    registry.set(Mood::Down);
    let running = registry.service("work").register_in_background().start().await.unwrap();
    assert_eq!(running.state(), NodeState::Ready);
    assert!(!running.registration().registered);
    assert!(running.watch().borrow().reason.contains("the registry is down"));
    sleep(60 * SECOND).await;
    registry.set(Mood::Well);
    sleep(6 * SECOND).await;
    assert_eq!(registry.nodes().await.len(), 1);
    assert!(running.registration().registered);
    running.stop().await.unwrap();
    assert_eq!(registry.nodes().await.len(), 0);
}

#[tokio::test]
async fn what_no_registry_can_hold_fails_the_start_in_the_background_as_well() {
    let error =
        service(&Memory::new()).advertise("a b:1").register_in_background().start().await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(!error.message().contains("register_in_background"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn metadata_that_changes_is_told_at_once() {
    let registry = Moody::default();
    let running = registry.service("work").metadata("zone", "a").start().await.unwrap();
    let metadata = async || registry.nodes().await.remove(0).node.metadata;
    running.set_metadata("zone", "b").unwrap();
    running.set_metadata("color", "green").unwrap();
    sleep(SECOND / 100).await;
    assert_eq!((metadata().await["zone"].as_str(), metadata().await["color"].as_str()), ("b", "green"));
    running.set_metadata("color", None).unwrap();
    sleep(SECOND / 100).await;
    assert!(!metadata().await.contains_key("color"));
    let error = running.set_metadata("protocols", "carrier-pigeon").unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    // What a renewal says is the newest.
    sleep(60 * SECOND).await;
    assert_eq!(metadata().await["zone"], "b");
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn metadata_that_changes_together_with_the_health_is_told_too() {
    let registry = Moody::default();
    let running = registry.service("work").metadata("zone", "a").start().await.unwrap();
    sleep(SECOND).await;
    running.health().set_serving_of("x", false);
    running.set_metadata("zone", "b").unwrap();
    sleep(SECOND).await;
    assert_eq!(registry.nodes().await.remove(0).node.metadata["zone"], "b");
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_registration_whose_answer_was_lost_is_taken_out_again() {
    let registry = Moody::default();
    registry.set(Mood::LosesAnswers);
    registry.service("work").start().await.unwrap_err();
    assert_eq!(registry.counts().0, 1);
    assert_eq!(registry.nodes().await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_watches_itself_only_where_the_registry_may_lose_it() {
    let registry = Moody::default();
    for keeps in [false, true] {
        registry.keeps.store(keeps, Ordering::SeqCst);
        let before = registry.watches.load(Ordering::SeqCst);
        let running = registry.service("work").start().await.unwrap();
        sleep(SECOND).await;
        assert_eq!(registry.watches.load(Ordering::SeqCst) - before, usize::from(!keeps));
        running.stop().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn another_node_of_the_same_id_is_left_where_it_is() {
    let (registry, network) = (Moody::default(), transport::Memory::new());
    let service = || registry.service("work").id("one").transport(network.clone());
    let first = service().start().await.unwrap();
    sleep(SECOND).await;
    let second = service().start().await.unwrap();
    let before = registry.counts().0;
    sleep(10 * SECOND).await;
    assert_eq!(registry.counts().0, before, "they do not take each other's place");
    first.stop().await.unwrap();
    assert_eq!(registry.nodes().await.len(), 1);
    second.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_report_says_that_what_is_known_of_other_services_is_old() {
    let registry = Moody::default();
    let running = registry.service("work").handle(Work::default()).start().await.unwrap();
    WorkClient::new(&running.client()).quick(&Context::new(), ()).await.unwrap();
    let is_current = || running.health_report().check("discovery").unwrap().healthy;
    sleep(30 * SECOND).await;
    assert!(is_current());
    registry.set(Mood::Down);
    sleep(30 * SECOND).await;
    assert!(!is_current());
    // It gates nothing: other nodes would know no more.
    assert!(running.health().is_serving());
    registry.set(Mood::Well);
    sleep(30 * SECOND).await;
    assert!(is_current());
}
