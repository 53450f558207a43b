//! Calls between services in one process: nothing is sent, and all else is as it is on a wire.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "common/handlers.rs"]
mod handlers;
#[path = "common/soon.rs"]
mod soon;

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use micro::admission::{Protection, RateLimit};
use micro::call::{Invocation, Next, Payload};
use micro::client::Protocol;
use micro::registry::{Discovery, Memory as Registry};
use micro::server::Limits;
use micro::transport::{BoxIo, Listener, Memory as Network, Transport, async_trait};
use micro::{Client, Code, Context, Detail, Environment, Error, Result, Running, Sender, Service, Streaming};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::Notify;

use handlers::{Counter, Handlers, counted};
use soon::soon;

/// A message that can be neither written nor read.
#[derive(Debug, PartialEq, micro::Message)]
pub struct Solid(u64);

impl Serialize for Solid {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it was written"))
    }
}

impl<'de> Deserialize<'de> for Solid {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("it was read"))
    }
}

#[micro::service(package = "test.v1")]
pub trait Probe {
    async fn keep(&self, ctx: &Context, request: Solid) -> Result<Solid>;
    async fn count(&self, ctx: &Context, upto: Solid, out: &mut Sender<Solid>) -> Result<()>;
    async fn sum(&self, ctx: &Context, numbers: Streaming<Solid>) -> Result<Solid>;
    async fn double(&self, ctx: &Context, numbers: Streaming<Solid>, out: &mut Sender<Solid>) -> Result<()>;
    async fn echo(&self, ctx: &Context, text: String) -> Result<String>;
    async fn fail(&self, ctx: &Context, text: String) -> Result<()>;
    async fn fail_later(&self, ctx: &Context, sent: u64, out: &mut Sender<u64>) -> Result<()>;
    async fn panic(&self, ctx: &Context, request: ()) -> Result<()>;
    async fn panic_later(&self, ctx: &Context, request: (), out: &mut Sender<u64>) -> Result<()>;
    async fn hang(&self, ctx: &Context, request: ()) -> Result<()>;
    async fn trickle(&self, ctx: &Context, request: (), out: &mut Sender<u64>) -> Result<()>;
    async fn swallow(&self, ctx: &Context, numbers: Streaming<u64>) -> Result<u64>;
    async fn released(&self, ctx: &Context, request: ()) -> Result<String>;
    async fn remaining(&self, ctx: &Context, request: ()) -> Result<Option<u64>>;
    async fn dive(&self, ctx: &Context, depth: u64) -> Result<u64>;
    async fn compute(&self, ctx: &Context, millis: u64) -> Result<Option<String>>;
}

struct Handler {
    counter: Counter,
    begun: Arc<Notify>,
    release: Arc<Notify>,
    /// Of the service itself.
    client: ProbeClient,
}

#[micro::handler]
impl Probe for Handler {
    async fn keep(&self, _ctx: &Context, request: Solid) -> Result<Solid> {
        Ok(request)
    }

    async fn count(&self, ctx: &Context, upto: Solid, out: &mut Sender<Solid>) -> Result<()> {
        ctx.set_header("upto", upto.0.to_string())?;
        for number in 1..=upto.0 {
            out.send(Solid(number)).await?;
        }
        ctx.set_trailer("sent", upto.0.to_string())
    }

    async fn sum(&self, _ctx: &Context, mut numbers: Streaming<Solid>) -> Result<Solid> {
        let mut sum = 0;
        while let Some(Solid(number)) = numbers.next().await? {
            sum += number;
        }
        Ok(Solid(sum))
    }

    async fn double(
        &self,
        ctx: &Context,
        mut numbers: Streaming<Solid>,
        out: &mut Sender<Solid>,
    ) -> Result<()> {
        let mut first = true;
        while let Some(Solid(number)) = numbers.next().await? {
            if std::mem::take(&mut first) {
                ctx.set_header("first", number.to_string())?;
            }
            out.send(Solid(2 * number)).await?;
        }
        Ok(())
    }

