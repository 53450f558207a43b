//! The service under test. It knows how many of its handlers run.

use std::sync::Arc;
use std::time::Duration;

use micro::registry::Memory;
use micro::server::Limits;
use micro::{Context, Environment, Result, Running, Sender, Service, Streaming};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::handlers::{Counter, Handlers, counted};
use crate::soon::PATIENCE;

#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) item: String,
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) count: u32,
}

pub(crate) struct Lab {
    handlers: Counter,
}

#[micro::handler]
impl Lab {
    pub async fn echo(&self, _ctx: &Context, text: String) -> Result<String> {
        let _runs = self.handlers.runs();
        Ok(text)
    }

    pub async fn length(&self, _ctx: &Context, text: String) -> Result<usize> {
        let _runs = self.handlers.runs();
        Ok(text.len())
    }

    /// Says it twice. It may be called with GET.
    #[micro(idempotent)]
    pub async fn twice(&self, _ctx: &Context, text: String) -> Result<String> {
        let _runs = self.handlers.runs();
        Ok(text.repeat(2))
    }

    pub async fn order(&self, _ctx: &Context, order: Order) -> Result<u32> {
        let _runs = self.handlers.runs();
        Ok(order.lines.iter().map(|line| line.count).sum())
    }

    pub async fn hang(&self, _ctx: &Context, _text: String) -> Result<String> {
        let _runs = self.handlers.runs();
        std::future::pending().await
    }

    /// Sets a header and a trailer of these sizes.
    pub async fn label(&self, ctx: &Context, sizes: (usize, usize)) -> Result<()> {
        ctx.set_header("x-head", "h".repeat(sizes.0))?;
        ctx.set_trailer("x-tail", "t".repeat(sizes.1))
    }

    pub async fn labels(&self, ctx: &Context, sizes: (usize, usize), out: &mut Sender<u64>) -> Result<()> {
        let _runs = self.handlers.runs();
        ctx.set_header("x-head", "h".repeat(sizes.0))?;
        ctx.set_trailer("x-tail", "t".repeat(sizes.1))?;
        out.send(1).await
    }

    pub async fn count(&self, _ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()> {
        let _runs = self.handlers.runs();
        for number in 1..=upto {
            out.send(number).await?;
        }
        Ok(())
    }

    pub async fn sum(&self, _ctx: &Context, mut numbers: Streaming<u64>) -> Result<u64> {
        let _runs = self.handlers.runs();
        let mut sum = 0;
        while let Some(number) = numbers.next().await? {
            sum += number;
        }
        Ok(sum)
    }

    pub async fn double(
        &self,
        _ctx: &Context,
        mut numbers: Streaming<u64>,
        out: &mut Sender<u64>,
    ) -> Result<()> {
        let _runs = self.handlers.runs();
        while let Some(number) = numbers.next().await? {
            out.send(2 * number).await?;
        }
        Ok(())
    }
}

/// The service, on a port of its own.
pub(crate) struct Site {
    pub(crate) running: Running,
    handlers: Handlers,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(Limits::new()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::of(|service| service.limits(limits)).await
    }

    pub(crate) async fn of(options: impl FnOnce(Service) -> Service) -> Self {
        let (counter, handlers) = counted();
        let service = Service::new("lab")
            .environment(Environment::empty())
            .registry(Memory::new())
            .spread_delay(Duration::ZERO);
        let service = options(service).handle(Arc::new(Lab { handlers: counter }));
        Self { running: service.start().await.unwrap(), handlers }
    }

    pub(crate) fn address(&self) -> &str {
        self.running.address()
    }

    /// Waits until exactly so many handlers run.
    pub(crate) async fn handlers(&self, count: usize) {
        self.handlers.are(count).await;
    }
}

/// The tasks of the runtime, which each test has for itself.
pub(crate) struct Tasks(usize);

impl Tasks {
    pub(crate) fn now() -> Self {
        Self(Handle::current().metrics().num_alive_tasks())
    }

    /// Waits until there are no more of them than there were. The runtime has no event for that.
    pub(crate) async fn again(&self) {
        let ended = async {
            while Handle::current().metrics().num_alive_tasks() > self.0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(PATIENCE, ended).await.is_err() {
            panic!("{} tasks became {}", self.0, Handle::current().metrics().num_alive_tasks());
        }
    }
}
