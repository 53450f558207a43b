//! One message each way: what a call carries, and how it ends.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use micro::call::{Invocation, Next, Payload};
use micro::{AnyMessage, Client, Code, Context, Detail, Error, Result, Running, Service};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

/// A message with every kind of field.
#[derive(Clone, Debug, PartialEq, micro::Message, Serialize, Deserialize)]
pub struct Everything {
    pub text: String,
    pub number: i64,
    pub list: Vec<Option<f64>>,
    pub nested: Option<Box<Self>>,
}

#[micro::service(package = "test.v1")]
pub trait Probe {
    async fn echo(&self, ctx: &Context, request: Everything) -> Result<Everything>;
    async fn fail(&self, ctx: &Context, code: String) -> Result<()>;
    async fn describe(&self, ctx: &Context, request: ()) -> Result<Vec<String>>;
    async fn hang(&self, ctx: &Context, request: ()) -> Result<()>;
    #[micro(timeout = "50ms")]
    async fn hang_briefly(&self, ctx: &Context, request: ()) -> Result<()>;
    async fn remaining(&self, ctx: &Context, request: ()) -> Result<Option<u64>>;
    async fn panic(&self, ctx: &Context, request: ()) -> Result<()>;
    async fn spawn(&self, ctx: &Context, request: ()) -> Result<()>;
    async fn add(&self, ctx: &Context, numbers: (u32, u32)) -> Result<u32>;
}

#[derive(Default)]
struct Handler {
    started: Notify,
    dropped: Arc<Notify>,
    spawned_ended: Arc<Notify>,
}

/// Tells when it is dropped.
struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[micro::handler]
impl Probe for Handler {
    async fn echo(&self, _ctx: &Context, request: Everything) -> Result<Everything> {
        Ok(request)
    }

    async fn fail(&self, ctx: &Context, code: String) -> Result<()> {
        ctx.set_trailer("reason", "asked for")?;
        let mut error = Error::new(code.parse()?, "as you wish")
            .with_detail(Detail::new("test.v1.Why", &b"because"[..]))
            .with_source(std::io::Error::other("this stays here"));
        error.metadata_mut().insert("retry-after", "3")?;
        Err(error)
    }

    async fn describe(&self, ctx: &Context, _request: ()) -> Result<Vec<String>> {
        ctx.set_header("before", "head")?;
        ctx.set_trailer("after", "tail")?;
        ctx.set_trailer("bytes-bin", [0, 255])?;
        let tenant = ctx.metadata().get_all("tenant").map(str::to_owned).collect::<Vec<_>>();
        let bytes = ctx.metadata().get_bytes("token-bin").map(|bytes| format!("{bytes:?}"));
        Ok([tenant, bytes.into_iter().collect()].concat())
    }

    async fn hang(&self, _ctx: &Context, _request: ()) -> Result<()> {
        let _guard = OnDrop(self.dropped.clone());
        self.started.notify_one();
        std::future::pending().await
    }

    async fn hang_briefly(&self, _ctx: &Context, _request: ()) -> Result<()> {
        std::future::pending().await
    }

    async fn remaining(&self, ctx: &Context, _request: ()) -> Result<Option<u64>> {
        Ok(ctx.remaining().map(|remaining| u64::try_from(remaining.as_millis()).unwrap()))
    }

    async fn panic(&self, _ctx: &Context, _request: ()) -> Result<()> {
        panic!("secret");
    }

    async fn spawn(&self, ctx: &Context, _request: ()) -> Result<()> {
        let (ctx, ended) = (ctx.clone(), self.spawned_ended.clone());
        tokio::spawn(async move {
            ctx.cancelled().await;
            assert!(ctx.is_cancelled());
            ended.notify_one();
        });
        Ok(())
    }

    async fn add(&self, _ctx: &Context, (left, right): (u32, u32)) -> Result<u32> {
        Ok(left + right)
    }
}

async fn start() -> (Arc<Handler>, Running, ProbeClient) {
    let handler = Arc::new(Handler::default());
    let service = Service::new("probe").handle(handler.clone()).in_memory().await.unwrap();
    let client = ProbeClient::new(&service.client());
    (handler, service, client)
}

fn everything() -> Everything {
    let inner = Everything { text: "größer".into(), number: -1, list: vec![None, Some(0.5)], nested: None };
    Everything { text: String::new(), number: i64::MAX, list: vec![], nested: Some(Box::new(inner)) }
}

#[tokio::test]
async fn a_message_comes_back_as_it_was_sent() {
    let (_, _service, probe) = start().await;
    let reply = probe.echo(&Context::new(), everything()).await.unwrap();
    assert_eq!(reply, everything());
    assert_eq!(probe.add(&Context::new(), (2, 3)).await.unwrap(), 5);
}

