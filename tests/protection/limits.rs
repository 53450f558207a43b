//! So many calls at a time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use micro::admission::Protection;
use micro::client::Protocol;
use micro::{Code, Context, Environment, Service, Streaming};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::lab::{LabClient, Site};
use crate::soon::soon;

fn wait(client: &LabClient, text: &str) -> tokio::task::JoinHandle<micro::Result<String>> {
    let (client, text) = (client.clone(), text.to_owned());
    tokio::spawn(async move { client.wait(&Context::new(), text).await })
}

/// Calls until it is let in.
async fn comes_in(client: &LabClient) {
    soon(async {
        while client.echo(&Context::new(), String::new()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_service_runs_so_many_calls_in_every_protocol_and_one_more_when_one_ends() {
    let protection = Protection::new().max_calls(2);
    let site = Site::with(protection.clone()).await;
    for (protocol, client) in site.clients() {
        let two = [wait(&client, "a"), wait(&client, "b")];
        site.lab.waiting(2).await;
        let error = client.echo(&Context::new(), "c".to_owned()).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted, "{protocol:?}");
        assert!(error.message().contains("this node serves 2 calls at a time"), "{protocol:?}: {error}");
        site.lab.go(2);
        for one in two {
            one.await.unwrap().unwrap();
        }
        assert_eq!(client.echo(&Context::new(), "d".to_owned()).await.unwrap(), "d", "{protocol:?}");
    }
    assert_eq!(protection.counts().admitted, 7 * 3);
}

#[tokio::test]
async fn whatever_ends_a_call_its_room_is_free_again() {
    let site = Site::with(Protection::new().max_calls(1)).await;
    for (protocol, client) in site.clients() {
        // Given up by its caller.
        let given_up = wait(&client, "a");
        site.lab.waiting(1).await;
        given_up.abort();
        site.lab.waiting(0).await;
        // A panic, which is answered.
        comes_in(&client).await;
        let error = client.panic(&Context::new(), String::new()).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal, "{protocol:?}");
        // Its time is over.
        let slow = client.wait(&Context::new(), String::new()).timeout(Duration::from_millis(50));
        assert_eq!(slow.await.unwrap_err().code(), Code::DeadlineExceeded, "{protocol:?}");
        site.lab.waiting(0).await;
        comes_in(&client).await;
    }
}

#[tokio::test]
async fn a_stream_has_its_room_until_it_ends() {
    let site = Site::with(Protection::new().max_calls(1)).await;
    for protocol in [Some(Protocol::Connect), Some(Protocol::Grpc), Some(Protocol::Native), None] {
        let client = site.client(protocol);
        let mut numbers = client.watch(&Context::new(), 2).await.unwrap();
        assert_eq!(numbers.next().await.unwrap(), Some(1));
        site.lab.waiting(1).await;
        let error = client.echo(&Context::new(), String::new()).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted, "{protocol:?}");
        site.lab.go(1);
        assert_eq!(numbers.next().await.unwrap(), Some(2));
        assert_eq!(numbers.next().await.unwrap(), None);
        comes_in(&client).await;
        // And one that its caller drops.
        let mut numbers = client.watch(&Context::new(), 2).await.unwrap();
        numbers.next().await.unwrap();
        site.lab.waiting(1).await;
        drop(numbers);
        comes_in(&client).await;
        // One that the caller sends.
        let (sender, sent) = Streaming::channel();
        let sums = client.clone();
        let sum = tokio::spawn(async move { sums.sum(&Context::new(), sent).await });
        site.lab.waiting(1).await;
        let error = client.echo(&Context::new(), String::new()).await.unwrap_err();
        assert!(error.was_never_processed(), "{protocol:?}");
        drop(sender);
        assert_eq!(sum.await.unwrap().unwrap(), 0);
    }
}

#[tokio::test]
async fn calls_that_wait_go_on_when_there_is_room_and_are_refused_when_it_takes_too_long() {
    let protection = Protection::new().max_calls(1).queue(1, Duration::from_secs(20));
    let site = Site::with(protection.clone()).await;
    for (number, (protocol, client)) in site.clients().into_iter().enumerate() {
        let running = wait(&client, "a");
        site.lab.waiting(1).await;
        let queued = wait(&client, "b");
        soon(async {
            while protection.counts().queued <= number as u64 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let error = client.echo(&Context::new(), String::new()).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted, "{protocol:?}");
        site.lab.go(2);
        assert_eq!(running.await.unwrap().unwrap(), "a", "{protocol:?}");
        assert_eq!(queued.await.unwrap().unwrap(), "b", "{protocol:?}");
    }
    let site = Site::with(Protection::new().max_calls(1).queue(9, Duration::from_millis(20))).await;
    for (protocol, client) in site.clients() {
        let running = wait(&client, "a");
        site.lab.waiting(1).await;
        let error = client.echo(&Context::new(), String::new()).await.unwrap_err();
        assert!(error.was_never_processed(), "{protocol:?}: {error}");
        assert!(error.message().contains("none of them was done within 20ms"), "{protocol:?}: {error}");
        site.lab.go(1);
        running.await.unwrap().unwrap();
    }
    assert_eq!(site.lab.runs.load(Ordering::SeqCst), 7);
}

#[tokio::test]
async fn a_limit_of_a_method_that_is_not_there_fails_the_start_and_says_which_there_are() {
    struct Nothing;

    #[micro::handler]
    impl Nothing {
        pub async fn much(&self, _ctx: &Context, _request: ()) -> micro::Result<()> {
            Ok(())
        }
    }

    let service = Service::new("lab").environment(Environment::empty()).handle(Nothing);
    let error = service.protect(Protection::new().max_calls_of("Nothing/More", 1)).in_memory().await;
    let error = error.err().unwrap();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(
        error.message().contains("`Nothing/More`") && error.message().contains("Nothing/Much"),
        "{error}"
    );
}

#[tokio::test]
async fn what_a_service_in_the_middle_hands_on_is_not_taken_for_its_own_refusal() {
    use crate::lab::{Front, FrontClient};
    let site = Site::with(Protection::new().max_calls(1)).await;
    let _running = wait(&site.client(None), "a");
    site.lab.waiting(1).await;
    for behind in [Some(Protocol::Connect), Some(Protocol::Native), None] {
        let front = Service::new("front").environment(Environment::empty());
        let front = front.handle(Front(site.client(behind))).in_memory().await.unwrap();
        let client = FrontClient::new(&front.client());
        let error = client.forward(&Context::new(), String::new()).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted);
        assert!(!error.was_never_processed(), "the front did something: {error}");
    }
}

#[tokio::test]
async fn health_is_asked_of_a_full_service_as_of_any_other() {
    let site = Site::with(Protection::new().max_calls(1)).await;
    let _running = wait(&site.client(None), "a");
    site.lab.waiting(1).await;
    let address = site.running.address().to_owned();
    let body = r#"{"service":""}"#;
    let request = format!(
        "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    assert!(sent(&address, &request).await.contains("SERVING"));
    // And what is full says so in the words of HTTP.
    let request =
        request.replace("/grpc.health.v1.Health/Check", "/Lab/Echo").replace(body, r#""aaaaaaaaaaaa""#);
    let answer = sent(&address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert!(answer.contains("\r\ngrpc-retry-pushback-ms: "), "{answer}");
}

async fn sent(address: &str, request: &str) -> String {
    let mut io = TcpStream::connect(address).await.unwrap();
    io.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(io.read_to_string(&mut answer)).await.unwrap();
    answer
}
