//! A service, and one call to it.

use micro::registry::Memory;
use micro::{Context, Result, Service};

micro::include_proto!("greeter.v1");

struct Polite;

#[micro::handler]
impl Greeter for Polite {
    async fn hello(&self, _ctx: &Context, request: HelloRequest) -> Result<HelloReply> {
        Ok(HelloReply { message: format!("Hello, {}!", request.name) })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let service = Service::new("greeter").registry(Memory::new()).handle(Polite).start().await?;
    let greeter = GreeterClient::new(&service.client());
    let reply = greeter.hello(&Context::new(), HelloRequest { name: "Ada".to_owned() }).await?;
    println!("{}", reply.message);
    service.stop().await
}
