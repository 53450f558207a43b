//! A second node is asked where the first one takes long.

use std::time::Duration;

use micro::client::RetryBudget;
use micro::{Code, Context, Error};
use tokio::time::Instant;

use crate::lab::{Lab, ProbeClient, Step};
use crate::soon::soon;

const AFTER: Duration = Duration::from_millis(20);

fn hedging(lab: &Lab) -> (micro::Client, ProbeClient) {
    let client = lab.builder().hedge(AFTER).build();
    let probe = ProbeClient::new(&client);
    (client, probe)
}

#[tokio::test(start_paused = true)]
async fn another_node_is_asked_and_the_first_answer_counts() {
    let lab = Lab::new(2).await;
    let (client, probe) = hedging(&lab);
    lab.steps([Step::Hang]);
    let begun = Instant::now();
    probe.read(&Context::new(), "it".to_owned()).await.unwrap();
    assert!((20..25).contains(&begun.elapsed().as_millis()));
    let arrived = lab.arrived();
    assert_ne!(arrived[0].node, arrived[1].node);
    assert_eq!(arrived[1].attempts, 1);
    let stats = client.stats().remove(0);
    assert_eq!((stats.hedges, stats.hedge_wins, stats.retries), (1, 1, 0));
    // The other one is cancelled.
    soon(async {
        while lab.cancelled() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_first_node_that_is_faster_after_all_wins() {
    let lab = Lab::new(2).await;
    let (client, probe) = hedging(&lab);
    lab.steps([Step::Slow(Duration::from_millis(30)), Step::Hang]);
    probe.read(&Context::new(), "it".to_owned()).await.unwrap();
    let stats = client.stats().remove(0);
    assert_eq!((stats.hedges, stats.hedge_wins), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_needs_no_hedge() {
    let lab = Lab::new(2).await;
    let (client, probe) = hedging(&lab);
    lab.steps([Step::Slow(Duration::from_millis(10))]);
    probe.read(&Context::new(), "it".to_owned()).await.unwrap();
    assert_eq!(lab.arrived().len(), 1);
    assert_eq!(client.stats()[0].hedges, 0);
}

#[tokio::test(start_paused = true)]
async fn there_is_no_hedge_where_the_call_is_not_idempotent_or_has_no_retries_or_no_other_node() {
    let (two, one) = (Lab::new(2).await, Lab::new(1).await);
    let slow = || Step::Slow(Duration::from_millis(100));
    two.steps([slow()]);
    hedging(&two).1.write(&Context::new(), "it".to_owned()).await.unwrap();
    assert_eq!(two.arrived().len(), 1);
    two.steps([slow()]);
    hedging(&two).1.read(&Context::new(), "it".to_owned()).retries(0).await.unwrap();
    assert_eq!(two.arrived().len(), 1);
    one.steps([slow()]);
    hedging(&one).1.read(&Context::new(), "it".to_owned()).await.unwrap();
    assert_eq!(one.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_hedges_than_retries() {
    let lab = Lab::new(5).await;
    let (client, probe) = hedging(&lab);
    lab.steps((0..5).map(|_| Step::Slow(Duration::from_secs(1))));
    probe.read(&Context::new(), "it".to_owned()).await.unwrap();
    assert_eq!(lab.arrived().len(), 3);
    assert_eq!(client.stats()[0].hedges, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_pass_waits_for_the_other_attempt() {
    let lab = Lab::new(2).await;
    let (_, probe) = hedging(&lab);
    lab.steps([Step::Slow(Duration::from_millis(50)), Step::unavailable()]);
    probe.read(&Context::new(), "it".to_owned()).retries(1).await.unwrap();
    assert_eq!(lab.arrived().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_no_is_an_answer() {
    let lab = Lab::new(2).await;
    let (_, probe) = hedging(&lab);
    lab.steps([Step::Hang, Step::Fail(Error::not_found("no such thing"))]);
    let error = probe.read(&Context::new(), "it".to_owned()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::NotFound, "no such thing"));
}

#[tokio::test(start_paused = true)]
async fn a_hedged_call_that_fails_is_tried_again() {
    let lab = Lab::new(3).await;
    let (client, probe) = hedging(&lab);
    lab.steps([Step::unavailable()]);
    probe.read(&Context::new(), "it".to_owned()).await.unwrap();
    assert_eq!(lab.arrived().len(), 2);
    assert_eq!(client.stats()[0].retries, 1);
}

#[tokio::test(start_paused = true)]
async fn hedges_are_paid_from_the_budget() {
    let lab = Lab::new(2).await;
    let client = lab.builder().hedge(AFTER).retry_budget(RetryBudget::new(0.0, 0)).build();
    let probe = ProbeClient::new(&client);
    for _ in 0..10 {
        lab.steps([Step::Slow(Duration::from_millis(100)), Step::Slow(Duration::from_millis(100))]);
        probe.read(&Context::new(), "it".to_owned()).await.unwrap();
    }
    assert_eq!(client.stats()[0].hedges, 1);
}

#[tokio::test(start_paused = true)]
async fn a_hedged_call_keeps_its_deadline() {
    let lab = Lab::new(2).await;
    let (_, probe) = hedging(&lab);
    lab.steps([Step::Hang, Step::Hang]);
    let begun = Instant::now();
    let call = probe.read(&Context::new(), "it".to_owned()).timeout(Duration::from_millis(300));
    assert_eq!(call.await.unwrap_err().code(), Code::DeadlineExceeded);
    assert!((300..310).contains(&begun.elapsed().as_millis()));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_is_refused_does_not_end_the_attempt_that_goes_on() {
    for error in
        [Error::aborted("the other one is at it"), Error::unavailable("leave me alone").with_no_retry()]
    {
        let lab = Lab::new(2).await;
        let (_, probe) = hedging(&lab);
        lab.steps([Step::Slow(3 * AFTER), Step::Fail(error)]);
        probe.read(&Context::new(), "it".to_owned()).await.unwrap();
        assert_eq!(lab.arrived().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_hedge_ended_may_have_been_processed_by_the_other_attempt() {
    let lab = Lab::new(2).await;
    let (_, probe) = hedging(&lab);
    lab.steps([Step::Hang, Step::Fail(Error::not_found("no such thing"))]);
    let error = probe.read(&Context::new(), "it".to_owned()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(!error.was_never_processed());
}
