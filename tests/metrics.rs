//! What clients and services count of themselves.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "common/soon.rs"]
mod soon;

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use micro::client::{ClientBuilder, Protocol};
use micro::registry::{Discovery, Memory};
use micro::{Client, Context, Environment, Error, Metrics, Result, Running, Sender, Service, Streaming};
use tokio::sync::Notify;

use soon::soon;

const PROTOCOLS: [Protocol; 5] =
    [Protocol::Native, Protocol::Grpc, Protocol::Connect, Protocol::GrpcWeb, Protocol::Mucp];

#[derive(Clone, Default)]
struct Lab {
    begun: Arc<Notify>,
}

#[micro::handler]
impl Lab {
    pub async fn echo(&self, _ctx: &Context, text: String) -> Result<String> {
        if text.is_empty() { Err(Error::not_found("nothing")) } else { Ok(text) }
    }

    pub async fn hang(&self, _ctx: &Context, _text: String) -> Result<String> {
        self.begun.notify_one();
        std::future::pending().await
    }

    pub async fn count(&self, _ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()> {
        for number in 1..=upto {
            out.send(number).await?;
        }
        if upto == 3 { Err(Error::aborted("three")) } else { Ok(()) }
    }

    pub async fn sum(&self, _ctx: &Context, mut numbers: Streaming<u64>) -> Result<u64> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await? {
            sum += number;
        }
        Ok(sum)
    }
}

struct Site {
    running: Running,
    lab: Lab,
}

async fn site() -> Site {
    let lab = Lab::default();
    let service = Service::new("lab")
        .environment(Environment::empty())
        .registry(Memory::new())
        .spread_delay(Duration::ZERO)
        .handle(lab.clone());
    Site { running: service.start().await.unwrap(), lab }
}

impl Site {
    fn client(&self, options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
        let builder = Client::builder().environment(Environment::empty()).address(self.running.address());
        options(builder).build()
    }
}

const CLIENT: &str = "rpc_client_call_duration_seconds";
const SERVER: &str = "rpc_server_call_duration_seconds";

/// How often calls of this method ended with this code.
fn ended(metrics: &Metrics, name: &str, method: &str, code: &str) -> f64 {
    let labels = [("rpc_service", "Lab"), ("rpc_method", method), ("code", code)];
    metrics.snapshot().value(name, &labels).unwrap_or_default()
}

