//! The service under test. It knows how many of its handlers run, and how far one came that sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use micro::client::{ClientBuilder, Protocol};
use micro::registry::Memory;
use micro::server::Limits;
use micro::{Client, Code, Context, Detail, Environment, Error, Result, Running, Sender, Service, Streaming};
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::handlers::{Counter, Handlers, counted};
use crate::soon::soon;

pub(crate) struct Lab {
    handlers: Counter,
    sent: Arc<AtomicUsize>,
}

#[micro::handler]
impl Lab {
    /// Sends the metadata `word` back, in front of the answer and behind it.
    pub async fn echo(&self, ctx: &Context, text: String) -> Result<String> {
        let _runs = self.handlers.runs();
        if let Some(word) = ctx.metadata().get("word") {
            ctx.set_header("head", word)?;
            ctx.set_trailer("tail", word)?;
        }
        Ok(text)
    }

    /// The same, in a task of its own.
    pub async fn late(&self, _ctx: &Context, text: String) -> Result<String> {
        let _runs = self.handlers.runs();
        tokio::task::yield_now().await;
        Ok(text)
    }

    /// So many letters.
    pub async fn letters(&self, _ctx: &Context, count: usize) -> Result<String> {
        Ok("x".repeat(count))
    }

    pub async fn length(&self, _ctx: &Context, text: String) -> Result<usize> {
        Ok(text.len())
    }

    pub async fn refuse(&self, ctx: &Context, text: String) -> Result<String> {
        ctx.set_trailer("tail", "tea")?;
        Err(Error::aborted(text).with_detail(Detail::new("lab.Why", &b"\x08\x01"[..])))
    }

    /// An error with a text and details of so many bytes.
    pub async fn complain(&self, _ctx: &Context, sizes: (usize, usize)) -> Result<()> {
        let detail = Detail::new("lab.Why", "d".repeat(sizes.1).into_bytes());
        Err(Error::new(Code::OutOfRange, "e".repeat(sizes.0)).with_detail(detail))
    }

    pub async fn panic(&self, _ctx: &Context, _text: String) -> Result<String> {
        panic!("as the test wants it")
    }

    /// How many milliseconds are left.
    pub async fn remaining(&self, ctx: &Context, _text: String) -> Result<Option<u64>> {
        Ok(ctx.remaining().map(|left| u64::try_from(left.as_millis()).unwrap()))
    }

    pub async fn hang(&self, _ctx: &Context, _text: String) -> Result<String> {
        let _runs = self.handlers.runs();
        std::future::pending().await
    }

    pub async fn count(&self, _ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()> {
        let _runs = self.handlers.runs();
        for number in 1..=upto {
            out.send(number).await?;
        }
        Ok(())
    }

    /// Texts of this length, so many; and how many it sent.
    pub async fn texts(&self, _ctx: &Context, of: (usize, usize), out: &mut Sender<String>) -> Result<()> {
        let _runs = self.handlers.runs();
        for _ in 0..of.1 {
            out.send("x".repeat(of.0)).await?;
            self.sent.fetch_add(1, Ordering::Relaxed);
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

    pub async fn lengths(&self, _ctx: &Context, mut texts: Streaming<String>) -> Result<usize> {
        let mut sum = 0;
        while let Some(text) = texts.next().await? {
            sum += text.len();
        }
        Ok(sum)
    }

    /// Reads one and leaves the rest.
    pub async fn first_of(&self, _ctx: &Context, mut numbers: Streaming<u64>) -> Result<u64> {
        numbers.next().await?.ok_or_else(|| Error::invalid_argument("no number"))
    }

    /// Never reads.
    pub async fn stuck(&self, _ctx: &Context, numbers: Streaming<u64>) -> Result<u64> {
        let _runs = self.handlers.runs();
        let _numbers = numbers;
        std::future::pending().await
    }

    /// Reads one, with which it gets more, and then no more.
    pub async fn half_stuck(&self, _ctx: &Context, mut texts: Streaming<String>) -> Result<u64> {
        let _runs = self.handlers.runs();
        texts.next().await?;
        std::future::pending().await
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
    sent: Arc<AtomicUsize>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(Limits::new()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::of(|service| service.limits(limits)).await
    }

    pub(crate) async fn of(options: impl FnOnce(Service) -> Service) -> Self {
        let ((counter, handlers), sent) = (counted(), Arc::default());
        let service = Service::new("lab")
            .environment(Environment::empty())
            .registry(Memory::new())
            .spread_delay(Duration::ZERO);
        let lab = Arc::new(Lab { handlers: counter, sent: Arc::clone(&sent) });
        Self { running: options(service).handle(lab).start().await.unwrap(), handlers, sent }
    }

    pub(crate) fn address(&self) -> &str {
        self.running.address()
    }

    /// A client that speaks the native wire and nothing else.
    pub(crate) fn client(&self) -> LabClient {
        self.client_with(|client| client)
    }

    pub(crate) fn client_with(&self, options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> LabClient {
        client(self.address(), options)
    }

    /// Waits until exactly so many handlers run.
    pub(crate) async fn handlers(&self, count: usize) {
        self.handlers.are(count).await;
    }

    /// How many texts were sent.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Whatever happened, it serves, and nothing else runs.
    pub(crate) async fn still_serves(&self) {
        assert_eq!(soon(self.client().echo(&Context::new(), "Ada".to_owned()).send()).await.unwrap(), "Ada");
        self.handlers(0).await;
    }
}

pub(crate) fn client(address: &str, options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> LabClient {
    let builder = Client::builder().environment(Environment::empty()).address(address);
    LabClient::new(&options(builder.protocol(Protocol::Native)).build())
}

/// The tasks of the runtime, which each test has for itself.
pub(crate) struct Tasks(usize);

impl Tasks {
    pub(crate) fn now() -> Self {
        Self(Handle::current().metrics().num_alive_tasks())
    }

    /// Waits until there are no more of them than there were. The runtime has no event for that.
    pub(crate) async fn again(&self) {
        soon(async {
            while Handle::current().metrics().num_alive_tasks() > self.0 {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}