    async fn echo(&self, ctx: &Context, text: String) -> Result<String> {
        ctx.set_header("peer", ctx.peer().unwrap_or_default())?;
        if let Some(tenant) = ctx.metadata().get("tenant") {
            ctx.set_trailer("tenant", tenant)?;
        }
        Ok(text)
    }

    async fn fail(&self, ctx: &Context, text: String) -> Result<()> {
        ctx.set_trailer("reason", "asked for")?;
        let error = Error::aborted(text).with_source(io::Error::other("a secret")).never_processed();
        Err(error.with_detail(Detail::new("test.v1.Why", &b"so"[..])))
    }

    async fn fail_later(&self, _ctx: &Context, sent: u64, out: &mut Sender<u64>) -> Result<()> {
        for number in 0..sent {
            out.send(number).await?;
        }
        Err(Error::out_of_range("no more").with_source(io::Error::other("a secret")))
    }

    async fn panic(&self, _ctx: &Context, _request: ()) -> Result<()> {
        panic!("a secret")
    }

    async fn panic_later(&self, _ctx: &Context, _request: (), out: &mut Sender<u64>) -> Result<()> {
        out.send(1).await?;
        panic!("a secret")
    }

    async fn hang(&self, _ctx: &Context, _request: ()) -> Result<()> {
        let _runs = self.counter.runs();
        std::future::pending().await
    }

    async fn trickle(&self, _ctx: &Context, _request: (), out: &mut Sender<u64>) -> Result<()> {
        let _runs = self.counter.runs();
        out.send(1).await?;
        std::future::pending().await
    }

    async fn swallow(&self, _ctx: &Context, mut numbers: Streaming<u64>) -> Result<u64> {
        let _runs = self.counter.runs();
        let mut count = 0;
        while numbers.next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    async fn released(&self, _ctx: &Context, _request: ()) -> Result<String> {
        let _runs = self.counter.runs();
        self.begun.notify_one();
        self.release.notified().await;
        Ok("done".to_owned())
    }

    async fn remaining(&self, ctx: &Context, _request: ()) -> Result<Option<u64>> {
        Ok(ctx.remaining().map(|remaining| remaining.as_secs()))
    }

    async fn dive(&self, ctx: &Context, depth: u64) -> Result<u64> {
        match depth.checked_sub(1) {
            Some(rest) => Ok(1 + self.client.dive(ctx, rest).await.map_err(Error::forward)?),
            None => Ok(0),
        }
    }

    async fn compute(&self, _ctx: &Context, millis: u64) -> Result<Option<String>> {
        std::thread::sleep(Duration::from_millis(millis));
        Ok(tokio::task::try_id().map(|id| id.to_string()))
    }
}

/// A network in memory that counts the connections that are made.
#[derive(Clone, Debug, Default)]
struct Counting {
    network: Network,
    made: Arc<AtomicUsize>,
}

#[async_trait]
impl Transport for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        self.network.listen(address).await
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.network.connect(address).await
    }
}

/// A place for services that know each other.
#[derive(Clone)]
struct Place {
    registry: Registry,
    discovery: Discovery,
    transport: Counting,
}

struct Lab {
    place: Place,
    running: Running,
    handlers: Handlers,
    begun: Arc<Notify>,
    release: Arc<Notify>,
}

impl Place {
    fn new() -> Self {
        let registry = Registry::new();
        let discovery = Discovery::new(Arc::new(registry.clone()));
        Self { registry, discovery, transport: Counting::default() }
    }

    fn client(&self) -> micro::client::ClientBuilder {
        let client = Client::builder().environment(Environment::empty()).transport(self.transport.clone());
        client.discovery(self.discovery.clone())
    }

    async fn start(&self, options: impl FnOnce(Service) -> Service) -> Lab {
        let (counter, handlers) = counted();
        let (begun, release) = <(Arc<Notify>, Arc<Notify>)>::default();
        let client = self.client().build();
        let handler = Handler {
            counter,
            begun: begun.clone(),
            release: release.clone(),
            client: ProbeClient::new(&client),
        };
        let service = Service::new("probe")
            .environment(Environment::empty())
            .transport(self.transport.clone())
            .with_client(client)
            .spread_delay(Duration::ZERO)
            .handle(handler);
        let running = options(service).start().await.unwrap();
        Lab { place: self.clone(), running, handlers, begun, release }
    }

