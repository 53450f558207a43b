//! The service under test, and a client for each way to call it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use micro::admission::Protection;
use micro::client::Protocol;
use micro::registry::Memory;
use micro::{Client, Context, Environment, Error, Priority, Result, Running, Sender, Service, Streaming};
use tokio::sync::{Semaphore, watch};

use crate::soon::soon;

#[derive(Clone)]
pub(crate) struct Lab {
    /// How many handlers wait.
    waiting: watch::Sender<usize>,
    /// Lets one of them go on with each permit.
    go: Arc<Semaphore>,
    pub(crate) runs: Arc<AtomicUsize>,
}

struct Waits(watch::Sender<usize>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

impl Lab {
    fn waits(&self) -> Waits {
        self.waiting.send_modify(|waiting| *waiting += 1);
        Waits(self.waiting.clone())
    }

    async fn turn(&self) {
        let _waits = self.waits();
        self.go.acquire().await.unwrap().forget();
    }

    /// Waits until exactly so many handlers wait.
    pub(crate) async fn waiting(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        drop(soon(waiting.wait_for(|now| *now == count)).await.unwrap());
    }

    /// Lets so many handlers go on.
    pub(crate) fn go(&self, count: usize) {
        self.go.add_permits(count);
    }
}

#[micro::handler]
impl Lab {
    pub async fn echo(&self, _ctx: &Context, text: String) -> Result<String> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        Ok(text)
    }

    /// Waits until the test lets it go on.
    pub async fn wait(&self, _ctx: &Context, text: String) -> Result<String> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        self.turn().await;
        Ok(text)
    }

    /// Sends one, and then waits until the test lets it go on.
    pub async fn watch(&self, _ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()> {
        out.send(1).await?;
        self.turn().await;
        for number in 2..=upto {
            out.send(number).await?;
        }
        Ok(())
    }

    pub async fn sum(&self, _ctx: &Context, mut numbers: Streaming<u64>) -> Result<u64> {
        let _waits = self.waits();
        let mut sum = 0;
        while let Some(number) = numbers.next().await? {
            sum += number;
        }
        Ok(sum)
    }

    pub async fn panic(&self, _ctx: &Context, _text: String) -> Result<String> {
        panic!("as the test wants it")
    }

    /// Says that it may be tried again after so many milliseconds, or must not be.
    pub async fn busy(&self, _ctx: &Context, millis: Option<u64>) -> Result<()> {
        let error = Error::unavailable("busy");
        Err(match millis {
            Some(millis) => error.with_retry_after(Duration::from_millis(millis)),
            None => error.with_no_retry(),
        })
    }

    pub async fn priority(&self, ctx: &Context, _text: String) -> Result<String> {
        Ok(ctx.priority().to_string())
    }
}

/// A service that calls the other one.
pub(crate) struct Front(pub(crate) LabClient);

#[micro::handler]
impl Front {
    pub async fn ask(&self, ctx: &Context, lower: bool) -> Result<String> {
        let ctx = if lower { ctx.with_priority(Priority::Low) } else { ctx.clone() };
        self.0.priority(&ctx, String::new()).await
    }

    /// Hands on what it is told.
    pub async fn forward(&self, ctx: &Context, text: String) -> Result<String> {
        self.0.wait(ctx, text).await.map_err(Error::forward)
    }
}

pub(crate) struct Site {
    pub(crate) running: Running,
    pub(crate) lab: Lab,
}

impl Site {
    pub(crate) async fn with(protection: Protection) -> Self {
        Self::of(|service| service.registry(Memory::new()).protect(protection)).await
    }

    pub(crate) async fn of(options: impl FnOnce(Service) -> Service) -> Self {
        let lab = Lab { waiting: watch::channel(0).0, go: Arc::new(Semaphore::new(0)), runs: Arc::default() };
        let service = Service::new("lab")
            .environment(Environment::empty())
            .spread_delay(Duration::ZERO)
            .drain_timeout(Duration::ZERO);
        let running = options(service).handle(lab.clone()).start().await.unwrap();
        Self { running, lab }
    }

    /// A client in this protocol, or one whose calls stay in the process.
    pub(crate) fn client(&self, protocol: Option<Protocol>) -> LabClient {
        let client = match protocol {
            Some(protocol) => Client::builder()
                .environment(Environment::empty())
                .address(self.running.address())
                .protocol(protocol)
                .build(),
            None => self.running.client(),
        };
        LabClient::new(&client)
    }

    /// A client for each way to call the service.
    pub(crate) fn clients(&self) -> Vec<(Option<Protocol>, LabClient)> {
        let all = [
            Some(Protocol::Connect),
            Some(Protocol::Grpc),
            Some(Protocol::GrpcWeb),
            Some(Protocol::GrpcWebText),
            Some(Protocol::Mucp),
            Some(Protocol::Native),
            None,
        ];
        all.into_iter().map(|protocol| (protocol, self.client(protocol))).collect()
    }
}
