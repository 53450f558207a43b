//! A runtime for each core.

use std::io;
use std::thread;
use std::time::Duration;

use micro::registry::Memory;
use micro::transport::{self, BoxIo, Listener, Transport, async_trait};
use micro::{Client, Code, Context, Environment, Result, Service};

use super::{Work, WorkClient, service, spawn_wait};

struct Where;

#[micro::handler]
impl Where {
    /// The thread that serves the call, and the one that runs what it spawns.
    pub async fn thread(&self, _ctx: &Context, _request: ()) -> Result<Vec<String>> {
        let spawned = tokio::spawn(async { name() }).await;
        Ok(vec![name(), spawned.unwrap_or_default()])
    }
}

fn name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn calls_run_on_the_runtime_of_a_core_and_so_does_what_they_spawn() {
    for memory in [false, true] {
        let registry = Memory::new();
        let service = Service::new("where").environment(Environment::empty()).registry(registry);
        let service = service.handle(Where).runtime_per_core();
        let network = transport::Memory::new();
        let service = if memory { service.transport(network.clone()) } else { service };
        let running = service.start().await.unwrap();
        // The service's own client calls in the process, where its caller is.
        let client = Client::builder().address(running.address()).environment(Environment::empty());
        let client = if memory { client.transport(network) } else { client }.build();
        let names = WhereClient::with_name(&client, "where").thread(&Context::new(), ()).await.unwrap();
        assert!(names[0].starts_with("micro-core-"), "{names:?}");
        assert_eq!(names[0], names[1]);
        running.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_stop_waits_for_the_calls_on_the_cores_and_then_cuts_them_off() {
    let registry = Memory::new();
    for finishes in [true, false] {
        let work = Work::default();
        let service = service(&registry).handle(work.clone()).spread_delay(Duration::ZERO);
        let service = service.drain_timeout(Duration::from_millis(if finishes { 10_000 } else { 50 }));
        let running = service.runtime_per_core().start().await.unwrap();
        let client = Client::builder().environment(Environment::empty()).address(running.address()).build();
        let call = spawn_wait(&WorkClient::new(&client));
        work.started.notified().await;
        let stopping = tokio::spawn(running.stop());
        if finishes {
            work.finish.notify_one();
            assert_eq!(call.await.unwrap().unwrap(), "it is done");
            stopping.await.unwrap().unwrap();
        } else {
            stopping.await.unwrap().unwrap();
            work.dropped.notified().await;
            assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
        }
    }
}

/// Its listeners keep their connections.
#[derive(Debug)]
struct Fixed(transport::Memory);

struct FixedListener(Box<dyn Listener>);

#[async_trait]
impl Transport for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        Ok(Box::new(FixedListener(self.0.listen(address).await?)))
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        self.0.connect(address).await
    }
}

#[async_trait]
impl Listener for FixedListener {
    fn address(&self) -> String {
        self.0.address()
    }

    async fn accept(&mut self) -> io::Result<(BoxIo, String)> {
        self.0.accept().await
    }
}

#[tokio::test]
async fn a_transport_that_cannot_give_connections_away_is_an_error_at_the_start() {
    let service = Service::new("work").environment(Environment::empty()).registry(Memory::new());
    let service = service.transport(Fixed(transport::Memory::new())).runtime_per_core();
    let error = service.start().await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.message().contains("`fixed`") && error.message().contains("runtime_per_core"), "{error}");
}