    /// How many connections were made so far.
    fn connections(&self) -> usize {
        self.transport.made.load(Ordering::Relaxed)
    }
}

impl Lab {
    async fn start() -> Self {
        Place::new().start(|service| service).await
    }

    fn probe(&self) -> ProbeClient {
        ProbeClient::new(&self.place.client().build())
    }

    /// The end of every test that is to have sent nothing.
    fn nothing_was_sent(&self) {
        assert_eq!(self.place.connections(), 0);
    }
}

#[tokio::test]
async fn a_message_is_neither_written_nor_read_nor_sent() {
    let lab = Lab::start().await;
    assert_eq!(lab.probe().keep(&Context::new(), Solid(7)).await.unwrap(), Solid(7));
    lab.nothing_was_sent();
}

#[tokio::test]
async fn streams_pass_as_they_are() {
    let (lab, ctx) = (Lab::start().await, Context::new());
    let probe = lab.probe();
    let numbers = || Streaming::from_iter((1..=1000).map(Solid));

    let response = soon(probe.count(&ctx, Solid(1000)).response()).await.unwrap();
    assert_eq!(response.headers().get("upto"), Some("1000"));
    let mut counted = response.into_inner();
    for number in 1..=1000 {
        assert_eq!(soon(counted.next()).await.unwrap(), Some(Solid(number)));
    }
    assert_eq!(counted.trailers(), None, "there is more to come");
    assert_eq!(soon(counted.next()).await.unwrap(), None);
    assert_eq!(counted.trailers().unwrap().get("sent"), Some("1000"));

    assert_eq!(soon(probe.sum(&ctx, numbers()).send()).await.unwrap(), Solid(500_500));

    let mut doubled = soon(probe.double(&ctx, numbers()).send()).await.unwrap();
    assert_eq!(soon(doubled.next()).await.unwrap(), Some(Solid(2)));
    assert_eq!(doubled.headers().unwrap().get("first"), Some("1"));
    assert_eq!(soon(doubled.collect()).await.unwrap().len(), 999);
    lab.nothing_was_sent();
}

#[tokio::test]
async fn a_caller_may_send_all_it_has_before_it_reads() {
    let lab = Lab::start().await;
    let (mut sender, numbers) = Streaming::channel();
    let mut doubled = soon(lab.probe().double(&Context::new(), numbers).send()).await.unwrap();
    for number in 0..200 {
        soon(sender.send(Solid(number))).await.unwrap();
    }
    drop(sender);
    let mut read = 0;
    while soon(doubled.next()).await.unwrap().is_some() {
        read += 1;
    }
    assert_eq!(read, 200);
}

#[tokio::test]
async fn metadata_goes_both_ways() {
    let lab = Lab::start().await;
    let call = lab.probe().echo(&Context::new(), "hi".to_owned()).metadata("tenant", "acme");
    let response = call.response().await.unwrap();
    assert_eq!(response.get_ref(), "hi");
    assert_eq!(response.headers().get("peer"), Some("in-process"));
    assert_eq!(response.trailers().get("tenant"), Some("acme"));
    lab.nothing_was_sent();
}

#[tokio::test]
async fn an_error_is_that_of_a_remote_method_and_brings_nothing_that_would_not_travel() {
    let (lab, ctx) = (Lab::start().await, Context::new());
    let error = lab.probe().fail(&ctx, "no".to_owned()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Aborted, "no"));
    assert!(error.is_remote() && error.source().is_none() && !error.was_never_processed());
    assert_eq!(error.origin().as_deref(), Some("test.v1.Probe/Fail"));
    assert_eq!(error.details()[0].type_name(), "test.v1.Why");
    assert_eq!(error.metadata().get("reason"), Some("asked for"));

    let mut numbers = lab.probe().fail_later(&ctx, 2).await.unwrap();
    assert_eq!(soon(numbers.next()).await.unwrap(), Some(0));
    assert_eq!(soon(numbers.next()).await.unwrap(), Some(1));
    let error = soon(numbers.next()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::OutOfRange, "no more"));
    assert!(error.is_remote() && error.source().is_none());
    assert_eq!(soon(numbers.next()).await.unwrap(), None);
    lab.nothing_was_sent();
}

