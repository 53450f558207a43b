//! Nodes that refuse calls because they have too many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use micro::client::{HttpVersion, Protocol, RetryBudget};
use micro::selector::Random;
use micro::server::Limits;
use micro::{Client, Code, Context, Environment};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::lab::{Lab, ProbeClient, read, write};

/// A server that answers every call with this, over HTTP/1.1.
struct Node {
    address: String,
    calls: Arc<AtomicUsize>,
}

const TAKES: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n\"ok\"";

/// A refusal, with this time to wait.
fn refuses(millis: &str) -> String {
    let body = r#"{"code":"resource_exhausted","message":"full"}"#;
    let length = body.len();
    format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nmicro-never-processed: true\r\n\
         grpc-retry-pushback-ms: {millis}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

async fn node(answer: impl Into<String>) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (calls, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer.into()));
    let counted = calls.clone();
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            tokio::spawn(serve(io, counted.clone(), answer.clone()));
        }
    });
    Node { address, calls }
}

async fn serve(mut io: TcpStream, calls: Arc<AtomicUsize>, answer: Arc<String>) {
    let mut read = Vec::new();
    while io.read_buf(&mut read).await.is_ok_and(|length| length > 0) {
        // The message is the text "it", in quotes.
        if read.ends_with(b"\r\n\r\n\"it\"") {
            read.clear();
            calls.fetch_add(1, Ordering::SeqCst);
            io.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

async fn nodes(count: usize, millis: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(node(refuses(millis)).await);
    }
    nodes
}

fn client(nodes: &[Node]) -> micro::client::ClientBuilder {
    let client = Client::builder().environment(Environment::empty()).selector(Random::new());
    let client = client.protocol(Protocol::Connect).http_version(HttpVersion::Http1);
    nodes.iter().fold(client, |client, node| client.address(&node.address))
}

fn calls(nodes: &[Node]) -> usize {
    nodes.iter().map(|node| node.calls.load(Ordering::SeqCst)).sum()
}

#[tokio::test]
async fn a_call_that_a_full_node_refused_moves_to_another_one_at_once_whatever_it_is() {
    let mut all = nodes(1, "60000").await;
    all.push(node(TAKES).await);
    for _ in 0..10 {
        // Whichever is picked first.
        let client = ProbeClient::new(&client(&all).retries(0).build());
        write(&client).await.unwrap();
    }
    assert!(all[1].calls.load(Ordering::SeqCst) == 10);
}

#[tokio::test]
async fn where_all_nodes_are_full_no_call_visits_all_of_them() {
    let all = nodes(8, "60000").await;
    let client = ProbeClient::new(&client(&all).build());
    let error = write(&client).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(calls(&all), 3);
}

#[tokio::test]
async fn a_call_that_all_nodes_refused_comes_back_when_they_say() {
    let all = nodes(2, "1").await;
    let client = ProbeClient::new(&client(&all).retries(1).build());
    let error = write(&client).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(error.was_never_processed(), "{error}");
    assert_eq!(calls(&all), 4);
}

#[tokio::test]
async fn moving_from_full_nodes_is_paid_from_the_budget() {
    let all = nodes(2, "1").await;
    let client = client(&all).retry_budget(RetryBudget::new(0.0, 0)).circuit_breaker(None).build();
    for _ in 0..10 {
        read(&ProbeClient::new(&client)).await.unwrap_err();
    }
    assert_eq!(calls(&all), 11);
    assert!(client.stats()[0].budget_refusals >= 9);
    // Who says that it is busy is not broken.
    assert!(client.nodes("probe").unwrap().iter().all(|node| node.failures == 0 && node.ejections == 0));
}

#[tokio::test]
async fn a_full_node_that_asks_not_to_be_tried_again_ends_the_call() {
    let all = nodes(3, "-1").await;
    let client = ProbeClient::new(&client(&all).build());
    read(&client).await.unwrap_err();
    assert_eq!(calls(&all), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_no_more_calls_at_a_time_is_not_unreachable() {
    let mut lab = Lab::new(0).await;
    lab.join(|service| service.limits(Limits::new().max_concurrent_streams(1))).await;
    let client = lab.builder().protocol(Protocol::Grpc).max_connections_per_node(1).retries(0).build();
    let probe = ProbeClient::new(&client);
    read(&probe).await.unwrap();
    lab.hangs(0);
    let call = || probe.read(&Context::new(), "it".to_owned()).timeout(Duration::from_secs(3)).into_future();
    let (one, other) = tokio::join!(call(), call());
    let messages = [one, other].map(|answer| answer.unwrap_err().message().to_owned());
    assert!(messages.iter().any(|message| message.contains("was not sent")), "{messages:?}");
    assert_eq!(client.nodes("probe").unwrap()[0].ejections, 0);
}
