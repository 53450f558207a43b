//! What a stop says: to the calls in flight, to the log, and to the program.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use micro::client::Protocol;
use micro::registry::Memory;
use micro::service::{DEFAULT_DRAIN_TIMEOUT, NodeState};
use micro::{Client, Code, Context, Environment, Error, Result, Running, Sender, Service};
use tokio::sync::Semaphore;

use super::{Work, WorkClient, service};

/// Handlers without an end.
#[derive(Clone)]
struct Endless {
    /// Is told of each handler that has begun.
    begun: Arc<Semaphore>,
    /// Whether they end when the service stops.
    moves: bool,
}

#[micro::handler(package = "test.v1", name = "Endless")]
impl Endless {
    pub async fn watch(&self, ctx: &Context, _request: (), out: &mut Sender<u32>) -> Result<()> {
        assert!(!ctx.is_stopping());
        out.send(1).await?;
        self.begun.add_permits(1);
        self.wait(ctx).await
    }

    pub async fn hello(&self, ctx: &Context, _request: ()) -> Result<()> {
        self.begun.add_permits(1);
        self.wait(ctx).await
    }
}

impl Endless {
    fn new(moves: bool) -> Self {
        Self { begun: Arc::new(Semaphore::new(0)), moves }
    }

    async fn wait(&self, ctx: &Context) -> Result<()> {
        if self.moves {
            // A task of the handler hears it as well.
            let ctx = ctx.clone();
            let _ = tokio::spawn(async move { ctx.stopping().await }).await;
            return Err(Error::unavailable("this node stops: call again"));
        }
        std::future::pending().await
    }

    async fn begun(&self, calls: u32) {
        self.begun.acquire_many(calls).await.unwrap().forget();
    }
}

/// Clients of every kind that has streams, the one in the process among them.
fn clients(running: &Running) -> Vec<(String, Client)> {
    let protocols = [Protocol::Native, Protocol::Connect, Protocol::Grpc, Protocol::GrpcWeb];
    let of = |protocol: Protocol| {
        let client = Client::builder().environment(Environment::empty()).address(running.address());
        (format!("{protocol:?}"), client.protocol(protocol).build())
    };
    let mut clients: Vec<_> = protocols.into_iter().map(of).collect();
    clients.push(("in the process".to_owned(), running.client()));
    clients
}

#[tokio::test]
async fn streams_without_an_end_hear_that_the_service_stops_and_end_in_order() {
    let handler = Endless::new(true);
    let running = service(&Memory::new()).handle(handler.clone()).start().await.unwrap();
    let mut streams = Vec::new();
    for (kind, client) in clients(&running) {
        let mut stream = EndlessClient::with_name(&client, "work").watch(&Context::new(), ()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), 1, "{kind}");
        handler.begun(1).await;
        streams.push((kind, stream));
    }
    let stop = tokio::spawn(running.stop_with_report());
    for (kind, mut stream) in streams {
        let error = stream.next().await.unwrap_err();
        assert_eq!(error.code(), Code::Unavailable, "{kind}: {error}");
        assert!(error.message().contains("call again"), "{kind}: {error}");
    }
    let stopped = stop.await.unwrap();
    assert!(stopped.is_clean(), "{stopped}");
    stopped.result.unwrap();
}

#[tokio::test]
async fn a_stop_says_which_calls_it_cut_off() {
    let handler = Endless::new(false);
    let service = service(&Memory::new()).handle(handler.clone()).spread_delay(Duration::ZERO);
    let running = service.drain_timeout(Duration::from_millis(50)).start().await.unwrap();
    let mut calls = Vec::new();
    let clients = clients(&running);
    let kinds = clients.len() as u32;
    for (_, client) in clients {
        let client = EndlessClient::with_name(&client, "work");
        for _ in 0..2 {
            calls.push(tokio::spawn(client.hello(&Context::new(), ()).into_future()));
        }
        calls.push(tokio::spawn(async move {
            let mut stream = client.watch(&Context::new(), ()).await?;
            while stream.next().await?.is_some() {}
            Ok(())
        }));
    }
    handler.begun(3 * kinds).await;
    let mut states = running.watch();
    let seen = Arc::new(Mutex::new(vec![states.borrow_and_update().state]));
    let stopped = running.stop_with_report().await;
    let cut: Vec<_> = stopped.cut.iter().map(|cut| (cut.method, cut.calls)).collect();
    let kinds = kinds as usize;
    assert_eq!(cut, [("test.v1.Endless/Hello", 2 * kinds), ("test.v1.Endless/Watch", kinds)], "{stopped}");
    assert_eq!(stopped.others, 0, "{stopped}");
    assert_eq!(
        stopped.to_string(),
        format!("test.v1.Endless/Hello ×{}, test.v1.Endless/Watch ×{kinds}", 2 * kinds)
    );
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable);
    }
    seen.lock().unwrap().push(states.borrow_and_update().state);
    assert_eq!(*seen.lock().unwrap(), [NodeState::Ready, NodeState::Gone]);
}

#[tokio::test]
async fn a_stop_in_which_all_is_done_cuts_nothing_off() {
    let work = Work::default();
    let running = service(&Memory::new()).handle(work.clone()).start().await.unwrap();
    let call = super::spawn_wait(&WorkClient::new(&running.client()));
    work.started.notified().await;
    let mut states = running.watch();
    let stop = tokio::spawn(running.stop_with_report());
    states.wait_for(|status| status.state == NodeState::Draining).await.unwrap();
    work.finish.notify_one();
    assert_eq!(call.await.unwrap().unwrap(), "it is done");
    let stopped = stop.await.unwrap();
    assert!(stopped.is_clean() && stopped.result.is_ok());
    assert_eq!(stopped.to_string(), "nothing");
    assert_eq!(states.borrow().state, NodeState::Gone);
}

#[tokio::test(start_paused = true)]
async fn how_long_a_stop_waits_can_be_set_in_the_environment() {
    assert!(DEFAULT_DRAIN_TIMEOUT < Duration::from_secs(30), "what Kubernetes waits");
    for (drain, spread, in_code, took) in
        [("1m", "3s", None, 63), ("2", "0", None, 2), ("1m", "0", Some(Duration::from_secs(5)), 5)]
    {
        let environment =
            Environment::from_iter([("MICRO_DRAIN_TIMEOUT", drain), ("MICRO_SPREAD_DELAY", spread)]);
        let (handler, network) = (Endless::new(false), micro::transport::Memory::new());
        let mut service = Service::new("work").environment(environment).registry(Memory::new());
        if let Some(limit) = in_code {
            service = service.drain_timeout(limit);
        }
        let running = service.transport(network).handle(handler.clone()).start().await.unwrap();
        let client = EndlessClient::with_name(&running.client(), "work");
        let call = client.hello(&Context::new(), ()).timeout(Duration::from_secs(3600));
        let call = tokio::spawn(call.into_future());
        handler.begun(1).await;
        let stopped = running.stop_with_report().await;
        assert_eq!(stopped.took.as_secs(), took);
        assert_eq!(stopped.cut.len(), 1);
        call.await.unwrap().unwrap_err();
    }
    let environment = Environment::from_iter([("MICRO_DRAIN_TIMEOUT", "soon")]);
    let error = Service::new("work").environment(environment).registry(Memory::new()).start().await;
    assert!(error.unwrap_err().message().contains("MICRO_DRAIN_TIMEOUT"));
}