#[tokio::test]
async fn a_panic_is_internal_and_says_nothing_more() {
    let (lab, ctx) = (Lab::start().await, Context::new());
    let error = lab.probe().panic(&ctx, ()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Code::Internal, "the handler of test.v1.Probe/Panic panicked")
    );
    assert!(error.is_remote());

    let mut numbers = lab.probe().panic_later(&ctx, ()).await.unwrap();
    assert_eq!(soon(numbers.next()).await.unwrap(), Some(1));
    assert_eq!(soon(numbers.next()).await.unwrap_err().code(), Code::Internal);
    lab.nothing_was_sent();
}

#[tokio::test]
async fn the_deadline_holds_for_messages_and_streams() {
    let (lab, ctx) = (Lab::start().await, Context::new());
    let (probe, short) = (lab.probe(), Duration::from_millis(50));
    assert_eq!(probe.remaining(&ctx, ()).timeout(Duration::from_secs(10)).await.unwrap(), Some(9));

    let error = soon(probe.hang(&ctx, ()).timeout(short).send()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(error.message(), "test.v1.Probe/Hang was not answered within 50ms");
    lab.handlers.are(0).await;

    let mut numbers = probe.trickle(&ctx, ()).timeout(short).await.unwrap();
    assert_eq!(soon(numbers.next()).await.unwrap(), Some(1));
    // The handler ends, whether its caller reads on or not.
    lab.handlers.are(0).await;
    assert_eq!(soon(numbers.next()).await.unwrap_err().code(), Code::DeadlineExceeded);
    lab.nothing_was_sent();
}

#[tokio::test]
async fn a_call_that_is_dropped_drops_its_handler() {
    let (lab, ctx) = (Lab::start().await, Context::new());
    let probe = lab.probe();
    let hanging = tokio::spawn(probe.hang(&ctx, ()).send());
    lab.handlers.are(1).await;
    hanging.abort();
    lab.handlers.are(0).await;

    let numbers = soon(probe.trickle(&ctx, ()).send()).await.unwrap();
    lab.handlers.are(1).await;
    drop(numbers);
    lab.handlers.are(0).await;

    let (sender, numbers) = Streaming::channel();
    let swallowing = tokio::spawn(probe.swallow(&ctx, numbers).send());
    lab.handlers.are(1).await;
    swallowing.abort();
    lab.handlers.are(0).await;
    soon(sender.closed()).await;
    lab.nothing_was_sent();
}

#[tokio::test]
async fn an_error_in_the_stream_of_the_caller_ends_the_call_with_it() {
    let lab = Lab::start().await;
    let (mut sender, numbers) = Streaming::channel();
    let swallowing = tokio::spawn(lab.probe().swallow(&Context::new(), numbers).send());
    soon(sender.send(1)).await.unwrap();
    lab.handlers.are(1).await;
    soon(sender.fail(Error::data_loss("my own fault"))).await.unwrap();
    let error = soon(swallowing).await.unwrap().unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::DataLoss, "my own fault"));
    assert!(!error.is_remote());
    lab.handlers.are(0).await;
}

/// Says that it was passed, and what it saw.
async fn noting(
    mut call: Invocation,
    next: Next,
    name: &'static str,
    seen: Arc<std::sync::Mutex<Vec<String>>>,
) -> Result<Payload> {
    if let Payload::Message(message) = &mut call.request
        && let Some(text) = message.downcast_mut::<String>()
    {
        text.push_str(name);
        seen.lock().unwrap().push(format!("{name} sees {text}"));
    }
    let answer = next.run(call).await?;
    if name == "!" {
        // The client's side hears of the headers.
        seen.lock().unwrap().push(format!("headers: {}", answer.headers().is_some()));
    }
    Ok(answer)
}

