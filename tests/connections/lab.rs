//! The service under test, with all four shapes.

use std::sync::Arc;
use std::time::Duration;

use micro::client::ClientBuilder;
use micro::server::Limits;
use micro::tls::ServerTls;
use micro::transport::Transport;
use micro::{Client, Context, Environment, Error, Result, Running, Sender, Service, Streaming};
use tokio::sync::Notify;

use crate::soon::soon;

#[derive(Clone, Default)]
pub(crate) struct Lab {
    /// A handler that never answers has begun.
    pub(crate) begun: Arc<Notify>,
    /// It was dropped.
    pub(crate) dropped: Arc<Notify>,
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[micro::handler]
impl Lab {
    pub async fn echo(&self, ctx: &Context, text: String) -> Result<String> {
        if let Some(word) = ctx.metadata().get("word") {
            ctx.set_header("word", word)?;
        }
        ctx.set_trailer("length", text.len().to_string())?;
        Ok(text)
    }

    pub async fn refuse(&self, _ctx: &Context, text: String) -> Result<String> {
        Err(Error::aborted(text))
    }

    pub async fn count(&self, _ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()> {
        for number in 1..=upto {
            out.send(number).await?;
        }
        Ok(())
    }

    pub async fn sum(&self, _ctx: &Context, mut numbers: Streaming<u64>) -> Result<u64> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await? {
            sum += number;
        }
        Ok(sum)
    }

    /// Doubles what it gets, once it has it all.
    pub async fn double(
        &self,
        _ctx: &Context,
        mut numbers: Streaming<u64>,
        out: &mut Sender<u64>,
    ) -> Result<()> {
        let mut all = Vec::new();
        while let Some(number) = numbers.next().await? {
            all.push(number);
        }
        for number in all {
            out.send(2 * number).await?;
        }
        Ok(())
    }

    pub async fn first_of(&self, _ctx: &Context, mut numbers: Streaming<u64>) -> Result<u64> {
        numbers.next().await?.ok_or_else(|| Error::invalid_argument("no number"))
    }

    pub async fn hang(&self, _ctx: &Context, _text: String) -> Result<String> {
        let _guard = OnDrop(self.dropped.clone());
        self.begun.notify_one();
        std::future::pending().await
    }

    /// Sends one number and nothing more, not even an end.
    pub async fn trickle(&self, _ctx: &Context, number: u64, out: &mut Sender<u64>) -> Result<()> {
        let _guard = OnDrop(self.dropped.clone());
        out.send(number).await?;
        std::future::pending().await
    }
}

/// The service, at an address of its own.
pub(crate) struct Site {
    pub(crate) running: Running,
    pub(crate) lab: Lab,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::of(|service| service).await
    }

    pub(crate) async fn secured(tls: ServerTls) -> Self {
        Self::of(|service| service.tls(tls)).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::of(|service| service.limits(limits)).await
    }

    pub(crate) async fn on(transport: impl Transport, tls: ServerTls) -> Self {
        Self::of(|service| service.transport(transport).tls(tls).address("lab")).await
    }

    pub(crate) async fn of(options: impl FnOnce(Service) -> Service) -> Self {
        let lab = Lab::default();
        let service = Service::new("lab")
            .environment(Environment::empty())
            .registry(micro::registry::Memory::new())
            .spread_delay(Duration::ZERO);
        let running = options(service).handle(lab.clone()).start().await.unwrap();
        Self { running, lab }
    }

    pub(crate) fn address(&self) -> &str {
        self.running.address()
    }

    pub(crate) fn client(&self, options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> LabClient {
        client(self.address(), options)
    }
}

pub(crate) fn client(address: &str, options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> LabClient {
    let builder = Client::builder().environment(Environment::empty()).address(address);
    LabClient::new(&options(builder).build())
}

/// Makes a call and expects it to fail.
pub(crate) async fn refused(client: &LabClient) -> Error {
    soon(client.echo(&Context::new(), "x".to_owned()).send()).await.unwrap_err()
}

pub(crate) async fn echoes(client: &LabClient) {
    let echoed = soon(client.echo(&Context::new(), "hello".to_owned()).send()).await.unwrap();
    assert_eq!(echoed, "hello");
}
