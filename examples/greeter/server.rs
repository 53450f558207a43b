//! Serves the contract. Run it in one terminal, and the client in another:
//!
//! ```text
//! cargo run --example greeter-server
//! cargo run --example greeter-client
//! ```

pub mod contract;

use contract::{Greeter, HelloReply, HelloRequest, Line, Number, Upto};
use micro::{Context, Error, Result, Sender, Service, Streaming};

struct Polite {
    title: &'static str,
}

#[micro::handler]
impl Greeter for Polite {
    async fn hello(&self, _ctx: &Context, request: HelloRequest) -> Result<HelloReply> {
        if request.name.is_empty() {
            return Err(Error::invalid_argument("`name` is empty: whom shall I greet?"));
        }
        Ok(HelloReply { message: format!("Good day, {} {}", self.title, request.name) })
    }

    async fn count(&self, _ctx: &Context, upto: Upto, out: &mut Sender<Number>) -> Result<()> {
        for value in 1..=upto.last {
            // Waits when the caller reads more slowly, and fails when it has gone away.
            out.send(Number { value }).await?;
        }
        Ok(())
    }

    async fn sum(&self, _ctx: &Context, mut numbers: Streaming<Number>) -> Result<Number> {
        let mut sum = 0u32;
        while let Some(number) = numbers.next().await? {
            sum = sum
                .checked_add(number.value)
                .ok_or_else(|| Error::out_of_range("the sum is over 32 bits"))?;
        }
        Ok(Number { value: sum })
    }

    async fn chat(&self, ctx: &Context, mut lines: Streaming<Line>, out: &mut Sender<Line>) -> Result<()> {
        while let Some(line) = lines.next().await? {
            // The body borrows `self` and `ctx`: no clone, no spawned task.
            let reply = self.hello(ctx, HelloRequest { name: line.text }).await?;
            out.send(Line { text: reply.message }).await?;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_target(false).with_max_level(tracing::Level::INFO).init();
    Service::new("greeter").handle(Polite { title: "Dr" }).run().await
}
