//! What is tried again, and where.

use std::collections::HashSet;
use std::time::Duration;

use micro::{Code, Context, Environment, Error};

use crate::lab::{Lab, ProbeClient, Step, read, write};

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_that_failed_is_made_again() {
    let lab = Lab::new(1).await;
    lab.steps([Step::unavailable(), Step::unavailable()]);
    let client = lab.builder().build();
    read(&ProbeClient::new(&client)).await.unwrap();
    assert_eq!(lab.arrived().len(), 3);
    let stats = client.stats();
    assert_eq!((stats[0].service.as_str(), stats[0].retries), ("probe", 2));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_idempotent_runs_once() {
    let lab = Lab::new(2).await;
    lab.steps([Step::unavailable()]);
    let client = ProbeClient::new(&lab.builder().retries(5).build());
    assert_eq!(write(&client).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(lab.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_with_an_idempotency_key_is_made_again_with_the_same_key() {
    let lab = Lab::new(2).await;
    lab.steps([Step::unavailable()]);
    let call = lab.client();
    let call = call.write(&Context::new(), "it".to_owned()).metadata("idempotency-key", "order-7");
    assert_eq!(call.await.unwrap(), "it");
    assert_eq!(lab.arrived().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_codes_that_may_be_over_the_next_time_are_tried_again() {
    let lab = Lab::new(1).await;
    let client = ProbeClient::new(&lab.builder().circuit_breaker(None).build());
    for code in Code::ALL {
        lab.always(*code);
        assert_eq!(read(&client).await.unwrap_err().code(), *code);
        let expected = if *code == Code::Unavailable { 3 } else { 1 };
        assert_eq!(lab.arrived().len(), expected, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_can_name_other_codes() {
    let lab = Lab::new(1).await;
    let client = ProbeClient::new(&lab.builder().retry_on([Code::Aborted]).build());
    lab.always(Code::Aborted);
    assert_eq!(read(&client).await.unwrap_err().code(), Code::Aborted);
    assert_eq!(lab.arrived().len(), 3);
    lab.always(Code::Unavailable);
    assert_eq!(read(&client).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(lab.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn zero_retries_are_none_wherever_that_is_said() {
    let lab = Lab::new(2).await;
    lab.always(Code::Unavailable);
    let in_code = lab.builder().retries(0).build();
    let variables = Environment::from_iter([("MICRO_CLIENT_RETRIES", "0")]);
    let in_environment = lab.builder().environment(variables).build();
    for client in [in_code, in_environment] {
        let error = read(&ProbeClient::new(&client)).await.unwrap_err();
        assert_eq!(error.message(), "always so");
        assert_eq!(lab.arrived().len(), 1);
    }
    let call = lab.client();
    call.read(&Context::new(), "it".to_owned()).retries(0).await.unwrap_err();
    assert_eq!(lab.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_call_wins_over_its_client() {
    let lab = Lab::new(1).await;
    lab.always(Code::Unavailable);
    let client = ProbeClient::new(&lab.builder().retries(0).build());
    client.read(&Context::new(), "it".to_owned()).retries(1).await.unwrap_err();
    assert_eq!(lab.arrived().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_node_is_tried_again_while_another_one_is_left() {
    let lab = Lab::new(3).await;
    // A node that was taken out of use is not left.
    let client = ProbeClient::new(&lab.builder().circuit_breaker(None).outlier_ejection(None).build());
    for _ in 0..20 {
        lab.steps([Step::unavailable(), Step::unavailable()]);
        read(&client).await.unwrap();
        let nodes: HashSet<_> = lab.arrived().iter().map(|call| call.node).collect();
        assert_eq!(nodes.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn with_fewer_nodes_than_attempts_all_are_tried_before_one_is_tried_twice() {
    let lab = Lab::new(2).await;
    let client = ProbeClient::new(&lab.builder().retries(3).build());
    lab.steps([Step::unavailable(), Step::unavailable(), Step::unavailable()]);
    read(&client).await.unwrap();
    let nodes: Vec<_> = lab.arrived().iter().map(|call| call.node).collect();
    assert_ne!(nodes[0], nodes[1]);
    assert_ne!(nodes[2], nodes[3]);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_tells_how_many_there_were_before() {
    let lab = Lab::new(2).await;
    lab.steps([Step::unavailable(), Step::unavailable()]);
    read(&lab.client()).await.unwrap();
    let attempts: Vec<_> = lab.arrived().iter().map(|call| call.attempts).collect();
    assert_eq!(attempts, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_last_error_says_how_often_it_was_tried_and_that_the_call_may_have_been_processed() {
    let lab = Lab::new(1).await;
    lab.always(Code::Unavailable);
    let error = read(&lab.client()).await.unwrap_err();
    assert_eq!(error.message(), "always so; 3 attempts were made");
    assert_eq!(error.origin().as_deref(), Some("test.v1.Probe/Read"));
    assert!(!error.was_never_processed());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_not_to_be_tried_again_is_not() {
    let lab = Lab::new(2).await;
    lab.steps([Step::Fail(Error::unavailable("never again").with_no_retry())]);
    let error = read(&lab.client()).await.unwrap_err();
    assert_eq!(error.message(), "never again");
    assert_eq!(lab.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn interceptors_stand_around_all_attempts_of_a_call() {
    let lab = Lab::new(2).await;
    lab.steps([Step::unavailable()]);
    let seen = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seeing = seen.clone();
    let builder = lab.builder().intercept(move |call, next: micro::call::Next| {
        seeing.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        next.run(call)
    });
    let call = ProbeClient::new(&builder.build());
    let answer = call.read(&Context::new(), "it".to_owned()).timeout(Duration::from_secs(5)).await.unwrap();
    assert!(answer.starts_with("it from"));
    assert_eq!((lab.arrived().len(), seen.load(std::sync::atomic::Ordering::Relaxed)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn every_protocol_tells_of_the_attempts_and_takes_a_servers_word() {
    use micro::client::Protocol;
    let lab = Lab::new(1).await;
    for protocol in [Protocol::Native, Protocol::Connect, Protocol::Grpc, Protocol::GrpcWeb, Protocol::Mucp] {
        let client = ProbeClient::new(&lab.builder().protocol(protocol).build());
        let busy = Error::resource_exhausted("busy").with_retry_after(Duration::from_millis(700));
        lab.steps([Step::Fail(busy), Step::unavailable()]);
        read(&client).await.unwrap();
        let arrived = lab.arrived();
        let attempts: Vec<_> = arrived.iter().map(|call| call.attempts).collect();
        assert_eq!(attempts, [0, 1, 2], "{protocol:?}");
        let waited = arrived[1].at - arrived[0].at;
        assert!((700..800).contains(&waited.as_millis()), "{protocol:?}: {waited:?}");
        lab.steps([Step::Fail(Error::unavailable("no").with_no_retry())]);
        read(&client).await.unwrap_err();
        assert_eq!(lab.arrived().len(), 1, "{protocol:?}");
    }
    lab.stop().await;
}
