//! Calls in the process: the message is handed over, and is kept only where somebody asked for retries.

use std::time::Duration;

use micro::admission::Protection;
use micro::{Code, Context};

use crate::lab::{Lab, ProbeClient, Step, read};

#[tokio::test(start_paused = true)]
async fn a_message_that_was_handed_over_is_gone() {
    let lab = Lab::inside(2).await;
    lab.steps([Step::unavailable()]);
    assert_eq!(read(&lab.client()).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(lab.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_kept_where_retries_are_asked_for() {
    let lab = Lab::inside(2).await;
    lab.steps([Step::unavailable()]);
    let client = ProbeClient::new(&lab.builder().retries(2).build());
    assert!(client.read(&Context::new(), "it".to_owned()).await.unwrap().starts_with("it from "));
    let arrived = lab.arrived();
    assert_ne!(arrived[0].node, arrived[1].node);
    assert_eq!(arrived[1].attempts, 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_in_the_process_is_hedged_by_another_one() {
    let lab = Lab::inside(2).await;
    lab.steps([Step::Hang]);
    let client = lab.client();
    let call = client.read(&Context::new(), "it".to_owned()).hedge(Duration::from_millis(10));
    assert!(call.await.unwrap().starts_with("it from "));
    let arrived = lab.arrived();
    assert_ne!(arrived[0].node, arrived[1].node);
    assert_eq!(lab.cancelled(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_a_full_node_handed_back_is_sent_again_when_it_said() {
    let mut lab = Lab::inside(0).await;
    lab.join(|service| service.protect(Protection::new().max_calls(1))).await;
    lab.steps([Step::Slow(Duration::from_millis(1))]);
    let client = lab.builder().build();
    let probe = ProbeClient::new(&client);
    let (first, second) = tokio::join!(read(&probe), read(&probe));
    first.unwrap();
    second.unwrap();
    assert!(client.stats()[0].retries > 0);
    assert_eq!(client.nodes("probe").unwrap()[0].failures, 0);
}