#[tokio::test]
async fn the_interceptors_of_both_sides_see_the_call() {
    let (place, seen) = (Place::new(), Arc::new(std::sync::Mutex::new(Vec::new())));
    let notes = |name: &'static str| {
        let seen = seen.clone();
        move |call: Invocation, next: Next| noting(call, next, name, seen.clone())
    };
    let lab = place.start(|service| service.intercept(notes("?"))).await;
    let probe = ProbeClient::new(&place.client().intercept(notes("!")).build());
    assert_eq!(probe.echo(&Context::new(), "hi".to_owned()).await.unwrap(), "hi!?");
    assert_eq!(*seen.lock().unwrap(), ["! sees hi!", "? sees hi!?", "headers: true"]);
    assert_eq!(probe.keep(&Context::new(), Solid(7)).await.unwrap(), Solid(7));
    let sum = probe.sum(&Context::new(), Streaming::from_iter([1, 2].map(Solid))).await.unwrap();
    assert_eq!(sum, Solid(3));
    lab.nothing_was_sent();
}

/// The same contract, by somebody who has another type for its messages.
mod elsewhere {
    use super::*;

    #[derive(Debug, PartialEq, micro::Message, Serialize, Deserialize)]
    #[serde(transparent)]
    pub(crate) struct Text {
        pub(crate) text: String,
    }

    #[micro::service(package = "test.v1")]
    pub(crate) trait Probe {
        async fn echo(&self, ctx: &Context, text: Text) -> Result<Text>;
        async fn nothing(&self, ctx: &Context, text: Text) -> Result<Text>;
        async fn fail_later(&self, ctx: &Context, sent: i64, out: &mut Sender<i64>) -> Result<()>;
        async fn swallow(&self, ctx: &Context, numbers: Streaming<i64>) -> Result<i64>;
    }
}

#[tokio::test]
async fn who_has_other_types_goes_through_the_encoding() {
    let (lab, ctx) = (Lab::start().await, Context::new());
    let probe = elsewhere::ProbeClient::new(&lab.place.client().build());
    let text = |text: &str| elsewhere::Text { text: text.to_owned() };
    assert_eq!(probe.echo(&ctx, text("hi")).await.unwrap(), text("hi"));
    assert_eq!(soon(probe.swallow(&ctx, Streaming::from_iter([1, 2, 3])).send()).await.unwrap(), 3);
    let mut numbers = probe.fail_later(&ctx, 2).await.unwrap();
    assert_eq!(soon(numbers.next()).await.unwrap(), Some(0));
    assert_eq!(soon(numbers.next()).await.unwrap(), Some(1));
    assert_eq!(soon(numbers.next()).await.unwrap_err().message(), "no more");

    // The service reads no negative number.
    let error = probe.fail_later(&ctx, -1).await.unwrap().next().await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let error = probe.nothing(&ctx, text("hi")).await.unwrap_err();
    assert_eq!(error.code(), Code::Unimplemented);
    assert!(error.is_remote() && error.message().contains("has no method `Nothing`"), "{error}");
    lab.nothing_was_sent();
}

#[tokio::test]
async fn no_limit_of_sizes_holds() {
    let place = Place::new();
    let lab = place.start(|service| service.limits(Limits::new().max_message_size(10))).await;
    let long = "x".repeat(100);
    assert_eq!(lab.probe().echo(&Context::new(), long.clone()).await.unwrap(), long);
    lab.nothing_was_sent();
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let (lab, ctx) = (Lab::start().await, Context::new());
    let off = Environment::from_iter([("MICRO_IN_PROCESS", "off")]);
    let clients = [
        lab.place.client().in_process(false).build(),
        lab.place.client().environment(off.clone()).build(),
        // Who says how to call is not called otherwise.
        lab.place.client().protocol(Protocol::Connect).build(),
        lab.place.client().http_get(true).build(),
    ];
    for (number, client) in clients.iter().enumerate() {
        let probe = ProbeClient::new(client);
        let response = probe.echo(&ctx, "hi".to_owned()).response().await.unwrap();
        assert_eq!(response.headers().get("peer"), Some("memory"));
        assert_eq!(lab.place.connections(), number + 1);
    }
    let on = lab.place.client().environment(off).in_process(true).build();
    let response = ProbeClient::new(&on).echo(&ctx, "hi".to_owned()).response().await.unwrap();
    assert_eq!(response.headers().get("peer"), Some("in-process"), "code wins");
}

