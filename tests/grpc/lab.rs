//! The service under test.

use std::sync::Arc;
use std::time::Duration;

use micro::client::{ClientBuilder, Protocol};
use micro::registry::Memory;
use micro::{Client, Context, Detail, Environment, Error, Result, Running, Sender, Service, Streaming};

use crate::handlers::{Counter, Handlers, counted};

#[micro::service(package = "lab.v1")]
pub trait Lab {
    async fn echo(&self, ctx: &Context, text: String) -> Result<String>;
    async fn fail(&self, ctx: &Context, text: String) -> Result<String>;
    async fn hang(&self, ctx: &Context, request: ()) -> Result<()>;
    /// How much time the call has, in milliseconds.
    async fn time(&self, ctx: &Context, request: ()) -> Result<u64>;
    async fn label(&self, ctx: &Context, size: usize) -> Result<()>;
    async fn count(&self, ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()>;
    async fn fail_after(&self, ctx: &Context, good: u64, out: &mut Sender<u64>) -> Result<()>;
    async fn sum(&self, ctx: &Context, numbers: Streaming<u64>) -> Result<u64>;
    async fn double(&self, ctx: &Context, numbers: Streaming<u64>, out: &mut Sender<u64>) -> Result<()>;
}

pub(crate) struct Bench {
    handlers: Counter,
}

/// An error with everything that an error can have.
pub(crate) fn failure(text: &str) -> Error {
    let mut error = Error::failed_precondition(text)
        .with_detail(Detail::new("lab.v1.Reason", vec![0, 1, 0xff]))
        .with_detail(Detail::new("lab.v1.Other", Vec::new()));
    error.metadata_mut().append("why", "so").unwrap();
    error.metadata_mut().append("why-bin", [0xfe, 0x00]).unwrap();
    error
}

#[micro::handler]
impl Lab for Bench {
    async fn echo(&self, ctx: &Context, text: String) -> Result<String> {
        // All metadata comes back, in front of the answer and behind it.
        for (name, value) in ctx.metadata().iter() {
            ctx.set_header(&format!("head-{name}"), value)?;
            ctx.set_trailer(&format!("tail-{name}"), value)?;
        }
        Ok(text)
    }

    async fn fail(&self, ctx: &Context, text: String) -> Result<String> {
        ctx.set_trailer("tail", "last")?;
        if text == "with headers" {
            ctx.set_header("head", "first")?;
        }
        Err(failure(&text))
    }

    async fn hang(&self, _ctx: &Context, _request: ()) -> Result<()> {
        let _runs = self.handlers.runs();
        std::future::pending().await
    }

    async fn time(&self, ctx: &Context, _request: ()) -> Result<u64> {
        Ok(ctx.remaining().map_or(u64::MAX, |left| u64::try_from(left.as_millis()).unwrap()))
    }

    async fn label(&self, ctx: &Context, size: usize) -> Result<()> {
        ctx.set_trailer("x-tail", "t".repeat(size))
    }

    async fn count(&self, ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()> {
        let _runs = self.handlers.runs();
        ctx.set_header("head", "first")?;
        for number in 1..=upto {
            out.send(number).await?;
        }
        ctx.set_trailer("tail", "last")
    }

    async fn fail_after(&self, _ctx: &Context, good: u64, out: &mut Sender<u64>) -> Result<()> {
        for number in 1..=good {
            out.send(number).await?;
        }
        Err(failure("enough"))
    }

    async fn sum(&self, _ctx: &Context, mut numbers: Streaming<u64>) -> Result<u64> {
        let _runs = self.handlers.runs();
        let mut sum = 0;
        while let Some(number) = numbers.next().await? {
            sum += number;
        }
        Ok(sum)
    }

    async fn double(&self, _ctx: &Context, mut numbers: Streaming<u64>, out: &mut Sender<u64>) -> Result<()> {
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
        Self::of(|service| service).await
    }

    pub(crate) async fn of(options: impl FnOnce(Service) -> Service) -> Self {
        let (counter, handlers) = counted();
        let service = Service::new("lab")
            .environment(Environment::empty())
            .registry(Memory::new())
            .spread_delay(Duration::ZERO)
            .handle(Arc::new(Bench { handlers: counter }));
        Self { running: options(service).start().await.unwrap(), handlers }
    }

    /// A client that speaks this protocol.
    pub(crate) fn client(&self, protocol: Protocol) -> LabClient {
        client(self.running.address(), protocol, |client| client)
    }

    /// Waits until exactly so many handlers run.
    pub(crate) async fn handlers(&self, count: usize) {
        self.handlers.are(count).await;
    }
}

pub(crate) fn client(
    address: &str,
    protocol: Protocol,
    options: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> LabClient {
    let client = Client::builder().environment(Environment::empty()).address(address).protocol(protocol);
    LabClient::new(&options(client).build())
}