#[tokio::test]
async fn every_code_arrives_with_its_message_details_metadata_and_origin() {
    let (_, _service, probe) = start().await;
    for code in Code::ALL {
        let error = probe.fail(&Context::new(), code.to_string()).await.unwrap_err();
        assert_eq!(error.code(), *code);
        assert_eq!(error.message(), "as you wish");
        assert_eq!(error.details(), [Detail::new("test.v1.Why", &b"because"[..])]);
        assert_eq!(error.metadata().get("retry-after"), Some("3"));
        assert_eq!(error.metadata().get("reason"), Some("asked for"), "{:?}", error.metadata());
        assert_eq!(error.origin().as_deref(), Some("test.v1.Probe/Fail"));
        assert!(std::error::Error::source(&error).is_none(), "a source is not sent");
    }
}

#[tokio::test]
async fn metadata_travels_both_ways() {
    let (_, _service, probe) = start().await;
    let ctx = Context::new().with_metadata("tenant", "acme").unwrap();
    let call = probe.describe(&ctx, ()).metadata("Tenant", "umbrella").metadata("token-bin", [1, 2]);
    let response = call.response().await.unwrap();
    assert_eq!(response.headers().get("before"), Some("head"));
    assert_eq!(response.trailers().get("after"), Some("tail"));
    assert_eq!(response.trailers().get_bytes("bytes-bin").map(|bytes| &bytes[..]), Some(&[0u8, 255][..]));
    assert_eq!(response.into_inner(), ["acme", "umbrella", r#"b"\x01\x02""#]);
}

#[tokio::test]
async fn metadata_that_cannot_be_sent_fails_the_call_and_says_why() {
    let (_, _service, probe) = start().await;
    let error = probe.describe(&Context::new(), ()).metadata("a name", "x").await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("`a name` is not a metadata name"), "{error}");
    assert!(!error.is_remote());
}

#[tokio::test]
async fn the_deadline_ends_the_call_on_both_sides_and_says_how_long_it_was() {
    let (handler, _service, probe) = start().await;
    let error = probe.hang(&Context::new(), ()).timeout(Duration::from_millis(60)).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains("60ms"), "{error}");
    handler.dropped.notified().await;
}

#[tokio::test]
async fn a_method_has_the_timeout_that_its_contract_gives_it() {
    let (_, _service, probe) = start().await;
    let error = probe.hang_briefly(&Context::new(), ()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains("50ms"), "{error}");
}

#[tokio::test]
async fn the_nearest_deadline_holds() {
    let (_, _service, probe) = start().await;
    let remaining = async |ctx: &Context, timeout: Option<u64>| {
        let call = probe.remaining(ctx, ());
        let call =
            if let Some(millis) = timeout { call.timeout(Duration::from_millis(millis)) } else { call };
        call.await.unwrap().unwrap()
    };
    let default = remaining(&Context::new(), None).await;
    assert!((29_000..=30_000).contains(&default), "{default}");
    let of_context = remaining(&Context::new().with_timeout(Duration::from_secs(5)), None).await;
    assert!((4_000..=5_000).contains(&of_context), "{of_context}");
    let of_call = remaining(&Context::new().with_timeout(Duration::from_secs(5)), Some(2_000)).await;
    assert!((1_000..=2_000).contains(&of_call), "{of_call}");
    let of_context = remaining(&Context::new().with_timeout(Duration::from_secs(2)), Some(5_000)).await;
    assert!((1_000..=2_000).contains(&of_context), "{of_context}");
    let long = remaining(&Context::new(), Some(3_600_000)).await;
    assert!((3_590_000..=3_600_000).contains(&long), "{long}");
}

#[tokio::test]
async fn a_deadline_that_has_passed_sends_nothing() {
    let (_, _service, probe) = start().await;
    let error = probe.echo(&Context::new().with_timeout(Duration::ZERO), everything()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.was_never_processed());
}

#[tokio::test]
async fn a_call_that_is_dropped_drops_its_handler() {
    let (handler, _service, probe) = start().await;
    let call = tokio::spawn({
        let probe = probe.clone();
        async move { probe.hang(&Context::new(), ()).await }
    });
    handler.started.notified().await;
    call.abort();
    handler.dropped.notified().await;
    // The connection goes on to serve.
    probe.echo(&Context::new(), everything()).await.unwrap();
}

#[tokio::test]
async fn a_task_that_a_handler_spawned_hears_that_the_call_is_over() {
    let (handler, _service, probe) = start().await;
    probe.spawn(&Context::new(), ()).await.unwrap();
    handler.spawned_ended.notified().await;
}

