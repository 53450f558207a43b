//! Code around calls, on both sides: what it sees, and what it can do.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use micro::call::{Invocation, Next, Payload};
use micro::client::ClientBuilder;
use micro::registry::Memory;
use micro::transport::Memory as Network;
use micro::{AnyMessage, Client, Code, Context, Error, Result, Running, Sender, Service, Streaming};

#[micro::service(package = "test.v1")]
pub trait Numbers {
    /// Adds, and says how often it was asked to.
    #[micro(idempotent)]
    async fn add(&self, ctx: &Context, numbers: (u32, u32)) -> Result<u32>;
    async fn fail(&self, ctx: &Context, code: String) -> Result<()>;
    async fn count(&self, ctx: &Context, upto: u32, out: &mut Sender<u32>) -> Result<()>;
    async fn sum(&self, ctx: &Context, numbers: Streaming<u32>) -> Result<u32>;
    async fn double(&self, ctx: &Context, numbers: Streaming<u32>, out: &mut Sender<u32>) -> Result<()>;
}

#[derive(Default)]
struct Handler {
    asked: AtomicUsize,
    log: Log,
}

#[micro::handler]
impl Numbers for Handler {
    async fn add(&self, ctx: &Context, (a, b): (u32, u32)) -> Result<u32> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.log.add("handler");
        ctx.set_header("asked", asked.to_string())?;
        ctx.set_trailer("done", asked.to_string())?;
        if asked < 3 && ctx.metadata().contains("fails-at-first") {
            return Err(Error::unavailable("not yet"));
        }
        Ok(a + b)
    }

    async fn fail(&self, _ctx: &Context, code: String) -> Result<()> {
        Err(Error::new(code.parse()?, "as you wish"))
    }

    async fn count(&self, ctx: &Context, upto: u32, out: &mut Sender<u32>) -> Result<()> {
        ctx.set_header("upto", upto.to_string())?;
        ctx.set_trailer("done", "counting")?;
        for number in 1..=upto {
            out.send(number).await?;
        }
        if upto > 100 { Err(Error::out_of_range("too far")) } else { Ok(()) }
    }

    async fn sum(&self, _ctx: &Context, numbers: Streaming<u32>) -> Result<u32> {
        Ok(numbers.collect().await?.into_iter().sum())
    }

    async fn double(&self, ctx: &Context, mut numbers: Streaming<u32>, out: &mut Sender<u32>) -> Result<()> {
        ctx.set_header("doubles", "yes")?;
        while let Some(number) = numbers.next().await? {
            out.send(2 * number).await?;
        }
        Ok(())
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, event: impl Into<String>) {
        self.0.lock().unwrap().push(event.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The service and a client, each with interceptors.
async fn start(
    service: impl FnOnce(Service) -> Service,
    client: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> (Running, NumbersClient) {
    start_with(Handler::default(), service, client).await
}

async fn start_with(
    handler: Handler,
    service: impl FnOnce(Service) -> Service,
    client: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> (Running, NumbersClient) {
    let (registry, network) = (Memory::new(), Network::new());
    let base = Service::new("numbers").registry(registry.clone()).transport(network.clone());
    let running = service(base).spread_delay(Duration::ZERO).handle(handler).start().await.unwrap();
    let client = client(Client::builder().registry(registry).transport(network)).build();
    (running, NumbersClient::new(&client))
}

/// A client alone, in front of a plain service.
async fn client(options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> (Running, NumbersClient) {
    start(|service| service, options).await
}

/// A plain client in front of a service.
async fn service(options: impl FnOnce(Service) -> Service) -> (Running, NumbersClient) {
    start(options, |client| client).await
}

/// Notes when a call passes, and when its answer does.
fn notes(log: &Log, name: &'static str) -> impl micro::call::Interceptor + use<> {
    let log = log.clone();
    move |call: Invocation, next: Next| {
        let log = log.clone();
        async move {
            log.add(format!("> {name}"));
            let answer = next.run(call).await;
            log.add(format!("< {name}"));
            answer
        }
    }
}

#[tokio::test]
async fn the_first_one_is_the_outermost_on_both_sides() {
    let log = Log::default();
    let handler = Handler { log: log.clone(), ..Handler::default() };
    let (_service, numbers) = start_with(
        handler,
        |service| service.intercept(notes(&log, "service 1")).intercept(notes(&log, "service 2")),
        |client| client.intercept(notes(&log, "client 1")).intercept(notes(&log, "client 2")),
    )
    .await;
    assert_eq!(numbers.add(&Context::new(), (1, 2)).await.unwrap(), 3);
    let way_there = ["> client 1", "> client 2", "> service 1", "> service 2", "handler"];
    let way_back = ["< service 2", "< service 1", "< client 2", "< client 1"];
    assert_eq!(log.take(), [&way_there[..], &way_back].concat());
}

#[tokio::test]
async fn a_client_sees_the_metadata_of_a_message() {
    let log = Log::default();
    let seen = log.clone();
    let look = move |call: Invocation, next: Next| {
        let seen = seen.clone();
        async move {
            let answer = next.run(call).await?;
            let header = answer.headers().and_then(|headers| headers.get("asked"));
            let trailer = answer.trailers().and_then(|trailers| trailers.get("done"));
            seen.add(format!("{header:?} {trailer:?}"));
            Ok(answer)
        }
    };
    let (_service, numbers) = client(|client| client.intercept(look)).await;
    numbers.add(&Context::new(), (1, 2)).await.unwrap();
    numbers.add(&Context::new(), (1, 2)).await.unwrap();
    assert_eq!(log.take(), [r#"Some("1") Some("1")"#, r#"Some("2") Some("2")"#]);
    numbers.sum(&Context::new(), Streaming::from_iter([1, 2])).await.unwrap();
    assert_eq!(log.take(), ["None None"]);
}

#[tokio::test]
async fn a_client_sees_the_metadata_of_a_stream_as_it_comes() {
    let log = Log::default();
    let seen = log.clone();
    let look = move |call: Invocation, next: Next| {
        let seen = seen.clone();
        async move {
            let known = match next.run(call).await? {
                Payload::Stream(mut messages) => {
                    seen.add(format!("{:?}", messages.headers().map(|headers| headers.get("upto"))));
                    let mut all = Vec::new();
                    while let Some(message) = messages.next().await? {
                        all.push(message);
                    }
                    seen.add(format!("{:?}", messages.trailers().map(|trailers| trailers.get("done"))));
                    Payload::Stream(all.into_iter().collect())
                }
                message => message,
            };
            Ok(known)
        }
    };
    let (_service, numbers) = client(|client| client.intercept(look)).await;
    let answers = numbers.count(&Context::new(), 3).response().await.unwrap();
    assert_eq!(answers.headers().get("upto"), Some("3"), "the caller sees it behind another stream too");
    let mut answers = answers.into_inner();
    assert_eq!(answers.headers().unwrap().get("upto"), Some("3"));
    let mut all = Vec::new();
    while let Some(answer) = answers.next().await.unwrap() {
        all.push(answer);
    }
    assert_eq!(all, [1, 2, 3]);
    assert_eq!(answers.trailers().unwrap().get("done"), Some("counting"));
    assert_eq!(log.take(), [r#"Some(Some("3"))"#, r#"Some(Some("counting"))"#]);
}

#[tokio::test]
async fn an_answer_that_is_replaced_keeps_the_metadata_of_the_call() {
    async fn replace(call: Invocation, next: Next) -> Result<Payload> {
        next.run(call).await?;
        Ok(Payload::Message(AnyMessage::new(42_u32)))
    }
    let (_service, numbers) = client(|client| client.intercept(replace)).await;
    let response = numbers.add(&Context::new(), (1, 2)).response().await.unwrap();
    assert_eq!(response.headers().get("asked"), Some("1"));
    assert_eq!(response.trailers().get("done"), Some("1"));
    assert_eq!(response.into_inner(), 42);
}

#[tokio::test]
async fn an_answer_in_place_of_a_call_sends_nothing() {
    async fn answer(call: Invocation, _next: Next) -> Result<Payload> {
        Ok(match call.request {
            Payload::Message(_) if !call.method.response.stream => Payload::Message(AnyMessage::new(7_u32)),
            _ => Payload::Stream([7_u32, 8].into_iter().map(AnyMessage::new).collect()),
        })
    }
    // There is no service at all.
    let client = Client::builder().registry(Memory::new()).intercept(answer).build();
    let numbers = NumbersClient::new(&client);
    let response = numbers.add(&Context::new(), (1, 2)).response().await.unwrap();
    assert!(response.headers().is_empty() && response.trailers().is_empty());
    assert_eq!(response.into_inner(), 7);
    let answers = numbers.count(&Context::new(), 3).await.unwrap();
    assert_eq!(answers.collect().await.unwrap(), [7, 8]);

    let (_service, numbers) = service(|service| service.intercept(answer)).await;
    assert_eq!(numbers.add(&Context::new(), (1, 2)).await.unwrap(), 7);
    let answers = numbers.double(&Context::new(), Streaming::from_iter([1])).await.unwrap();
    assert_eq!(answers.collect().await.unwrap(), [7, 8]);
}

/// Tries again while the service is not available.
async fn retry(mut call: Invocation, next: Next) -> Result<Payload> {
    loop {
        let Some(again) = call.try_clone() else { return next.run(call).await };
        match next.clone().run(call).await {
            Err(error) if error.code() == Code::Unavailable => call = again,
            answer => return answer,
        }
    }
}

#[tokio::test]
async fn a_call_with_one_message_can_be_made_again() {
    let (_service, numbers) = client(|client| client.intercept(retry)).await;
    let call = numbers.add(&Context::new(), (1, 2)).metadata("fails-at-first", "yes");
    let response = call.response().await.unwrap();
    assert_eq!(response.headers().get("asked"), Some("3"), "the metadata is that of the last attempt");
    assert_eq!(response.into_inner(), 3);

    let (_service, numbers) = service(|service| service.intercept(retry)).await;
    let call = numbers.add(&Context::new(), (1, 2)).metadata("fails-at-first", "yes");
    assert_eq!(call.await.unwrap(), 3);
}

#[tokio::test]
async fn a_stream_is_used_up_by_the_first_attempt() {
    async fn has_none(call: Invocation, next: Next) -> Result<Payload> {
        assert_eq!(call.try_clone().is_some(), !call.method.request.stream);
        next.run(call).await
    }
    let (_service, numbers) =
        start(|service| service.intercept(has_none), |client| client.intercept(has_none)).await;
    let sum = numbers.sum(&Context::new(), Streaming::from_iter([1, 2])).await.unwrap();
    assert_eq!((sum, numbers.add(&Context::new(), (1, 2)).await.unwrap()), (3, 3));
    assert_eq!(numbers.count(&Context::new(), 2).await.unwrap().collect().await.unwrap(), [1, 2]);
}

#[tokio::test]
async fn an_attempt_that_changes_its_message_changes_no_other() {
    async fn first_with_more(mut call: Invocation, next: Next) -> Result<Payload> {
        let again = call.try_clone().unwrap();
        if let Payload::Message(message) = &mut call.request {
            message.downcast_mut::<(u32, u32)>().unwrap().0 += 100;
        }
        let first = next.clone().run(call).await?;
        let Payload::Message(first) = first else { panic!("it is a message") };
        assert_eq!(first.take::<u32>()?, 103);
        next.run(again).await
    }
    let (_service, numbers) =
        start(|service| service.intercept(first_with_more), |client| client.intercept(retry)).await;
    assert_eq!(numbers.add(&Context::new(), (1, 2)).await.unwrap(), 3);
}

#[tokio::test]
async fn all_attempts_share_one_deadline() {
    let (_service, numbers) = client(|client| client.intercept(retry)).await;
    let call = numbers.fail(&Context::new(), "unavailable".to_owned()).timeout(Duration::from_millis(50));
    assert_eq!(call.await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn a_service_sets_metadata_on_answers_of_all_shapes() {
    async fn label(call: Invocation, next: Next) -> Result<Payload> {
        let context = call.context.clone();
        context.set_header("label", "before")?;
        let answer = next.run(call).await;
        context.set_header("label", "after")?;
        context.set_trailer("label", "behind")?;
        answer
    }
    let (_service, numbers) = service(|service| service.intercept(label)).await;
    let labels = |metadata: &micro::Metadata| {
        metadata.get_all("label").map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    let ctx = Context::new();
    let response = numbers.add(&ctx, (1, 2)).response().await.unwrap();
    assert_eq!(
        (labels(response.headers()), labels(response.trailers())),
        ("before after".into(), "behind".into())
    );
    let response = numbers.sum(&ctx, Streaming::from_iter([1])).response().await.unwrap();
    assert_eq!(
        (labels(response.headers()), labels(response.trailers())),
        ("before after".into(), "behind".into())
    );
    for mut answers in [
        numbers.count(&ctx, 2).await.unwrap(),
        numbers.double(&ctx, Streaming::from_iter([1, 2])).await.unwrap(),
    ] {
        while answers.next().await.unwrap().is_some() {}
        assert_eq!(labels(answers.headers().unwrap()), "before after");
        assert_eq!(labels(answers.trailers().unwrap()), "behind");
    }
    // An error has metadata as well.
    let error = numbers.fail(&ctx, "aborted".to_owned()).await.unwrap_err();
    assert_eq!(error.metadata().get_all("label").count(), 3);
}

#[tokio::test]
async fn a_service_knows_who_calls() {
    let log = Log::default();
    let seen = log.clone();
    let who = move |call: Invocation, next: Next| {
        seen.add(call.context.peer().unwrap_or("nobody"));
        next.run(call)
    };
    let (_service, numbers) = service(|service| service.intercept(who.clone())).await;
    numbers.add(&Context::new(), (1, 2)).await.unwrap();
    assert_eq!(log.take(), ["memory"]);

    let registry = Memory::new();
    // Its client is told nothing, and so calls in the process.
    let service = Service::new("numbers").environment(micro::Environment::empty()).registry(registry.clone());
    let service = service.intercept(who.clone()).handle(Handler::default()).start().await.unwrap();
    let numbers = NumbersClient::new(&Client::builder().registry(registry).build());
    numbers.add(&Context::new(), (1, 2)).await.unwrap();
    let seen = log.take();
    assert!(seen[0].starts_with("127.0.0.1:") && seen[0] != service.address(), "{seen:?}");
    let numbers = NumbersClient::new(&service.client());
    numbers.add(&Context::new(), (1, 2)).await.unwrap();
    assert_eq!(log.take(), ["in-process"]);

    // A client serves nobody.
    let (_service, numbers) = client(|client| client.intercept(who)).await;
    numbers.add(&Context::new(), (1, 2)).await.unwrap();
    assert_eq!(log.take(), ["nobody"]);
}

#[tokio::test]
async fn errors_of_what_follows_can_be_seen_and_changed() {
    async fn soften(call: Invocation, next: Next) -> Result<Payload> {
        next.run(call).await.map_err(|error| match error.code() {
            Code::NotFound => Error::failed_precondition(format!("softened: {}", error.message())),
            _ => error,
        })
    }
    let log = Log::default();
    let seen = log.clone();
    let look = move |call: Invocation, next: Next| {
        let seen = seen.clone();
        async move {
            let answer = next.run(call).await;
            if let Err(error) = &answer {
                seen.add(format!("{error}"));
            }
            answer
        }
    };
    let (_service, numbers) =
        start(|service| service.intercept(soften), |client| client.intercept(look)).await;
    let error = numbers.fail(&Context::new(), "not_found".to_owned()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::FailedPrecondition, "softened: as you wish"));
    let error = numbers.fail(&Context::new(), "aborted".to_owned()).await.unwrap_err();
    assert_eq!(error.code(), Code::Aborted);
    let answered = "(answered by test.v1.Numbers/Fail)";
    assert_eq!(
        log.take(),
        [
            format!("failed_precondition: softened: as you wish {answered}"),
            format!("aborted: as you wish {answered}"),
        ]
    );
}

#[tokio::test]
async fn an_interceptor_that_fails_is_the_end_of_the_call() {
    async fn refuse(_call: Invocation, _next: Next) -> Result<Payload> {
        Err(Error::permission_denied("not you"))
    }
    let ctx = Context::new();
    for numbers in
        [service(|service| service.intercept(refuse)).await, client(|client| client.intercept(refuse)).await]
    {
        let (_service, numbers) = numbers;
        let errors = [
            numbers.add(&ctx, (1, 2)).await.map(drop),
            numbers.sum(&ctx, Streaming::from_iter([1])).await.map(drop),
            // A stream from a service fails where it is read.
            async { numbers.count(&ctx, 1).await?.collect().await.map(drop) }.await,
            async { numbers.double(&ctx, Streaming::from_iter([1])).await?.collect().await.map(drop) }.await,
        ];
        for error in errors {
            let error = error.unwrap_err();
            assert_eq!((error.code(), error.message()), (Code::PermissionDenied, "not you"));
        }
    }
}

#[tokio::test]
async fn one_that_panics_is_an_error_of_this_call() {
    async fn panics(call: Invocation, next: Next) -> Result<Payload> {
        assert!(!call.context.metadata().contains("panic"), "on purpose");
        next.run(call).await
    }
    let (_service, numbers) = service(|service| service.intercept(panics)).await;
    let error = numbers.add(&Context::new(), (1, 2)).metadata("panic", "yes").await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert_eq!(numbers.add(&Context::new(), (1, 2)).await.unwrap(), 3);
}

/// Notes every message that passes, the end, and the error that is the end.
fn watched(payload: Payload, log: &Log, name: &'static str) -> Payload {
    let Payload::Stream(messages) = payload else { return payload };
    let (each, failed, ended) = (log.clone(), log.clone(), log.clone());
    let watched = messages
        .inspect_ok(move |message| each.add(format!("{name} {}", message.to_json().unwrap())))
        .inspect_err(move |error| failed.add(format!("{name} failed: {}", error.message())))
        .chain(futures_util::stream::poll_fn(move |_| {
            ended.add(format!("{name} ended"));
            std::task::Poll::Ready(None)
        }));
    Payload::Stream(Streaming::from_stream(watched))
}

fn watches(log: &Log, names: [&'static str; 2]) -> impl micro::call::Interceptor + use<> {
    let log = log.clone();
    move |mut call: Invocation, next: Next| {
        let log = log.clone();
        async move {
            call.request = watched(call.request, &log, names[0]);
            Ok(watched(next.run(call).await?, &log, names[1]))
        }
    }
}

#[tokio::test]
async fn every_message_of_a_stream_can_be_looked_at_on_both_sides() {
    let log = Log::default();
    let (_service, numbers) = start(
        |service| service.intercept(watches(&log, ["taken", "answered"])),
        |client| client.intercept(watches(&log, ["sent", "got"])),
    )
    .await;
    let (mut sender, questions) = Streaming::channel();
    let mut answers = numbers.double(&Context::new(), questions).await.unwrap();
    for number in [1, 2] {
        sender.send(number).await.unwrap();
        assert_eq!(answers.next().await.unwrap(), Some(2 * number));
        let double = 2 * number;
        let passed = [
            format!("sent {number}"),
            format!("taken {number}"),
            format!("answered {double}"),
            format!("got {double}"),
        ];
        assert_eq!(log.take(), passed);
    }
    drop(sender);
    assert_eq!(answers.next().await.unwrap(), None);
    assert_eq!(answers.headers().unwrap().get("doubles"), Some("yes"));
    assert_eq!(log.take(), ["sent ended", "taken ended", "answered ended", "got ended"]);
}

#[tokio::test]
async fn the_error_of_a_stream_can_be_seen_on_both_sides() {
    let log = Log::default();
    let (_service, numbers) = start(
        |service| service.intercept(watches(&log, ["", "answered"])),
        |client| client.intercept(watches(&log, ["", "got"])),
    )
    .await;
    let error = numbers.count(&Context::new(), 101).await.unwrap().collect().await.unwrap_err();
    assert_eq!(error.message(), "too far");
    let failed: Vec<_> = log.take().into_iter().filter(|event| event.contains("failed")).collect();
    assert_eq!(failed, ["answered failed: too far", "got failed: too far"]);
}