#[tokio::test]
async fn services_that_were_given_nothing_in_common_use_the_wire() {
    let lab = Lab::start().await;
    let stranger = Client::builder()
        .environment(Environment::empty())
        .registry(lab.place.registry.clone())
        .transport(lab.place.transport.clone())
        .build();
    let response =
        ProbeClient::new(&stranger).echo(&Context::new(), "hi".to_owned()).response().await.unwrap();
    assert_eq!(response.headers().get("peer"), Some("memory"));
    assert_eq!(lab.place.connections(), 1);
}

#[tokio::test]
async fn the_client_of_a_running_service_reaches_it_directly_but_not_in_memory() {
    let lab = Lab::start().await;
    let of_running = ProbeClient::new(&lab.running.client());
    assert_eq!(of_running.keep(&Context::new(), Solid(1)).await.unwrap(), Solid(1));
    lab.nothing_was_sent();

    // A service in memory is for tests, and there all is encoded.
    let (counter, _handlers) = counted();
    let client = ProbeClient::new(&Client::new());
    let handler = Handler { counter, begun: Arc::default(), release: Arc::default(), client };
    let running = Service::new("probe").handle(handler).in_memory().await.unwrap();
    let error = ProbeClient::new(&running.client()).keep(&Context::new(), Solid(1)).await.unwrap_err();
    assert!(error.message().contains("it was written"), "{error}");
}

#[tokio::test]
async fn a_service_with_layers_is_called_over_http() {
    let place = Place::new();
    let lab = place.start(|service| service.layer(tower::layer::util::Identity::new())).await;
    let response = lab.probe().echo(&Context::new(), "hi".to_owned()).response().await.unwrap();
    assert_eq!(response.headers().get("peer"), Some("memory"));
    assert_eq!(place.connections(), 1);
}

#[tokio::test]
async fn a_handler_that_calls_itself_does_not_overflow_the_stack() {
    let lab = Lab::start().await;
    let dived = soon(lab.probe().dive(&Context::new(), 900).send()).await.unwrap();
    assert_eq!(dived, 900);
    lab.nothing_was_sent();
}

#[tokio::test]
async fn a_handler_that_computes_for_long_gets_tasks_of_its_own() {
    let (lab, ctx) = (Lab::start().await, Context::new());
    let probe = lab.probe();
    let caller = tokio::spawn(async move {
        let here = Some(tokio::task::id().to_string());
        assert_eq!(probe.compute(&ctx, 2).await.unwrap(), here, "nobody knows yet");
        assert_ne!(probe.compute(&ctx, 0).await.unwrap(), here);
    });
    soon(caller).await.unwrap();
    lab.nothing_was_sent();
}

#[tokio::test]
async fn calls_for_which_there_is_no_room_are_sent_and_wait_as_all_others() {
    let place = Place::new();
    let lab = place.start(|service| service.limits(Limits::new().max_concurrent_streams(1))).await;
    let (probe, ctx) = (lab.probe(), Context::new());
    let first = tokio::spawn(probe.released(&ctx, ()).send());
    lab.handlers.are(1).await;
    let response = soon(probe.echo(&ctx, "hi".to_owned()).response()).await.unwrap();
    assert_eq!(response.headers().get("peer"), Some("memory"));
    lab.release.notify_one();
    assert_eq!(soon(first).await.unwrap().unwrap(), "done");
    let response = soon(probe.echo(&ctx, "hi".to_owned()).response()).await.unwrap();
    assert_eq!(response.headers().get("peer"), Some("in-process"));
}

