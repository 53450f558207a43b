//! Calls to a service that fails are refused on this side.

use std::time::Duration;

use micro::client::CircuitBreaker;
use micro::{Code, Context, Error};
use tokio::time::{Instant, sleep};

use crate::lab::{Lab, ProbeClient, Step, write};

async fn calls(client: &ProbeClient, count: usize) -> usize {
    let mut failed = 0;
    for _ in 0..count {
        failed += usize::from(write(client).await.is_err());
        sleep(Duration::from_millis(1)).await;
    }
    failed
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_gets_few_calls_and_is_in_use_again_soon_after_it_recovers() {
    let lab = Lab::new(1).await;
    let client = lab.builder().build();
    let probe = ProbeClient::new(&client);
    lab.always(Code::Unavailable);
    assert_eq!(calls(&probe, 3000).await, 3000);
    let arrived = lab.arrived().len();
    assert!(arrived < 300, "{arrived} of 3,000");
    let stats = client.stats().remove(0);
    assert_eq!(stats.breaker_rejections as usize, 3000 - arrived);
    lab.always(None);
    let back = Instant::now();
    while calls(&probe, 100).await > 0 {}
    assert!(back.elapsed() < Duration::from_secs(3), "{:?}", back.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_says_so_and_is_not_tried_again() {
    let lab = Lab::new(2).await;
    let client = lab.builder().build();
    let probe = ProbeClient::new(&client);
    lab.always(Code::Unavailable);
    let refused = loop {
        let error = write(&probe).await.unwrap_err();
        if client.stats()[0].breaker_rejections > 0 {
            break error;
        }
    };
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().starts_with("`probe` was not called: most of the last calls to it failed"));
    assert!(!refused.is_remote() && refused.was_never_processed());
    assert_eq!(client.stats()[0].retries, 0);
}

#[tokio::test(start_paused = true)]
async fn errors_that_are_answers_open_no_breaker() {
    let lab = Lab::new(1).await;
    let client = lab.builder().build();
    for code in [Code::NotFound, Code::Internal, Code::InvalidArgument, Code::ResourceExhausted] {
        lab.always(code);
        calls(&ProbeClient::new(&client), 200).await;
    }
    assert_eq!(lab.arrived().len(), 800);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_asks_for_less_gets_less() {
    let lab = Lab::new(1).await;
    let busy = || Step::Fail(Error::resource_exhausted("busy").with_retry_after(Duration::from_secs(1)));
    lab.steps((0..1000).map(|_| busy()));
    let client = lab.builder().retries(0).build();
    calls(&ProbeClient::new(&client), 1000).await;
    assert!(lab.arrived().len() < 300);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_in_time_gets_few_calls_and_one_that_was_given_no_time_gets_all() {
    let lab = Lab::new(1).await;
    let client = lab.builder().build();
    let probe = ProbeClient::new(&client);
    let within = async |millis| {
        let call = probe.write(&Context::new(), "it".to_owned()).timeout(Duration::from_millis(millis));
        call.await.unwrap_err();
    };
    lab.steps((0..10).map(|_| Step::Slow(Duration::from_millis(100))));
    assert_eq!(calls(&probe, 10).await, 0);
    lab.steps((0..400).map(|_| Step::Hang));
    for _ in 0..100 {
        within(20).await;
    }
    assert_eq!(client.stats()[0].breaker_rejections, 0);
    for _ in 0..2 {
        futures_util::future::join_all((0..50).map(|_| within(300))).await;
    }
    assert!(client.stats()[0].breaker_rejections > 0);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_can_be_switched_off_and_made_slower() {
    let lab = Lab::new(1).await;
    lab.always(Code::Unavailable);
    for breaker in [None, Some(CircuitBreaker::new().minimum(1000))] {
        let client = lab.builder().circuit_breaker(breaker).build();
        calls(&ProbeClient::new(&client), 900).await;
        assert_eq!(lab.arrived().len(), 900);
    }
}

#[tokio::test(start_paused = true)]
async fn clients_of_one_service_in_one_client_share_its_breaker_and_others_do_not() {
    let lab = Lab::new(1).await;
    lab.always(Code::Unavailable);
    let client = lab.builder().build();
    calls(&ProbeClient::new(&client), 2000).await;
    assert_eq!(client.stats().len(), 1);
    lab.arrived();
    calls(&ProbeClient::new(&client), 20).await;
    assert!(lab.arrived().len() < 10);
    calls(&ProbeClient::new(&lab.builder().build()), 19).await;
    assert_eq!(lab.arrived().len(), 19);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_failed_and_that_the_breaker_does_not_try_again_says_why_it_failed() {
    let lab = Lab::new(1).await;
    let client = lab.builder().retry_budget(None).build();
    let probe = ProbeClient::new(&client);
    lab.always(Code::Unavailable);
    let mut told = 0;
    for _ in 0..300 {
        lab.arrived();
        let error = crate::lab::read(&probe).await.unwrap_err();
        let hidden = error.message().contains("circuit breaker") && !lab.arrived().is_empty();
        assert!(!hidden || error.message().starts_with("always so; not tried again: "), "{error}");
        told += usize::from(hidden);
    }
    assert!(told > 0);
}
