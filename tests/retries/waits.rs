//! How long is waited, and what the deadline does.

use std::time::Duration;

use micro::client::Backoff;
use micro::{Code, Context, Error};
use tokio::time::{Instant, sleep};

use crate::lab::{Lab, ProbeClient, Step, read};

#[tokio::test(start_paused = true)]
async fn a_further_attempt_waits_up_to_the_backoff() {
    let lab = Lab::new(2).await;
    let patient = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
    let client = lab.builder().retry_backoff(patient).retry_budget(None).circuit_breaker(None);
    let client = ProbeClient::new(&client.build());
    let mut longest = [Duration::ZERO; 2];
    for _ in 0..50 {
        lab.steps([Step::unavailable(), Step::unavailable()]);
        read(&client).await.unwrap();
        let arrived = lab.arrived();
        for number in 0..2 {
            let waited = arrived[number + 1].at - arrived[number].at;
            longest[number] = longest[number].max(waited);
        }
    }
    // A clock of milliseconds.
    let [first, second] = longest;
    assert!(first > Duration::from_millis(500) && first < Duration::from_millis(1010), "{first:?}");
    assert!(second > first && second < Duration::from_millis(2010), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_waited_for_that_would_be_after_the_deadline() {
    let lab = Lab::new(2).await;
    let busy = || Step::Fail(Error::unavailable("busy").with_retry_after(Duration::from_secs(3)));
    lab.steps([busy(), busy()]);
    let client = lab.client();
    let begun = Instant::now();
    let call = client.read(&Context::new(), "it".to_owned()).timeout(Duration::from_secs(2));
    let error = call.await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_millis(100));
    assert_eq!(error.message(), "busy; not tried again: the deadline is before that");
    // It is still known when it would be of use.
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    client.read(&Context::new(), "it".to_owned()).timeout(Duration::from_secs(5)).await.unwrap();
    assert_eq!(lab.arrived().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_when_to_come_back_is_waited_for_and_no_longer() {
    let lab = Lab::new(1).await;
    let busy = Error::resource_exhausted("busy").with_retry_after(Duration::from_millis(1500));
    lab.steps([Step::Fail(busy)]);
    read(&lab.client()).await.unwrap();
    let arrived = lab.arrived();
    let waited = arrived[1].at - arrived[0].at;
    assert!((1500..1510).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_used_up_without_a_word_on_when_is_not_tried_again() {
    let lab = Lab::new(2).await;
    lab.steps([Step::Fail(Error::resource_exhausted("no calls are left today"))]);
    assert_eq!(read(&lab.client()).await.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(lab.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_attempts_share_one_deadline() {
    let lab = Lab::new(1).await;
    lab.steps([Step::unavailable(), Step::Hang]);
    let client = lab.client();
    let begun = Instant::now();
    let call = client.read(&Context::new(), "it".to_owned()).timeout(Duration::from_millis(500));
    let error = call.await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(error.message(), "test.v1.Probe/Read was not answered within 500ms");
    assert!((500..510).contains(&begun.elapsed().as_millis()));
    assert!(!error.was_never_processed());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_replaced_and_cancelled() {
    let lab = Lab::new(2).await;
    lab.steps([Step::Hang]);
    let client = lab.client();
    let begun = Instant::now();
    let call = client.read(&Context::new(), "it".to_owned()).attempt_timeout(Duration::from_millis(100));
    call.await.unwrap();
    assert!((100..110).contains(&begun.elapsed().as_millis()));
    let arrived = lab.arrived();
    assert_ne!(arrived[0].node, arrived[1].node);
    assert_eq!(arrived[1].attempts, 1);
    while lab.cancelled() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_has_all_the_time_that_is_left() {
    let lab = Lab::new(1).await;
    lab.steps([Step::Hang, Step::Slow(Duration::from_secs(3))]);
    let client = lab.client();
    let call = client.read(&Context::new(), "it".to_owned()).attempt_timeout(Duration::from_millis(100));
    call.retries(1).await.unwrap();
    assert_eq!(lab.arrived().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_slower_than_an_attempt_may_be_runs_once_where_it_is_not_idempotent() {
    let lab = Lab::new(2).await;
    lab.steps([Step::Slow(Duration::from_secs(8))]);
    let client = ProbeClient::new(&lab.builder().attempt_timeout(Duration::from_secs(1)).build());
    client.write(&Context::new(), "it".to_owned()).await.unwrap();
    assert_eq!(lab.arrived().len(), 1);
    assert_eq!(lab.cancelled(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_has_passed_says_so_and_nothing_about_the_nodes() {
    let lab = Lab::new(3).await;
    let client = lab.builder().build();
    let probe = ProbeClient::new(&client);
    for _ in 0..30 {
        read(&probe).await.unwrap();
    }
    lab.arrived();
    let late = Context::new().with_timeout(Duration::from_millis(10));
    sleep(Duration::from_millis(20)).await;
    for _ in 0..10 {
        let error = probe.read(&late, "it".to_owned()).await.unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded);
        assert_eq!(error.message(), "test.v1.Probe/Read was not called: the deadline had passed");
    }
    assert!(lab.arrived().is_empty());
    assert!(
        client.nodes("probe").unwrap().iter().all(|node| node.failures == 0 && node.out_of_use.is_none())
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_is_taken_out_of_use_also_where_its_attempts_are_cut_short() {
    let lab = Lab::new(2).await;
    let client = lab.builder().attempt_timeout(Duration::from_millis(100)).build();
    let probe = ProbeClient::new(&client);
    for _ in 0..20 {
        read(&probe).await.unwrap();
    }
    lab.hangs(0);
    for _ in 0..40 {
        read(&probe).await.unwrap();
    }
    let nodes = client.nodes("probe").unwrap();
    assert_eq!((nodes[0].failures, nodes[1].failures), (5, 0));
    assert!(nodes[0].out_of_use.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_slower_than_an_attempt_may_be_is_not_refused_by_the_breaker() {
    let lab = Lab::new(1).await;
    let client = lab.builder().retry_budget(None).build();
    let probe = ProbeClient::new(&client);
    lab.steps((0..10).map(|_| Step::Slow(Duration::from_millis(100))));
    for _ in 0..10 {
        read(&probe).await.unwrap();
    }
    lab.steps((0..200).map(|_| Step::Slow(Duration::from_millis(100))));
    for _ in 0..60 {
        let call = probe.read(&Context::new(), "it".to_owned()).attempt_timeout(Duration::from_millis(80));
        call.await.unwrap();
    }
    let stats = client.stats().remove(0);
    assert!(stats.retries > 50 && stats.breaker_rejections == 0, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_a_day_is_not_waited_for_where_there_is_no_deadline() {
    let lab = Lab::new(1).await;
    let day = Error::unavailable("closed").with_retry_after(Duration::from_secs(86_400));
    lab.steps([Step::Fail(day)]);
    let client = lab.client();
    let error = client.read(&Context::new(), "it".to_owned()).timeout(Duration::MAX).await.unwrap_err();
    assert!(error.message().contains("the server asked for more than 30 seconds"), "{error}");
    assert_eq!(lab.arrived().len(), 1);
}