/// Waits until it is so: a server may hear of the end a moment after its client.
async fn until(what: impl Fn() -> bool) {
    soon(async {
        while !what() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn both_sides_count_calls_by_their_code_in_every_protocol() {
    for protocol in PROTOCOLS {
        let site = site().await;
        let client = site.client(|client| client.protocol(protocol));
        let lab = LabClient::new(&client);
        let ctx = Context::new();
        for _ in 0..3 {
            lab.echo(&ctx, "x".to_owned()).await.unwrap();
        }
        lab.echo(&ctx, String::new()).await.unwrap_err();
        let (ours, theirs) = (client.metrics(), site.running.metrics());
        for (metrics, name) in [(&ours, CLIENT), (&theirs, SERVER)] {
            until(|| ended(metrics, name, "Echo", "ok") == 3.0).await;
            until(|| ended(metrics, name, "Echo", "not_found") == 1.0).await;
        }
        assert_eq!(ours.snapshot().value("micro_client_attempts", &[("rpc_method", "Echo")]), Some(4.0));
        assert_eq!(ours.snapshot().value(SERVER, &[]), None, "its metrics are its own");
    }
}

#[tokio::test]
async fn a_stream_is_a_call_until_its_end() {
    for protocol in [Protocol::Native, Protocol::Grpc, Protocol::Connect] {
        let site = site().await;
        let client = site.client(|client| client.protocol(protocol));
        let lab = LabClient::new(&client);
        let (ours, theirs) = (client.metrics(), site.running.metrics());
        let ctx = Context::new();
        let mut numbers = lab.count(&ctx, 2).await.unwrap();
        numbers.next().await.unwrap();
        let in_flight = || ours.snapshot().value("micro_client_calls_in_flight", &[("rpc_method", "Count")]);
        assert_eq!((ended(&ours, CLIENT, "Count", "ok"), in_flight()), (0.0, Some(1.0)));
        while numbers.next().await.unwrap().is_some() {}
        assert_eq!((ended(&ours, CLIENT, "Count", "ok"), in_flight()), (1.0, Some(0.0)));
        until(|| ended(&theirs, SERVER, "Count", "ok") == 1.0).await;

        let mut broken = lab.count(&ctx, 3).await.unwrap();
        while let Ok(Some(_)) = broken.next().await {}
        assert_eq!(ended(&ours, CLIENT, "Count", "aborted"), 1.0, "{protocol}");
        until(|| ended(&theirs, SERVER, "Count", "aborted") == 1.0).await;

        drop(lab.count(&ctx, 1000).await.unwrap());
        assert_eq!(ended(&ours, CLIENT, "Count", "canceled"), 1.0);

        assert_eq!(lab.sum(&ctx, Streaming::from_iter([1, 2])).await.unwrap(), 3);
        until(|| ended(&theirs, SERVER, "Sum", "ok") == 1.0).await;
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_is_in_flight_until_then_and_canceled_after_it_on_both_sides() {
    let site = site().await;
    let client = site.client(|client| client.protocol(Protocol::Native));
    let (ours, theirs) = (client.metrics(), site.running.metrics());
    let lab = LabClient::new(&client);
    let call = tokio::spawn(lab.hang(&Context::new(), String::new()).into_future());
    soon(site.lab.begun.notified()).await;
    let hang = [("rpc_method", "Hang")];
    assert_eq!(ours.snapshot().value("micro_client_calls_in_flight", &hang), Some(1.0));
    assert_eq!(theirs.snapshot().value("micro_server_calls_in_flight", &hang), Some(1.0));
    call.abort();
    until(|| ended(&ours, CLIENT, "Hang", "canceled") == 1.0).await;
    until(|| ended(&theirs, SERVER, "Hang", "canceled") == 1.0).await;
    assert_eq!(theirs.snapshot().value("micro_server_calls_in_flight", &hang), Some(0.0));
}

#[tokio::test]
async fn a_call_that_runs_out_of_time_says_so() {
    let site = site().await;
    let client = site.client(|client| client.protocol(Protocol::Native));
    let lab = LabClient::new(&client);
    lab.hang(&Context::new(), String::new()).timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(ended(&client.metrics(), CLIENT, "Hang", "deadline_exceeded"), 1.0);
}

#[tokio::test]
async fn a_call_in_the_process_that_runs_out_of_time_says_so_on_both_sides() {
    let site = site().await;
    let client = site.running.client();
    let (lab, ctx) = (LabClient::new(&client), Context::new());
    lab.hang(&ctx, String::new()).timeout(Duration::from_millis(50)).await.unwrap_err();
    let (_sender, numbers) = Streaming::channel();
    lab.sum(&ctx, numbers).timeout(Duration::from_millis(50)).await.unwrap_err();
    for method in ["Hang", "Sum"] {
        until(|| ended(&client.metrics(), CLIENT, method, "deadline_exceeded") == 1.0).await;
        until(|| ended(&site.running.metrics(), SERVER, method, "deadline_exceeded") == 1.0).await;
        assert_eq!(ended(&site.running.metrics(), SERVER, method, "canceled"), 0.0);
    }
}

#[tokio::test]
async fn a_service_and_its_client_share_theirs_and_calls_in_the_process_count() {
    let metrics = Metrics::new();
    let service = Service::new("lab")
        .environment(Environment::empty())
        .registry(Memory::new())
        .metrics(metrics.clone())
        .handle(Lab::default());
    let running = service.start().await.unwrap();
    let lab = LabClient::new(&running.client());
    let ctx = Context::new();
    lab.echo(&ctx, "x".to_owned()).await.unwrap();
    lab.echo(&ctx, String::new()).await.unwrap_err();
    let mut numbers = lab.count(&ctx, 2).await.unwrap();
    while numbers.next().await.unwrap().is_some() {}
    for name in [CLIENT, SERVER] {
        until(|| ended(&metrics, name, "Echo", "ok") == 1.0).await;
        until(|| ended(&metrics, name, "Echo", "not_found") == 1.0).await;
        until(|| ended(&metrics, name, "Count", "ok") == 1.0).await;
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_caller_names_makes_no_labels() {
    let site = site().await;
    for number in 0..10 {
        let path = format!("/nobody.v1.Nobody{number}/Call");
        let method = micro::endpoint::MethodDescriptor::new::<String, String>("x", "y", path.leak(), "");
        let client = site.client(|client| client.protocol(Protocol::Connect));
        let channel = micro::client::Channel::new(&client, "lab");
        let method = Box::leak(Box::new(method));
        let call = micro::client::call::<String, String>(&channel, &Context::new(), method, "x".to_owned());
        call.await.unwrap_err();
    }
    assert!(!site.running.metrics().render().contains("nobody"));
}

#[tokio::test]
async fn metrics_that_are_off_count_nothing() {
    let site = site().await;
    let client = site.client(|client| client.metrics(Metrics::off()));
    LabClient::new(&client).echo(&Context::new(), "x".to_owned()).await.unwrap();
    assert!(client.metrics().is_off());
    assert_eq!(client.metrics().render(), "# EOF\n");
}

#[tokio::test]
async fn a_node_that_does_not_take_a_call_is_one_attempt_more() {
    let site = site().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = site.client(|client| client.address(closed.to_string()));
    let lab = LabClient::new(&client);
    for _ in 0..20 {
        lab.echo(&Context::new(), "x".to_owned()).await.unwrap();
    }
    let attempts = client.metrics().snapshot().value("micro_client_attempts", &[]).unwrap();
    assert!(attempts > 20.0, "{attempts}");
    assert_eq!(ended(&client.metrics(), CLIENT, "Echo", "ok"), 20.0);
}

#[tokio::test]
async fn a_client_shows_its_views_of_the_registry() {
    let discovery = Discovery::new(Arc::new(Memory::new()));
    let service = Service::new("lab").environment(Environment::empty()).handle(Lab::default());
    let client = Client::builder().environment(Environment::empty()).discovery(discovery.clone()).build();
    let running = service.with_client(client.clone()).start().await.unwrap();
    LabClient::new(&client).echo(&Context::new(), "x".to_owned()).await.unwrap();
    let snapshot = client.metrics().snapshot();
    let lab = [("service", "lab")];
    assert_eq!(snapshot.value("micro_registry_view_nodes", &lab), Some(1.0));
    assert_eq!(snapshot.value("micro_registry_view_age_seconds", &lab), Some(0.0));
    assert_eq!(snapshot.value("micro_registry_watch_failures", &lab), Some(0.0));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_client_and_a_node_do_beside_calls_is_counted_too() {
    let service = Service::new("lab")
        .environment(Environment::empty())
        .protect(micro::admission::Protection::new().max_calls(10))
        .handle(Lab::default())
        .in_memory()
        .await
        .unwrap();
    let lab = LabClient::new(&service.client());
    lab.echo(&Context::new(), "Ada".to_owned()).await.unwrap();
    let snapshot = service.metrics().snapshot();
    let of = |name: &str, labels: &[(&str, &str)]| snapshot.value(name, labels);
    assert_eq!(of("micro_server_admitted", &[]), Some(1.0));
    assert_eq!(of("micro_server_refused", &[("reason", "limit")]), Some(0.0));
    assert_eq!(of("micro_client_retries", &[("service", "lab")]), Some(0.0));
    assert_eq!(of("micro_registry_view_nodes_out_of_use", &[("service", "lab")]), Some(0.0));
    assert_eq!(of("micro_node_registered", &[]), Some(1.0));
    assert_eq!(of("micro_node_state", &[("state", "ready")]), Some(1.0));
    assert_eq!(of("micro_node_state", &[("state", "draining")]), Some(0.0));
    service.stop().await.unwrap();
}
