//! Calls that ask the same at the same time.

use std::time::Duration;

use futures_util::future::join_all;
use micro::{Code, Context, Error};

use crate::lab::{Lab, ProbeClient, Step};

const SLOW: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn calls_that_ask_the_same_at_the_same_time_share_an_answer() {
    let lab = Lab::new(2).await;
    let client = lab.builder().build();
    let probe = ProbeClient::new(&client);
    lab.steps((0..30).map(|_| Step::Slow(SLOW)));
    let read = |name: &str| probe.read(&Context::new(), name.to_owned()).coalesce(true).into_future();
    let answers = join_all((0..10).map(|_| read("it")).chain([read("other")])).await;
    assert!(answers.iter().take(10).all(|answer| answer.as_ref().unwrap().starts_with("it from ")));
    assert!(answers[10].as_ref().unwrap().starts_with("other from "));
    assert_eq!(lab.arrived().len(), 2);
    assert_eq!(client.stats()[0].coalesced, 9);
    // What was answered is asked anew.
    read("it").await.unwrap();
    assert_eq!(lab.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn callers_with_different_metadata_get_answers_of_their_own() {
    let lab = Lab::new(1).await;
    let probe = lab.client();
    lab.steps((0..2).map(|_| Step::Slow(SLOW)));
    let read = |who: &str| {
        let call = probe.read(&Context::new(), "it".to_owned()).coalesce(true);
        call.metadata("authorization", who).into_future()
    };
    assert!(join_all(["ada", "bob"].map(read)).await.iter().all(Result::is_ok));
    assert_eq!(lab.arrived().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_get_the_error_as_well() {
    let lab = Lab::new(1).await;
    let probe = lab.client();
    lab.steps([Step::Slow(SLOW)]);
    let read = || probe.read(&Context::new(), "it".to_owned()).coalesce(true).into_future();
    // The first one keeps the connection busy until the others wait.
    read().await.unwrap();
    lab.arrived();
    lab.steps([Step::Fail(Error::not_found("no such thing"))]);
    for answer in join_all((0..5).map(|_| read())).await {
        let error = answer.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::NotFound, "no such thing"));
        assert_eq!(error.origin().as_deref(), Some("test.v1.Probe/Read"));
    }
    assert_eq!(lab.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_the_one_who_asked_gives_up_the_next_one_asks() {
    let lab = Lab::new(1).await;
    let probe = lab.client();
    lab.steps([Step::Hang]);
    let read = |millis| {
        let call = probe.read(&Context::new(), "it".to_owned()).coalesce(true);
        call.timeout(Duration::from_millis(millis)).into_future()
    };
    let (impatient, patient) = tokio::join!(read(50), read(5000));
    assert_eq!(impatient.unwrap_err().code(), Code::DeadlineExceeded);
    patient.unwrap();
    assert_eq!(lab.arrived().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_idempotent_shares_nothing() {
    let lab = Lab::new(1).await;
    let probe = lab.client();
    lab.steps((0..3).map(|_| Step::Slow(SLOW)));
    let write = || probe.write(&Context::new(), "it".to_owned()).coalesce(true).into_future();
    assert!(join_all((0..3).map(|_| write())).await.iter().all(Result::is_ok));
    assert_eq!(lab.arrived().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn calls_that_could_stay_in_the_process_share_an_answer_as_well() {
    let lab = Lab::inside(1).await;
    let client = lab.builder().build();
    let probe = ProbeClient::new(&client);
    lab.steps([Step::Slow(SLOW)]);
    let read = || probe.read(&Context::new(), "it".to_owned()).coalesce(true).into_future();
    assert!(join_all((0..5).map(|_| read())).await.iter().all(Result::is_ok));
    assert_eq!(lab.arrived().len(), 1);
    assert_eq!(client.stats()[0].coalesced, 4);
}
