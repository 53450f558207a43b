//! Out of the registry, whatever the registry is like.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use micro::registry::{Memory, Registration, Registry, ServiceRecord, Watch};
use micro::{Client, Code, Context, Environment, Result, Service, transport};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::{Work, WorkClient, nodes, service};

/// A registry as over a network: what was sent arrives, whether its sender still waits or not.
#[derive(Clone, Debug, Default)]
struct Remote {
    memory: Memory,
    /// Registrations arrive only when `arrive` says so.
    slow: Arc<AtomicBool>,
    sent: Arc<Notify>,
    arrive: Arc<Notify>,
    arrived: Arc<Notify>,
    left: Arc<Notify>,
    /// No answer to any deregistration.
    mute: bool,
}

#[async_trait]
impl Registry for Remote {
    fn name(&self) -> &'static str {
        "remote"
    }

    async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
        let (remote, registration) = (self.clone(), registration.clone());
        let sent = tokio::spawn(async move {
            if !remote.slow.load(Ordering::SeqCst) {
                return remote.memory.register(&registration, ttl).await;
            }
            remote.sent.notify_one();
            remote.arrive.notified().await;
            let registered = remote.memory.register(&registration, ttl).await;
            remote.arrived.notify_one();
            registered
        });
        sent.await.unwrap()
    }

    async fn deregister(&self, registration: &Registration) -> Result<()> {
        if self.mute {
            std::future::pending::<()>().await;
        }
        self.memory.deregister(registration).await?;
        self.left.notify_one();
        Ok(())
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        self.memory.watch(service).await
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        self.memory.services().await
    }
}

impl Remote {
    fn service(&self) -> Service {
        Service::new("work")
            .environment(Environment::empty())
            .registry(self.clone())
            .transport(transport::Memory::new())
    }

    fn become_slow(&self) {
        self.slow.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_does_not_answer_holds_a_stop_up_for_two_seconds() {
    let remote = Remote { mute: true, ..Remote::default() };
    let running = remote.service().start().await.unwrap();
    let start = Instant::now();
    let error = running.stop().await.unwrap_err();
    assert!(start.elapsed() < Duration::from_millis(2100), "{:?}", start.elapsed());
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains("`remote` did not let the node go within 2s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_on_its_way_does_not_bring_a_stopped_node_back() {
    let remote = Remote::default();
    let running = remote.service().start().await.unwrap();
    remote.become_slow();
    remote.sent.notified().await;
    let stop = tokio::spawn(running.stop());
    // It is waited for, for a while.
    sleep(Duration::from_millis(900)).await;
    remote.arrive.notify_one();
    stop.await.unwrap().unwrap();
    remote.arrived.notified().await;
    assert_eq!(nodes(&remote.memory).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_never_ends_does_not_keep_the_node_in_the_registry() {
    let remote = Remote::default();
    let running = remote.service().start().await.unwrap();
    remote.become_slow();
    remote.sent.notified().await;
    running.stop().await.unwrap();
    assert_eq!(nodes(&remote.memory).await, 0);
}

#[tokio::test]
async fn a_start_that_is_given_up_while_it_registers_leaves_nothing_behind() {
    let remote = Remote::default();
    remote.become_slow();
    tokio::select! {
        _ = remote.service().start() => panic!("it cannot have started"),
        () = remote.sent.notified() => {}
    }
    remote.arrive.notify_one();
    remote.left.notified().await;
    assert_eq!(nodes(&remote.memory).await, 0);
}

#[tokio::test]
async fn a_service_that_left_still_serves_those_who_did_not_hear_of_it() {
    let registry = Memory::new();
    let running = service(&registry)
        .spread_delay(Duration::from_secs(3600))
        .handle(Work::default())
        .start()
        .await
        .unwrap();
    let client = Client::builder().address(running.address()).build();
    let stop = tokio::spawn(running.stop());
    while nodes(&registry).await > 0 {
        tokio::task::yield_now().await;
    }
    WorkClient::new(&client).quick(&Context::new(), ()).await.unwrap();
    assert!(!stop.is_finished());
    stop.abort();
}
