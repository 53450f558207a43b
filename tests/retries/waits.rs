//! How long is waited, and what the deadline does.

use std::time::Duration;

use micro::client::Backoff;
use micro::{Code, Context, Error};
use tokio::time::Instant;

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
