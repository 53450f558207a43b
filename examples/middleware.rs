//! What stands around calls: interceptors on both sides, which know the method, the context and the
//! messages, and tower layers around the whole port, which know HTTP.
//!
//! ```text
//! cargo run --example middleware
//! ```

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue, StatusCode};
use micro::call::{Invocation, Next, Payload};
use micro::{Client, Code, Context, Error, Result, Service};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

/// Keeps an account.
#[micro::service(package = "bank.v1")]
pub trait Account {
    /// What is in it.
    #[micro(idempotent)]
    async fn balance(&self, ctx: &Context, request: ()) -> Result<i64>;
    /// Puts something in, or takes something out.
    async fn book(&self, ctx: &Context, amount: i64) -> Result<i64>;
}

/// Who calls. The interceptor `authenticate` puts it into the context.
struct User(String);

#[derive(Default)]
struct Piggy {
    asked: AtomicUsize,
}

#[micro::handler]
impl Account for Piggy {
    async fn balance(&self, ctx: &Context, _request: ()) -> Result<i64> {
        // Every other time it is not there, so that there is something to retry.
        if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Err(Error::unavailable("the piggy bank is being shaken"));
        }
        let user: &User = ctx.value().ok_or_else(|| Error::internal("nobody was authenticated"))?;
        println!("service: the balance is for {}", user.0);
        Ok(42)
    }

    async fn book(&self, _ctx: &Context, amount: i64) -> Result<i64> {
        Ok(42 + amount)
    }
}

/// On the service: finds out who calls.
async fn authenticate(mut call: Invocation, next: Next) -> Result<Payload> {
    let token = call.context.metadata().get("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let user = match token {
        Some("token-of-ada") => User("ada".to_owned()),
        _ => return Err(Error::unauthenticated("send `authorization: Bearer …`")),
    };
    call.context = call.context.with_value(user);
    next.run(call).await
}

/// On the service: looks at messages, and tells something behind the answer.
async fn audit(call: Invocation, next: Next) -> Result<Payload> {
    let (method, context) = (call.method, call.context.clone());
    if let Payload::Message(message) = &call.request {
        let peer = context.peer().unwrap_or("somebody");
        println!("service: {peer} calls {} with {}", method.endpoint(), message.to_json()?);
    }
    let answer = next.run(call).await;
    context.set_trailer("audited", "yes")?;
    answer
}

/// On the client: sends a token with every call.
async fn with_token(mut call: Invocation, next: Next) -> Result<Payload> {
    call.context = call.context.with_metadata("authorization", "Bearer token-of-ada")?;
    next.run(call).await
}

/// On the client: makes a call once more where that does no harm.
async fn retry(call: Invocation, next: Next) -> Result<Payload> {
    let (path, again) = (call.method.path, call.try_clone().filter(|call| call.method.idempotent));
    let start = Instant::now();
    match (next.clone().run(call).await, again) {
        (Err(error), Some(again)) if error.code() == Code::Unavailable => {
            println!("client: {path} failed after {:.0?} and is made again: {error}", start.elapsed());
            next.run(again).await
        }
        (answer, _) => answer,
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let service = Service::new("account")
        .handle(Piggy::default())
        // The first interceptor is the outermost, and so is the first layer.
        .intercept(authenticate)
        .intercept(audit)
        .layer(SetResponseHeaderLayer::overriding(
            HeaderName::from_static("served-by"),
            HeaderValue::from_static("piggy-1"),
        ))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(5)))
        .start()
        .await?;

    let client = Client::builder().address(service.address()).intercept(retry).intercept(with_token);
    let account = AccountClient::new(&client.build());
    let ctx = Context::new();
    let balance = account.balance(&ctx, ()).response().await?;
    let header = |name| balance.headers().get(name).unwrap_or_default();
    let trailer = |name| balance.trailers().get(name).unwrap_or_default();
    println!(
        "client: served by {}, audited: {}, balance: {}",
        header("served-by"),
        trailer("audited"),
        balance.get_ref()
    );
    println!("client: after booking: {}", account.book(&ctx, -2).await?);

    let stranger = AccountClient::new(&Client::builder().address(service.address()).build());
    if let Err(error) = stranger.book(&ctx, -40).await {
        println!("stranger: {error}");
    }
    service.stop().await
}