#[tokio::test]
async fn a_call_that_waited_for_room_in_vain_goes_to_another_node() {
    let (place, ctx) = (Place::new(), Context::new());
    let protection = Protection::new().max_calls(1).queue(9, Duration::from_millis(20));
    let busy = place.start(|service| service.id("1").protect(protection.clone())).await;
    let _other = place.start(|service| service.id("2")).await;
    // From elsewhere, so that those who balance do not know of it.
    let elsewhere = Client::builder()
        .environment(Environment::empty())
        .transport(place.transport.clone())
        .address(busy.running.address());
    let first = tokio::spawn(ProbeClient::new(&elsewhere.build()).released(&ctx, ()).send());
    busy.handlers.are(1).await;
    let probe = busy.probe();
    soon(async {
        while protection.counts().queued == 0 {
            assert_eq!(probe.echo(&ctx, "hi".to_owned()).await.unwrap(), "hi");
        }
    })
    .await;
    assert_eq!((protection.counts().queued, protection.counts().refused_by_limit), (1, 1));
    busy.release.notify_one();
    soon(first).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_panic_of_what_decides_who_is_let_in_is_an_error_of_the_call() {
    let key = RateLimit::per_second(1).key(|_| panic!("no key"));
    let protections = [
        Protection::new().max_calls(9).priority(|_| panic!("no priority")),
        Protection::new().rate_limit(key),
    ];
    for protection in protections {
        let lab = Place::new().start(|service| service.protect(protection)).await;
        let error = lab.probe().echo(&Context::new(), "hi".to_owned()).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal);
        assert!(error.is_remote() && error.message().contains("panicked"), "{error}");
        lab.nothing_was_sent();
    }
}

#[tokio::test]
async fn a_service_that_stops_waits_for_its_calls_and_takes_no_new_ones() {
    let (place, ctx) = (Place::new(), Context::new());
    let lab = place.start(|service| service.id("1")).await;
    let probe = lab.probe();
    let first = tokio::spawn(probe.released(&ctx, ()).send());
    soon(lab.begun.notified()).await;
    let stopping = tokio::spawn(lab.running.stop());
    // It has left the registry, and says so as any service that nobody serves.
    let refused = loop {
        match soon(probe.echo(&ctx, "hi".to_owned()).send()).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(refused) => break refused,
        }
    };
    assert!(refused.was_never_processed(), "{refused}");
    assert!(!stopping.is_finished());
    lab.release.notify_one();
    assert_eq!(soon(first).await.unwrap().unwrap(), "done");
    soon(stopping).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_done_in_time_is_cut_off() {
    let (place, ctx) = (Place::new(), Context::new());
    let lab = place.start(|service| service.drain_timeout(Duration::from_millis(20))).await;
    let probe = lab.probe();
    let hanging = tokio::spawn(probe.hang(&ctx, ()).send());
    let (_sender, numbers) = Streaming::channel();
    let swallowing = tokio::spawn(probe.swallow(&ctx, numbers).send());
    let mut trickling = soon(probe.trickle(&ctx, ()).send()).await.unwrap();
    lab.handlers.are(3).await;
    soon(lab.running.stop()).await.unwrap();
    lab.handlers.are(0).await;
    let ends = [soon(hanging).await.unwrap().unwrap_err(), soon(swallowing).await.unwrap().unwrap_err(), {
        assert_eq!(soon(trickling.next()).await.unwrap(), Some(1));
        soon(trickling.next()).await.unwrap_err()
    }];
    for end in ends {
        assert_eq!(end.code(), Code::Unavailable, "{end}");
        assert!(!end.is_remote() && !end.was_never_processed() && end.message().contains("cut off"), "{end}");
    }
}

#[tokio::test]
async fn calls_move_to_another_node_when_one_stops() {
    let (place, ctx) = (Place::new(), Context::new());
    let (one, other) =
        (place.start(|service| service.id("1")).await, place.start(|service| service.id("2")).await);
    let probe = one.probe();
    let calling = tokio::spawn(async move {
        for _ in 0..2000 {
            probe.keep(&ctx, Solid(1)).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    soon(one.running.stop()).await.unwrap();
    soon(calling).await.unwrap();
    assert_eq!(place.connections(), 0);
    drop(other);
}
