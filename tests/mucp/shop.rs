//! The service under test: two contracts of which each has a `Greeter`, and one without a contract.

use std::time::Duration;

use micro::registry::{Memory, Registry as _, ServiceRecord};
use micro::server::Limits;
use micro::{Context, Environment, Error, Event, Result, Running, Sender, Service, Topic};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Clone, Debug, PartialEq, micro::Message, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) item: String,
    #[serde(default)]
    pub(crate) count: u32,
}

pub(crate) struct Shop;

#[micro::handler]
impl Shop {
    pub async fn echo(&self, _ctx: &Context, text: String) -> Result<String> {
        Ok(text)
    }

    pub async fn order(&self, _ctx: &Context, order: Order) -> Result<Order> {
        Ok(Order { count: order.count + 1, ..order })
    }

    pub async fn nothing(&self, _ctx: &Context, (): ()) -> Result<()> {
        Ok(())
    }

    /// Fails with the code of this name, and metadata.
    pub async fn fail(&self, _ctx: &Context, code: String) -> Result<()> {
        let mut error = Error::new(code.parse()?, format!("{code}, as you wish: ü"));
        error.metadata_mut().insert("reason", "wished")?;
        Err(error)
    }

    pub async fn panic(&self, _ctx: &Context, (): ()) -> Result<()> {
        panic!("the secret of the shop");
    }

    pub async fn hang(&self, _ctx: &Context, (): ()) -> Result<()> {
        std::future::pending().await
    }

    /// Answers with the value of this metadata, and sets more around the answer.
    pub async fn carry(&self, ctx: &Context, name: String) -> Result<String> {
        ctx.set_header("x-head", "h")?;
        ctx.set_trailer("x-tail", "t")?;
        // Of the protocol, and not to be set by anybody else.
        ctx.set_header("micro-error", "no")?;
        Ok(ctx.metadata().get(&name).unwrap_or("none").to_owned())
    }

    pub async fn count(&self, _ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()> {
        for number in 1..=upto {
            out.send(number).await?;
        }
        Ok(())
    }
}

#[micro::service(package = "shop.v1", name = "Greeter")]
pub(crate) trait First {
    #[micro(name = "say_hello")]
    async fn say_hello(&self, ctx: &Context, name: String) -> Result<String>;
}

#[micro::service(package = "other", name = "Greeter")]
pub(crate) trait Second {
    async fn hello(&self, ctx: &Context, name: String) -> Result<String>;
    #[micro(name = "say_hello")]
    async fn say_hello(&self, ctx: &Context, name: String) -> Result<String>;
}

struct Polite;

#[micro::handler(also(Second))]
impl First for Polite {
    async fn say_hello(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(name)
    }
}

impl Second for Polite {
    async fn hello(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(name)
    }

    async fn say_hello(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(name)
    }
}

const PACKED: Topic<Order> = Topic::new("packed");

/// Tells what it was given.
struct Audit(mpsc::UnboundedSender<String>);

#[micro::handler]
impl Audit {
    #[subscribe(topic = "ordered", group = "audit")]
    async fn on_ordered(&self, ctx: &Context, order: Order) -> Result<()> {
        let tenant = ctx.metadata().get("tenant").unwrap_or("nobody");
        let _ = self.0.send(format!("audit: {} for {tenant}", order.item));
        Ok(())
    }

    /// Takes no order without a count.
    #[subscribe(topic = "ordered")]
    async fn stock(&self, _ctx: &Context, order: Order) -> Result<()> {
        if order.count == 0 {
            return Err(Error::failed_precondition("nothing was ordered"));
        }
        let _ = self.0.send(format!("stock: {} times {}", order.count, order.item));
        Ok(())
    }

    #[subscribe(topic = PACKED, attempts = 2)]
    async fn on_packed(&self, _ctx: &Context, event: Event<Order>) -> Result<()> {
        let (item, tenant) = (&event.payload.item, event.headers().get("tenant"));
        let said = format!("{} {item} in {}, {:?}, {tenant:?}", event.attempt(), event.topic(), event.id());
        let _ = self.0.send(said);
        Ok(())
    }

    #[subscribe(topic = "closed")]
    async fn on_closed(&self, _ctx: &Context, (): ()) -> Result<()> {
        panic!("the shop is closed");
    }
}

/// The service, on a port of its own.
pub(crate) struct Site {
    pub(crate) running: Running,
    registry: Memory,
    /// What subscribers were given.
    pub(crate) events: mpsc::UnboundedReceiver<String>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::of(|service| service).await
    }

    pub(crate) async fn of(options: impl FnOnce(Service) -> Service) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let registry = Memory::new();
        let service = Service::new("shop")
            .environment(Environment::empty())
            .registry(registry.clone())
            .broker(micro::broker::Memory::new())
            .limits(Limits::new().max_message_size(1024))
            .spread_delay(Duration::ZERO);
        let service = options(service).handle(Shop).handle(Polite).handle(Audit(sender));
        Self { running: service.start().await.unwrap(), registry, events }
    }

    pub(crate) fn address(&self) -> &str {
        self.running.address()
    }

    pub(crate) async fn record(&self) -> ServiceRecord {
        self.registry.services().await.unwrap().remove(0)
    }
}
