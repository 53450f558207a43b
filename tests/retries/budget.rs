//! How many retries there are in all.

use micro::Code;
use micro::client::RetryBudget;

use crate::lab::{Lab, ProbeClient, read};

#[tokio::test(start_paused = true)]
async fn retries_are_a_share_of_the_calls_and_an_error_says_when_there_are_no_more() {
    let lab = Lab::new(1).await;
    lab.always(Code::Unavailable);
    let builder = lab.builder().retry_budget(RetryBudget::new(0.1, 0)).circuit_breaker(None);
    let client = builder.build();
    let probe = ProbeClient::new(&client);
    let mut said = 0;
    for _ in 0..100 {
        let error = read(&probe).await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable);
        said += usize::from(
            error.message() == "always so; not tried again: the retry budget for `probe` is used up",
        );
    }
    let stats = client.stats().remove(0);
    assert!((8..=11).contains(&stats.retries), "{stats:?}");
    assert_eq!(lab.arrived().len() as u64, 100 + stats.retries);
    assert_eq!(stats.budget_refusals, said as u64);
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_budget_tries_as_often_as_it_is_told() {
    let lab = Lab::new(1).await;
    lab.always(Code::Unavailable);
    let client = lab.builder().retry_budget(None).circuit_breaker(None).build();
    for _ in 0..200 {
        read(&ProbeClient::new(&client)).await.unwrap_err();
    }
    assert_eq!(lab.arrived().len(), 600);
}

#[tokio::test(start_paused = true)]
async fn by_default_a_service_that_is_down_gets_few_retries() {
    let lab = Lab::new(1).await;
    lab.always(Code::Unavailable);
    let client = lab.builder().circuit_breaker(None).retry_backoff(Default::default()).build();
    for _ in 0..2000 {
        read(&ProbeClient::new(&client)).await.unwrap_err();
    }
    let retries = client.stats()[0].retries;
    // What there was at first, a fifth of the calls, and ten each second of the waiting.
    assert!((400..700).contains(&retries), "{retries}");
}
