//! From start to stop: hooks, settings, drain, and two services in one process.

#![allow(clippy::unwrap_used, missing_docs)]

mod clients;
mod cores;
mod health;
mod leaving;
mod moody;
mod registering;
mod settings;
mod stopping;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use micro::registry::{Memory, Registry as _};
use micro::service::NodeState;
use micro::{Client, Code, Context, Environment, Error, Result, Running, Service};
use tokio::sync::Notify;

#[derive(Clone, Default)]
struct Work {
    started: Arc<Notify>,
    finish: Arc<Notify>,
    dropped: Arc<Notify>,
}

struct OnDrop(Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[micro::handler]
impl Work {
    pub async fn wait(&self, _ctx: &Context, name: String) -> Result<String> {
        let _guard = OnDrop(self.dropped.clone());
        self.started.notify_one();
        self.finish.notified().await;
        Ok(format!("{name} is done"))
    }

    pub async fn quick(&self, _ctx: &Context, _request: ()) -> Result<()> {
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn add(&self, what: &'static str) -> impl Future<Output = Result<()>> + Send + use<> {
        let log = self.clone();
        async move {
            log.0.lock().unwrap().push(what);
            Ok(())
        }
    }

    fn all(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

/// A service that takes nothing from the environment of the test.
fn service(registry: &Memory) -> Service {
    Service::new("work").environment(Environment::empty()).registry(registry.clone())
}

fn spawn_wait(client: &WorkClient) -> tokio::task::JoinHandle<Result<String>> {
    tokio::spawn(client.wait(&Context::new(), "it".to_owned()).into_future())
}

async fn nodes(registry: &Memory) -> usize {
    registry.services().await.unwrap().iter().map(|service| service.nodes.len()).sum()
}

#[tokio::test]
async fn hooks_run_in_order_around_the_life_of_the_service() {
    let (log, registry) = (Log::default(), Memory::new());
    let hook = |what| {
        let log = log.clone();
        move || log.add(what)
    };
    let running = service(&registry)
        .after_stop(hook("after stop"))
        .before_stop(hook("before stop"))
        .after_start(hook("after start"))
        .before_start(hook("before start"))
        .before_start(hook("before start, second"))
        .start()
        .await
        .unwrap();
    assert_eq!(log.all(), ["before start", "before start, second", "after start"]);
    assert_eq!(nodes(&registry).await, 1);
    running.stop().await.unwrap();
    assert_eq!(log.all()[3..], ["before stop", "after stop"]);
    assert_eq!(nodes(&registry).await, 0);
}

#[tokio::test]
async fn a_hook_that_fails_before_the_start_keeps_the_service_from_starting() {
    let registry = Memory::new();
    let started =
        service(&registry).before_start(|| async { Err(Error::unavailable("no database")) }).start().await;
    assert_eq!(started.unwrap_err().message(), "no database");
    assert_eq!(nodes(&registry).await, 0);
}

#[tokio::test]
async fn a_hook_that_fails_after_the_start_stops_the_service_again() {
    let (log, registry) = (Log::default(), Memory::new());
    let stopped = log.clone();
    let started = service(&registry)
        .after_start(|| async { Err(Error::unavailable("no leader")) })
        .after_stop(move || stopped.add("after stop"))
        .start()
        .await;
    assert_eq!(started.unwrap_err().message(), "no leader");
    assert_eq!(nodes(&registry).await, 0);
    assert_eq!(log.all(), ["after stop"]);
}

#[tokio::test]
async fn a_start_that_fails_says_what_went_wrong_while_it_was_undone() {
    let registry = Memory::new();
    let started = service(&registry)
        .after_start(|| async { Err(Error::unavailable("no leader")) })
        .before_stop(|| async { Err(Error::internal("never led")) })
        .after_stop(|| async { Err(Error::data_loss("the file is gone")) })
        .start()
        .await;
    let error = started.unwrap_err();
    assert_eq!(
        error.to_string(),
        "unavailable: no leader; and then: internal: never led; data_loss: the file is gone"
    );
}

#[tokio::test]
async fn what_was_opened_before_the_start_is_closed_where_the_start_fails() {
    let holder = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let (log, registry) = (Log::default(), Memory::new());
    let hook = |what| {
        let log = log.clone();
        move || log.add(what)
    };
    let started = service(&registry)
        .address(&taken)
        .before_start(hook("opened"))
        .after_start(hook("started"))
        .before_stop(hook("stopping"))
        .after_stop(hook("closed"))
        .start()
        .await;
    assert!(started.unwrap_err().message().contains("cannot listen"));
    assert_eq!(log.all(), ["opened", "closed"]);

    let of_two = service(&registry)
        .before_start(hook("opened one"))
        .before_start(|| async { Err(Error::unavailable("no database")) })
        .after_stop(hook("closed one"))
        .start()
        .await;
    assert_eq!(of_two.unwrap_err().message(), "no database");
    assert_eq!(log.all()[2..], ["opened one", "closed one"]);
}

#[tokio::test]
async fn stopping_runs_every_hook_and_returns_every_error() {
    let registry = Memory::new();
    let running = service(&registry)
        .before_stop(|| async { Err(Error::internal("first")) })
        .before_stop(|| async { Err(Error::aborted("second")) })
        .after_stop(|| async { Err(Error::data_loss("third")) })
        .start()
        .await
        .unwrap();
    let error = running.stop().await.unwrap_err();
    assert_eq!(error.to_string(), "internal: first; and then: aborted: second; data_loss: third");
    assert_eq!(nodes(&registry).await, 0);
}

#[tokio::test]
async fn stopping_lets_the_calls_in_flight_finish_and_takes_no_new_ones() {
    let (work, registry) = (Work::default(), Memory::new());
    let running = service(&registry).handle(work.clone()).start().await.unwrap();
    let address = running.address().to_owned();
    let client = WorkClient::new(&Client::builder().address(&address).build());
    let call = spawn_wait(&client);
    work.started.notified().await;

    let stop = tokio::spawn(running.stop());
    // It left the registry, and then it closed its socket.
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(nodes(&registry).await, 0);
    assert!(!stop.is_finished());
    let fresh = WorkClient::new(&Client::builder().address(&address).build());
    let error = fresh.quick(&Context::new(), ()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.was_never_processed());

    work.finish.notify_one();
    assert_eq!(call.await.unwrap().unwrap(), "it is done");
    stop.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_does_not_finish_in_time_is_cut_off() {
    let (work, registry) = (Work::default(), Memory::new());
    let running = service(&registry)
        .handle(work.clone())
        .drain_timeout(Duration::from_millis(50))
        .start()
        .await
        .unwrap();
    let call = spawn_wait(&WorkClient::new(&running.client()));
    work.started.notified().await;
    running.stop().await.unwrap();
    work.dropped.notified().await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(!error.was_never_processed(), "nobody knows how far it got");
}

#[tokio::test]
async fn a_service_that_is_dropped_stops_at_once_and_leaves_the_registry() {
    let (work, registry) = (Work::default(), Memory::new());
    let running = service(&registry).handle(work.clone()).start().await.unwrap();
    let call = spawn_wait(&WorkClient::new(&Client::builder().address(running.address()).build()));
    work.started.notified().await;
    let mut states = running.watch();
    drop(running);
    states.wait_for(|status| status.state == NodeState::Gone).await.unwrap();
    work.dropped.notified().await;
    assert!(call.await.unwrap().is_err());
    while nodes(&registry).await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn two_services_in_one_process_do_not_interfere() {
    async fn named(name: &str) -> (Work, Running, WorkClient) {
        let work = Work::default();
        let running = Service::new(name).handle(work.clone()).in_memory().await.unwrap();
        let client = WorkClient::with_name(&running.client(), name);
        (work, running, client)
    }
    let (one, first, to_first) = named("work").await;
    let (_two, second, to_second) = named("work").await;
    let call = spawn_wait(&to_first);
    one.started.notified().await;
    second.stop().await.unwrap();
    assert!(to_second.quick(&Context::new(), ()).await.is_err());
    to_first.quick(&Context::new(), ()).await.unwrap();
    one.finish.notify_one();
    call.await.unwrap().unwrap();
    first.stop().await.unwrap();
}

#[tokio::test]
async fn a_service_is_described_in_the_registry() {
    let registry = Memory::new();
    let _running = service(&registry).handle(Work::default()).start().await.unwrap();
    let record = registry.services().await.unwrap().remove(0);
    let mut names: Vec<_> = record.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Work.Quick", "Work.Wait"]);
    assert_eq!(record.nodes[0].metadata["protocols"], "native,connect,grpc,grpc-web,grpc-web-text,mucp");
}

#[tokio::test]
async fn a_hook_that_panics_fails_the_start_and_what_was_begun_is_undone() {
    let (log, registry) = (Log::default(), Memory::new());
    let stopped = log.clone();
    let started = service(&registry)
        .after_start(|| async { panic!("a bug in a hook") })
        .after_stop(move || stopped.add("after stop"))
        .start()
        .await;
    assert_eq!(started.unwrap_err().message(), "a hook of the service panicked");
    assert_eq!(nodes(&registry).await, 0);
    assert_eq!(log.all(), ["after stop"]);
}