#[tokio::test]
async fn a_panic_is_an_internal_error_of_that_call_and_keeps_its_text_to_itself() {
    let (_, _service, probe) = start().await;
    let error = probe.panic(&Context::new(), ()).await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert_eq!(error.message(), "the handler of test.v1.Probe/Panic panicked");
    probe.echo(&Context::new(), everything()).await.unwrap();
}

#[tokio::test]
async fn code_that_is_generic_over_the_contract_takes_the_service_and_a_client_of_it() {
    async fn sum(probe: &impl Probe) -> u32 {
        probe.add(&Context::new(), (20, 22)).await.unwrap()
    }
    let (handler, _service, client) = start().await;
    assert_eq!(sum(&*handler).await, 42);
    assert_eq!(sum(&client).await, 42);
}

#[tokio::test]
async fn a_call_can_be_moved_into_a_task() {
    let (_, _service, probe) = start().await;
    let call = probe.add(&Context::new(), (1, 2)).timeout(Duration::from_secs(5)).into_future();
    assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn interceptors_of_a_service_see_change_and_answer() {
    async fn outer(call: Invocation, next: Next) -> Result<Payload> {
        assert_eq!(call.method.path, "/test.v1.Probe/Add");
        if call.context.metadata().contains("refuse") {
            return Err(Error::permission_denied("refused"));
        }
        if call.context.metadata().contains("answer") {
            return Ok(Payload::Message(AnyMessage::new(7u32)));
        }
        next.run(call).await
    }
    async fn inner(mut call: Invocation, next: Next) -> Result<Payload> {
        if let Payload::Message(message) = &mut call.request {
            assert!(message.to_json()?.is_array());
            message.downcast_mut::<(u32, u32)>().unwrap().0 *= 10;
        }
        match next.run(call).await? {
            Payload::Message(sum) => Ok(Payload::Message(AnyMessage::new(sum.take::<u32>()? + 1))),
            stream => Ok(stream),
        }
    }
    let service = Service::new("probe").handle(Arc::<Handler>::default()).intercept(outer).intercept(inner);
    let service = service.in_memory().await.unwrap();
    let probe = ProbeClient::new(&service.client());
    let ctx = Context::new();
    assert_eq!(probe.add(&ctx, (2, 3)).await.unwrap(), 24);
    assert_eq!(probe.add(&ctx, (2, 3)).metadata("answer", "").await.unwrap(), 7);
    let error = probe.add(&ctx, (2, 3)).metadata("refuse", "").await.unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn interceptors_of_a_client_stand_around_its_calls() {
    let (seen, mut paths) = mpsc::unbounded_channel();
    let memory = micro::registry::Memory::new();
    let _service = Service::new("probe")
        .handle(Arc::<Handler>::default())
        .registry(memory.clone())
        .start()
        .await
        .unwrap();
    let client = Client::builder().registry(memory).intercept(move |mut call: Invocation, next: Next| {
        let seen = seen.clone();
        async move {
            seen.send(call.method.path).unwrap();
            call.context = call.context.with_metadata("tenant", "from the interceptor")?;
            next.run(call).await
        }
    });
    let probe = ProbeClient::new(&client.build());
    let response = probe.describe(&Context::new(), ()).response().await.unwrap();
    assert_eq!(response.headers().get("before"), Some("head"), "metadata passes interceptors");
    assert_eq!(response.into_inner(), ["from the interceptor"]);
    assert_eq!(paths.recv().await, Some("/test.v1.Probe/Describe"));
}

#[tokio::test]
async fn an_interceptor_that_puts_in_another_type_is_told_so() {
    async fn wrong(mut call: Invocation, next: Next) -> Result<Payload> {
        call.request = Payload::Message(AnyMessage::new("no numbers".to_owned()));
        next.run(call).await
    }
    let service =
        Service::new("probe").handle(Arc::<Handler>::default()).intercept(wrong).in_memory().await.unwrap();
    let error = ProbeClient::new(&service.client()).add(&Context::new(), (1, 2)).await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert!(error.message().contains("an interceptor replaced"), "{error}");
}

#[tokio::test]
async fn the_deadline_holds_for_interceptors_as_well() {
    async fn hang(_call: Invocation, _next: Next) -> Result<Payload> {
        std::future::pending().await
    }
    let memory = micro::registry::Memory::new();
    let service = Service::new("probe").handle(Arc::<Handler>::default()).registry(memory.clone());
    let _service = service.start().await.unwrap();
    let probe = ProbeClient::new(&Client::builder().registry(memory).intercept(hang).build());
    let error = probe.add(&Context::new(), (1, 2)).timeout(Duration::from_millis(30)).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn interceptors_of_a_client_see_the_metadata_of_the_call() {
    async fn look(call: Invocation, next: Next) -> Result<Payload> {
        assert_eq!(call.context.outgoing().get("tenant"), Some("acme"));
        next.run(call).await
    }
    let memory = micro::registry::Memory::new();
    let service = Service::new("probe").handle(Arc::<Handler>::default()).registry(memory.clone());
    let _service = service.start().await.unwrap();
    let probe = ProbeClient::new(&Client::builder().registry(memory).intercept(look).build());
    let seen = probe.describe(&Context::new(), ()).metadata("tenant", "acme").await.unwrap();
    assert_eq!(seen, ["acme"]);
}

#[tokio::test]
async fn an_interceptor_tells_the_handler_who_calls() {
    #[derive(Clone, Debug)]
    struct User(String);

    struct Who;

    #[micro::handler]
    impl Who {
        pub async fn am_i(&self, ctx: &Context, _request: ()) -> Result<String> {
            let user: Option<&User> = ctx.value();
            user.map(|user| user.0.clone()).ok_or_else(|| Error::unauthenticated("nobody"))
        }
    }

    async fn authenticate(mut call: Invocation, next: Next) -> Result<Payload> {
        let token =
            call.context.metadata().get("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let user = User(token.ok_or_else(|| Error::unauthenticated("send a token"))?.to_owned());
        call.context = call.context.with_value(user);
        next.run(call).await
    }
    let service = Service::new("who").handle(Who).intercept(authenticate).in_memory().await.unwrap();
    let who = WhoClient::new(&service.client());
    let ctx = Context::new();
    assert_eq!(who.am_i(&ctx, ()).metadata("authorization", "Bearer ada").await.unwrap(), "ada");
    assert_eq!(who.am_i(&ctx, ()).await.unwrap_err().code(), Code::Unauthenticated);
    // A handler is tested without any of that.
    assert_eq!(Who.am_i(&ctx.with_value(User("bob".to_owned())), ()).await.unwrap(), "bob");
}

#[tokio::test]
async fn names_that_belong_to_http_are_not_metadata() {
    let (_, _service, probe) = start().await;
    for name in ["content-type", "user-agent", "grpc-timeout"] {
        let error = probe.describe(&Context::new(), ()).metadata(name, "x").await.unwrap_err();
        assert!(error.message().contains("belongs to HTTP"), "{error}");
    }
}

struct Nested(ProbeClient);

#[micro::handler]
impl Nested {
    pub async fn answered(&self, ctx: &Context, code: String) -> Result<()> {
        self.0.fail(ctx, code).await
    }

    pub async fn forwarded(&self, ctx: &Context, code: String) -> Result<()> {
        self.0.fail(ctx, code).await.map_err(Error::forward)
    }

    pub async fn wrong(&self, ctx: &Context, _request: ()) -> Result<()> {
        self.0.hang(ctx, ()).metadata("no name", "x").await
    }
}

#[tokio::test]
async fn the_error_of_a_nested_call_is_told_without_its_words_unless_it_is_forwarded() {
    let (_, _service, probe) = start().await;
    let outer = Service::new("nested").handle(Nested(probe)).in_memory().await.unwrap();
    let nested = NestedClient::new(&outer.client());
    let ctx = Context::new();
    let error = nested.answered(&ctx, "not_found".to_owned()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        (Code::Internal, "a call to test.v1.Probe/Fail failed with not_found")
    );
    let error = nested.answered(&ctx, "unavailable".to_owned()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(!error.message().contains("as you wish"), "{error}");
    let error = nested.forwarded(&ctx, "not_found".to_owned()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::NotFound, "as you wish"));
    assert_eq!(error.origin().as_deref(), Some("Nested/Forwarded"));
    let error = nested.wrong(&ctx, ()).await.unwrap_err();
    assert_eq!(error.code(), Code::Internal, "the caller of the outer method did nothing wrong: {error}");
}

#[tokio::test]
async fn an_answer_over_the_clients_limit_is_refused_with_both_sizes() {
    let memory = micro::registry::Memory::new();
    let _service = Service::new("probe")
        .handle(Arc::<Handler>::default())
        .registry(memory.clone())
        .start()
        .await
        .unwrap();
    let probe = ProbeClient::new(&Client::builder().registry(memory).max_message_size(100).build());
    let request = Everything { text: "x".repeat(200), ..everything() };
    let error = probe.echo(&Context::new(), request).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(error.message().contains("100 bytes"), "{error}");
}

#[tokio::test]
async fn an_unknown_codec_is_an_error_with_the_known_ones() {
    let (_, _service, probe) = start().await;
    let error = probe.add(&Context::new(), (1, 2)).codec("yaml").await.unwrap_err();
    assert_eq!(error.message(), "`yaml` is not a codec of this client; known: json, proto");
    let error = probe.add(&Context::new(), (1, 2)).codec("proto").await.unwrap_err();
    assert!(error.message().contains("have no `proto` encoding; known: json"), "{error}");
}
