//! The smallest service: no contract, every public async function of a type is an endpoint.
//!
//! It starts, finds itself on the local network as any other program would, makes a call, and then
//! stays up for yours. Ctrl-C stops it.
//!
//! ```text
//! cargo run --example helloworld
//! ```

use micro::{Context, Error, Result, Service};
use serde::{Deserialize, Serialize};

/// Who is to be greeted.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
struct HelloRequest {
    name: String,
}

/// The greeting.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
struct HelloReply {
    message: String,
}

struct Say;

#[micro::handler]
impl Say {
    /// Greets one person.
    pub async fn hello(&self, _ctx: &Context, request: HelloRequest) -> Result<HelloReply> {
        if request.name.is_empty() {
            return Err(Error::invalid_argument("`name` is empty: whom shall I greet?"));
        }
        Ok(HelloReply { message: format!("Hello, {}!", request.name) })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_target(false).with_max_level(tracing::Level::INFO).init();

    let service = Service::new("helloworld").handle(Say).start().await?;

    // The client knows a name and no address: it asks the registry, which is mDNS unless set.
    let say = SayClient::with_name(&service.client(), "helloworld");
    let request = HelloRequest { name: "Ada".to_owned() };
    println!("-> {request:?}");
    let reply = say.hello(&Context::new(), request).await?;
    println!("<- {reply:?}");

    println!("\nNow you:\n");
    println!(
        "  curl -H 'content-type: application/json' -d '{{\"name\":\"you\"}}' http://{}/Say/Hello",
        service.address()
    );
    println!("\nCtrl-C stops the service.");
    service.until_signal().await
}
