//! The service that is called: every shape, a message with everything that proto3 has, events, and
//! limits that are small enough to be met.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use micro::registry::Memory as Registry;
use micro::server::{Cors, HttpService, Limits, RequestBody, ResponseBody};
use micro::transport::Memory;
use micro::{Context, Environment, Error, Result, Running, Sender, Service, Streaming};
use tower::ServiceExt;

/// Where the service listens in its network.
pub(crate) const ADDRESS: &str = "lab:1";

/// The largest message, in bytes.
pub(crate) const MAX_MESSAGE_SIZE: usize = 4 * 1024;

/// Generated messages.
#[allow(missing_docs, unreachable_pub)]
pub(crate) mod proto {
    micro::include_protos!();
}

pub(crate) use proto::conformance::v1 as messages;

/// One method of each shape, and what else there is to a contract.
#[micro::service(package = "fuzz.v1")]
pub trait Lab {
    /// Answers the same; can be called with GET.
    #[micro(idempotent)]
    async fn echo(&self, ctx: &Context, text: String) -> Result<String>;
    /// Answers each letter.
    async fn split(&self, ctx: &Context, text: String, out: &mut Sender<String>) -> Result<()>;
    /// Answers all texts as one.
    async fn join(&self, ctx: &Context, texts: Streaming<String>) -> Result<String>;
    /// Answers each text.
    async fn chat(&self, ctx: &Context, texts: Streaming<String>, out: &mut Sender<String>) -> Result<()>;
    /// Answers the same, whatever it is.
    async fn same(&self, ctx: &Context, message: messages::WellKnown) -> Result<messages::WellKnown>;
    /// Fails as it is told.
    async fn fail(&self, ctx: &Context, text: String) -> Result<()>;
}

struct Keeper;

#[micro::handler]
impl Lab for Keeper {
    async fn echo(&self, ctx: &Context, text: String) -> Result<String> {
        repeat_metadata(ctx)?;
        Ok(text)
    }

    async fn split(&self, ctx: &Context, text: String, out: &mut Sender<String>) -> Result<()> {
        repeat_metadata(ctx)?;
        for letter in text.chars() {
            out.send(letter.to_string()).await?;
        }
        Ok(())
    }

    async fn join(&self, _ctx: &Context, mut texts: Streaming<String>) -> Result<String> {
        let mut all = String::new();
        while let Some(text) = texts.next().await? {
            all.push_str(&text);
        }
        Ok(all)
    }

    async fn chat(
        &self,
        ctx: &Context,
        mut texts: Streaming<String>,
        out: &mut Sender<String>,
    ) -> Result<()> {
        repeat_metadata(ctx)?;
        while let Some(text) = texts.next().await? {
            out.send(text).await?;
        }
        Ok(())
    }

    async fn same(&self, _ctx: &Context, message: messages::WellKnown) -> Result<messages::WellKnown> {
        Ok(message)
    }

    async fn fail(&self, _ctx: &Context, text: String) -> Result<()> {
        let code = text.split(' ').next().unwrap_or_default().parse().unwrap_or(micro::Code::Aborted);
        let mut error = Error::new(code, text.clone()).with_detail(micro::Detail::of(&text)?);
        error.metadata_mut().insert("words-bin", &text)?;
        Err(error)
    }
}

/// Hears of events.
struct Listener;

#[micro::handler]
impl Listener {
    #[subscribe(topic = "said")]
    async fn on_said(&self, _ctx: &Context, text: String) -> Result<()> {
        if text.is_empty() { Err(Error::invalid_argument("nothing was said")) } else { Ok(()) }
    }
}

/// What came with the call goes back, around the answer, unless it means something to a protocol.
fn repeat_metadata(ctx: &Context) -> Result<()> {
    for (name, value) in ctx.metadata().iter().filter(|(name, _)| name.starts_with("x-")) {
        ctx.set_header(name, value)?;
        ctx.set_trailer(name, value)?;
    }
    Ok(())
}

fn limits() -> Limits {
    let seconds = Duration::from_secs;
    Limits::new()
        .max_message_size(MAX_MESSAGE_SIZE)
        .max_concurrent_streams(4)
        .max_connections(8)
        .max_pending_resets(4)
        .max_stream_errors(8)
        .max_send_buffer(1024)
        .header_timeout(seconds(5))
        .body_timeout(seconds(10))
        .write_timeout(seconds(20))
        .idle_timeout(seconds(30))
        .max_connection_age(seconds(120))
        .max_connection_age_grace(seconds(60))
}

/// Starts a service of calls alone or, `dressed`, one with all that can be around and beside them.
pub(crate) async fn start(network: &Memory, dressed: bool) -> Result<Running> {
    let service = Service::new("lab")
        .environment(Environment::empty())
        .transport(network.clone())
        .broker(micro::broker::Memory::new())
        .registry(Registry::new())
        .address(ADDRESS)
        // No clock but that of the input is to go.
        .register_ttl(Duration::from_secs(1_000_000))
        .register_interval(Duration::from_secs(500_000))
        .limits(limits())
        .handle(Keeper)
        .handle(Listener);
    if !dressed {
        return service.start().await;
    }
    service
        .compress(16)
        .cors(Cors::origins(["https://shop.example"]).credentials().headers(["content-type", "x-a"]))
        .layer(tower::layer::layer_fn(|inner: HttpService| {
            ServiceExt::<Request<RequestBody>>::map_response(inner, |mut response: Response<ResponseBody>| {
                response.headers_mut().insert("x-layer", http::HeaderValue::from_static("1"));
                response
            })
        }))
        .mount(tower::service_fn(mounted))
        .start()
        .await
}

/// Reads everything, and says how much that was.
async fn mounted(request: Request<RequestBody>) -> std::result::Result<Response<ResponseBody>, Infallible> {
    let mut body = request.into_body();
    let mut size = 0;
    while let Some(Ok(frame)) = body.frame().await {
        size += frame.data_ref().map_or(0, bytes::Bytes::len);
    }
    Ok(Response::new(ResponseBody::from(format!("{size} bytes"))))
}
