//! Streams: what was consumed cannot be sent again, and what was heard is not asked for twice.

use micro::transport::Memory as Network;
use micro::{Context, Streaming};

use crate::lab::{Lab, Step};

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_sent_is_not_sent_again() {
    let lab = Lab::new(2).await;
    lab.steps([Step::unavailable()]);
    let client = lab.client();
    let numbers = Streaming::from_iter([1, 2, 3]);
    assert_eq!(client.sum(&Context::new(), numbers).await.unwrap_err().message(), "not now");
    assert_eq!(lab.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_has_begun_is_not_asked_for_again() {
    let lab = Lab::new(2).await;
    lab.steps([Step::unavailable()]);
    let client = lab.client();
    let mut numbers = client.list(&Context::new(), 2).await.unwrap();
    assert_eq!(numbers.next().await.unwrap(), Some(1));
    assert_eq!(numbers.next().await.unwrap(), Some(2));
    assert_eq!(numbers.next().await.unwrap_err().message(), "not now");
    assert_eq!(lab.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_answers_comes_as_it_is_where_its_call_may_be_replaced() {
    let lab = Lab::new(2).await;
    let client = lab.client();
    let call = client.list(&Context::new(), 300).attempt_timeout(std::time::Duration::from_millis(50));
    assert_eq!(call.await.unwrap().collect().await.unwrap().len(), 300);
    let _ = Network::new();
    assert_eq!(lab.arrived().len(), 1);
}
