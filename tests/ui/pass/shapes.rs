//! All shapes of methods, in a contract and without one, served by one type each.

#![deny(warnings)]

use micro::{Context, Result, Sender, Streaming};
use serde::{Deserialize, Serialize};

#[derive(micro::Message, Serialize, Deserialize)]
struct Request {
    name: String,
}

#[derive(micro::Message, Serialize, Deserialize)]
struct Reply {
    text: String,
}

/// Greets people.
#[micro::service(package = "greeter.v1")]
trait Greeter {
    /// Greets one person.
    #[micro(idempotent, timeout = "1s 500ms")]
    async fn hello(&self, ctx: &Context, request: Request) -> Result<Reply>;
    async fn count(&self, ctx: &Context, upto: u32, out: &mut Sender<u32>) -> Result<()>;
    async fn sum(&self, ctx: &Context, numbers: Streaming<u32>) -> Result<u64>;
    async fn chat(&self, ctx: &Context, lines: Streaming<String>, out: &mut Sender<String>) -> Result<()>;
    async fn list(&self, ctx: &Context, request: ()) -> Result<Streaming<Reply>>;
}

struct Polite;

#[micro::handler]
impl Greeter for Polite {
    async fn hello(&self, _ctx: &Context, request: Request) -> Result<Reply> {
        Ok(Reply { text: format!("Hello {}", request.name) })
    }
    async fn count(&self, _ctx: &Context, upto: u32, out: &mut Sender<u32>) -> Result<()> {
        for number in 1..=upto {
            out.send(number).await?;
        }
        Ok(())
    }
    async fn sum(&self, _ctx: &Context, mut numbers: Streaming<u32>) -> Result<u64> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await? {
            sum += u64::from(number);
        }
        Ok(sum)
    }
    async fn chat(
        &self,
        ctx: &Context,
        mut lines: Streaming<String>,
        out: &mut Sender<String>,
    ) -> Result<()> {
        while let Some(name) = lines.next().await? {
            out.send(self.hello(ctx, Request { name }).await?.text).await?;
        }
        Ok(())
    }
    async fn list(&self, _ctx: &Context, (): ()) -> Result<Streaming<Reply>> {
        Ok(Streaming::empty())
    }
}

struct Say;

/// Says things.
#[micro::handler]
impl Say {
    pub fn new() -> Self {
        Self
    }
    /// Greets one person.
    #[micro(idempotent)]
    pub async fn hello(&self, _ctx: &Context, request: Request) -> Result<Reply> {
        Ok(Reply { text: request.name })
    }
    pub async fn count(&self, _ctx: &Context, upto: u32, out: &mut Sender<u32>) -> Result<()> {
        self.help(upto, out).await
    }
    async fn help(&self, upto: u32, out: &mut Sender<u32>) -> Result<()> {
        out.send(upto).await
    }
    #[micro(skip)]
    #[allow(dead_code)]
    pub async fn unrelated(self) {}
    #[subscribe(topic = "greeted", group = "audit")]
    async fn on_greeted(&self, _ctx: &Context, _event: Reply) -> Result<()> {
        Ok(())
    }
}

async fn generic(greeter: &impl Greeter, ctx: &Context) -> Result<u64> {
    greeter.sum(ctx, Streaming::from_iter([1, 2, 3])).await
}

fn handles(_: impl micro::endpoint::Handler) {}

#[allow(dead_code)]
async fn calls(client: &micro::Client, ctx: &Context) -> Result<()> {
    let greeter = GreeterClient::new(client);
    let _: Reply = greeter.hello(ctx, Request { name: "Ada".into() }).await?;
    let mut counts: Streaming<u32> = greeter.count(ctx, 3).await?;
    counts.next().await?;
    let _: u64 = greeter.sum(ctx, Streaming::from_iter([1])).await?;
    let _: Streaming<String> = greeter.chat(ctx, Streaming::empty()).await?;
    let _: Streaming<Reply> = greeter.list(ctx, ()).await?;
    generic(&greeter, ctx).await?;
    generic(&Polite, ctx).await?;
    let say = SayClient::with_name(client, "other");
    let _: Reply = say.hello(ctx, Request { name: "Ada".into() }).await?;
    let _: Streaming<u32> = say.clone().count(ctx, 1).await?;
    Ok(())
}

pub(crate) fn main() {
    handles(Polite);
    handles(Say::new());
    let methods = GreeterClient::DESCRIPTOR.methods;
    assert_eq!(methods[0].path, "/greeter.v1.Greeter/Hello");
    assert_eq!(methods[0].doc, "Greets one person.");
    assert!(methods[0].idempotent && methods[0].is_unary());
    assert_eq!(methods[0].timeout, Some(std::time::Duration::from_millis(1500)));
    let streams: Vec<_> =
        methods.iter().map(|method| (method.request.stream, method.response.stream)).collect();
    assert_eq!(streams, [(false, false), (false, true), (true, false), (true, true), (false, true)]);
    assert_eq!(SayClient::DESCRIPTOR.methods[0].endpoint(), "Say.Hello");
    assert_eq!(SayClient::DESCRIPTOR.methods.len(), 2);
    assert_eq!(SayClient::DESCRIPTOR.doc, "Says things.");
}
