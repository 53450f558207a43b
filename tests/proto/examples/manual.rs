//! The service that the commands in the manual call. `ci/manual.sh` runs them.

use micro::registry::Memory;
use micro::{Context, Error, Result, Sender, Service, Streaming};

mod proto {
    #![allow(missing_docs)]
    micro::include_protos!("manual.rs");
}

use proto::greeter::v1::{CountRequest, Greeter, HelloReply, HelloRequest, Line, Number, Total};

struct Polite;

#[micro::handler]
impl Greeter for Polite {
    async fn hello(&self, _ctx: &Context, request: HelloRequest) -> Result<HelloReply> {
        Ok(HelloReply { text: format!("Good day, {}", request.name) })
    }

    async fn count(&self, _ctx: &Context, _request: CountRequest, _out: &mut Sender<Number>) -> Result<()> {
        Err(uncalled())
    }

    async fn sum(&self, _ctx: &Context, _numbers: Streaming<Number>) -> Result<Total> {
        Err(uncalled())
    }

    async fn chat(&self, _ctx: &Context, _lines: Streaming<Line>, _out: &mut Sender<Line>) -> Result<()> {
        Err(uncalled())
    }
}

fn uncalled() -> Error {
    Error::unimplemented("no command of the manual calls this")
}

struct Say;

#[micro::handler]
impl Say {
    /// Greets one person.
    pub async fn hello(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(format!("Hello, {name}!"))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let service = Service::new("greeter").registry(Memory::new()).handle(Polite).handle(Say).start().await?;
    println!("{}", service.address());
    service.until_signal().await
}
