//! Meets go-micro's programs in the registry that `MICRO_REGISTRY` and `MICRO_REGISTRY_ADDRESS` name:
//!
//! ```text
//! go-micro-registry serve <service>   until its input ends; says when it is registered
//! go-micro-registry call <service>    says what it answered
//! go-micro-registry list              the services there are, one in a line
//! go-micro-registry gone <service>    returns when it has no node any more
//! ```

use std::time::Duration;

use micro::registry::{Discovery, from_environment};
use micro::{Client, Context, Environment, Error, Result, Service};
use micro_interop_go_micro::PlainGreeting;
use tokio::io::{AsyncReadExt as _, stdin};
use tokio::time::{Instant, sleep, timeout};

/// How long something may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(20);

struct Plain;

#[micro::handler]
impl Plain {
    /// Greets.
    pub async fn hello(&self, _ctx: &Context, request: PlainGreeting) -> Result<PlainGreeting> {
        Ok(PlainGreeting { name: format!("Hello {}", request.name), ..request })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", service] => serve(service).await,
        ["call", service] => call(service).await,
        ["list"] => list().await,
        ["gone", service] => gone(service).await,
        _ => Err(Error::invalid_argument("go-micro-registry serve|call|list|gone <service>")),
    }
}

async fn serve(service: &str) -> Result<()> {
    let running = Service::new(service).handle(Plain).start().await?;
    println!("registered");
    let _ = stdin().read(&mut [0]).await;
    running.stop().await
}

async fn call(service: &str) -> Result<()> {
    let plain = PlainClient::with_name(&Client::new(), service);
    let end = Instant::now() + PATIENCE;
    loop {
        let request = PlainGreeting { name: "Ada".to_owned(), ..PlainGreeting::default() };
        match plain.hello(&Context::new(), request).await {
            Ok(reply) => {
                println!("{}", reply.name);
                return Ok(());
            }
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn list() -> Result<()> {
    let registry = from_environment(&Environment::process())?;
    for service in registry.services().await? {
        println!("{}", service.name);
    }
    Ok(())
}

async fn gone(service: &str) -> Result<()> {
    let view = Discovery::new(from_environment(&Environment::process())?);
    let followed = view.view(service)?;
    followed.ready(None).await?;
    let watched = async {
        while let Some(node) = followed.nodes().first() {
            // As a client does that finds nobody at its address.
            followed.suspect(node);
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, watched).await.map_err(|_| Error::deadline_exceeded(format!("`{service}` has nodes")))
}
