//! Nodes that die, and what a client does about it.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use micro::registry::{Discovery, Memory, Node, Registration, Registry as _};
use micro::selector::Random;
use micro::transport::{BoxIo, Listener, Tcp, Transport};
use micro::{Client, Code, Context, Environment, Result, Running, Sender, Service, Streaming};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

struct Who(usize);

#[micro::handler]
impl Who {
    pub async fn am_i(&self, _ctx: &Context, _request: ()) -> Result<usize> {
        Ok(self.0)
    }

    #[micro(idempotent)]
    pub async fn read(&self, _ctx: &Context, _request: ()) -> Result<usize> {
        Ok(self.0)
    }

    pub async fn tell(&self, _ctx: &Context, times: usize, out: &mut Sender<usize>) -> Result<()> {
        for _ in 0..times {
            out.send(self.0).await?;
        }
        Ok(())
    }

    pub async fn left(&self, ctx: &Context, _request: ()) -> Result<u64> {
        Ok(u64::try_from(ctx.remaining().unwrap_or_default().as_millis()).unwrap())
    }

    pub async fn listen(&self, _ctx: &Context, mut words: Streaming<String>) -> Result<usize> {
        while words.next().await?.is_some() {}
        Ok(self.0)
    }
}

async fn node(registry: &Memory, number: usize) -> Running {
    let service = Service::new("who").environment(Environment::empty()).registry(registry.clone());
    service.id(number.to_string()).handle(Who(number)).start().await.unwrap()
}

/// A node that nobody listens at.
async fn dead_node(registry: &Memory, id: &str) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let dead = Registration::new("who", Node::new(id, address));
    registry.register(&dead, Duration::from_secs(60)).await.unwrap();
}

async fn calls(client: &WhoClient, count: usize) -> HashMap<usize, usize> {
    let mut answers = HashMap::new();
    for _ in 0..count {
        *answers.entry(client.am_i(&Context::new(), ()).await.unwrap()).or_default() += 1;
    }
    answers
}

#[tokio::test]
async fn with_one_of_two_nodes_dead_no_call_fails() {
    let registry = Memory::new();
    let _alive = node(&registry, 1).await;
    dead_node(&registry, "who-dead").await;
    for client in [
        Client::builder().registry(registry.clone()).selector(Random::new()).build(),
        Client::builder().registry(registry.clone()).build(),
    ] {
        let client = WhoClient::new(&client);
        assert_eq!(calls(&client, 200).await, HashMap::from([(1, 200)]));
        let words = Streaming::from_iter(["a".to_owned(), "b".to_owned()]);
        assert_eq!(client.listen(&Context::new(), words).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn in_a_large_fleet_with_half_of_the_nodes_dead_no_call_fails_and_all_that_live_are_used() {
    let registry = Memory::new();
    let mut alive = Vec::new();
    for number in 0..20 {
        alive.push(node(&registry, number).await);
        dead_node(&registry, &format!("who-dead-{number}")).await;
    }
    let client = WhoClient::new(&Client::builder().registry(registry.clone()).build());
    let answers = calls(&client, 1000).await;
    assert_eq!(answers.values().sum::<usize>(), 1000);
    assert_eq!(answers.len(), 20, "{answers:?}");
}

#[tokio::test]
async fn calls_are_spread_over_the_nodes() {
    let registry = Memory::new();
    let _nodes = (node(&registry, 1).await, node(&registry, 2).await, node(&registry, 3).await);
    for client in [
        Client::builder().registry(registry.clone()).selector(Random::new()).build(),
        Client::builder().registry(registry.clone()).build(),
    ] {
        let answers = calls(&WhoClient::new(&client), 120).await;
        assert_eq!(answers.len(), 3, "{answers:?}");
    }
}

#[tokio::test]
async fn a_node_that_comes_is_used_and_one_that_goes_is_not() {
    let registry = Memory::new();
    let client =
        WhoClient::new(&Client::builder().registry(registry.clone()).selector(Random::new()).build());
    let one = node(&registry, 1).await;
    assert_eq!(calls(&client, 10).await, HashMap::from([(1, 10)]));
    let two = node(&registry, 2).await;
    while client.am_i(&Context::new(), ()).await.unwrap() != 2 {}
    one.stop().await.unwrap();
    assert_eq!(calls(&client, 50).await, HashMap::from([(2, 50)]));
    two.stop().await.unwrap();
    let error = client.am_i(&Context::new(), ()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_node_that_restarts_at_its_address_is_reached_again() {
    let registry = Memory::new();
    let first = node(&registry, 1).await;
    let address = first.address().to_owned();
    let client = WhoClient::new(&Client::builder().address(&address).build());
    assert_eq!(client.am_i(&Context::new(), ()).await.unwrap(), 1);
    first.stop().await.unwrap();
    let error = client.am_i(&Context::new(), ()).await.unwrap_err();
    assert!(error.was_never_processed(), "{error}");
    let again = Service::new("who").environment(Environment::empty()).registry(registry.clone());
    let _again = again.address(&address).handle(Who(2)).start().await.unwrap();
    assert_eq!(client.am_i(&Context::new(), ()).await.unwrap(), 2);
}

#[tokio::test]
async fn when_no_node_can_be_reached_the_error_names_them_all() {
    let registry = Memory::new();
    dead_node(&registry, "who-a").await;
    dead_node(&registry, "who-b").await;
    let client = WhoClient::new(&Client::builder().registry(registry.clone()).build());
    let error = client.am_i(&Context::new(), ()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.was_never_processed());
    assert_eq!(error.message().matches("cannot connect to 127.0.0.1:").count(), 2, "{error}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_an_error_that_lists_what_is() {
    let registry = Memory::new();
    let _node = node(&registry, 1).await;
    let client = WhoClient::with_name(&Client::builder().registry(registry).build(), "whom");
    let error = client.am_i(&Context::new(), ()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("no node of the service `whom`"), "{error}");
    assert!(error.message().contains("there are: who"), "{error}");
}

#[tokio::test]
async fn a_deadline_that_passes_before_a_node_was_reached_says_so() {
    let client = Slow::new(5_000).client("127.0.0.1:9");
    let error = client.am_i(&Context::new(), ()).timeout(Duration::from_millis(30)).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.was_never_processed());
    assert_eq!(
        error.message(),
        "Who/AmI was not sent: 30ms passed while connecting to a node of the service `who`"
    );
}

#[tokio::test]
async fn a_host_that_does_not_answer_a_connection_is_left_for_another_node() {
    let registry = Memory::new();
    let _alive = node(&registry, 1).await;
    // It accepts nothing: the queue of its socket is full.
    let full = tokio::net::TcpSocket::new_v4().unwrap();
    full.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = full.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let _fillers: Vec<_> = futures_util::future::join_all((0..2).map(async |_| {
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    }))
    .await;
    let silent = Registration::new("who", Node::new("who-silent", address.to_string()));
    registry.register(&silent, Duration::from_secs(60)).await.unwrap();
    let client =
        Client::builder().registry(registry.clone()).connect_timeout(Duration::from_millis(100)).build();
    assert_eq!(calls(&WhoClient::new(&client), 20).await, HashMap::from([(1, 20)]));
}

/// TCP to hosts that are far away.
#[derive(Clone, Debug)]
struct Slow {
    delay: Duration,
    connects: Arc<AtomicUsize>,
}

impl Slow {
    fn new(millis: u64) -> Self {
        Self { delay: Duration::from_millis(millis), connects: Arc::default() }
    }

    fn client(&self, address: &str) -> WhoClient {
        WhoClient::new(&Client::builder().address(address).transport(self.clone()).build())
    }
}

#[micro::transport::async_trait]
impl Transport for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        Tcp.listen(address).await
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        self.connects.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.delay).await;
        Tcp.connect(address).await
    }
}

#[tokio::test]
async fn many_calls_wait_for_one_attempt_to_connect_and_share_its_failure() {
    let node = node(&Memory::new(), 1).await;
    let slow = Slow::new(20);
    let client = slow.client(node.address());
    let calls = (0..50).map(|_| client.am_i(&Context::new(), ()).into_future());
    assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(slow.connects.load(Ordering::Relaxed), 1);

    let address = node.address().to_owned();
    node.stop().await.unwrap();
    let slow = Slow::new(20);
    let client = slow.client(&address);
    let calls = (0..50).map(|_| client.am_i(&Context::new(), ()).into_future());
    assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_err));
    assert_eq!(slow.connects.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_is_made_also_when_the_call_that_wanted_it_gives_up() {
    let node = node(&Memory::new(), 1).await;
    let slow = Slow::new(100);
    let client = slow.client(node.address());
    let impatient = async || client.am_i(&Context::new(), ()).timeout(Duration::from_millis(30)).await;
    assert_eq!(impatient().await.unwrap_err().code(), Code::DeadlineExceeded);
    while impatient().await.is_err() {}
    assert_eq!(slow.connects.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_server_is_told_the_time_that_is_left_after_connecting() {
    let node = node(&Memory::new(), 1).await;
    let client = Slow::new(200).client(node.address());
    let left = client.left(&Context::new(), ()).timeout(Duration::from_secs(10)).await.unwrap();
    assert!(left <= 9_801, "{left} ms");
}

#[tokio::test]
async fn clients_that_share_discovery_share_what_is_known_of_the_nodes() {
    let registry = Memory::new();
    let _node = node(&registry, 1).await;
    let discovery = Discovery::new(Arc::new(registry));
    for _ in 0..3 {
        let client = Client::builder().discovery(discovery.clone()).build();
        assert_eq!(WhoClient::new(&client).am_i(&Context::new(), ()).await.unwrap(), 1);
    }
    let (mine, same) = (discovery.view("who").unwrap(), discovery.view("who").unwrap());
    assert!(Arc::ptr_eq(&mine, &same));
    assert!(mine.nodes()[0].latency() > Duration::ZERO, "the calls of all clients are measured here");
}

/// A node that refuses the first stream of each connection (RFC 9113, section 8.7).
async fn refusing() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut io, _)) = listener.accept().await {
            tokio::spawn(async move {
                let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
                let acknowledged = [0, 0, 0, 4, 1, 0, 0, 0, 0];
                io.write_all(&[settings, acknowledged].concat()).await.unwrap();
                let (mut read, mut all) = ([0; 1024], Vec::new());
                // Until there is a HEADERS frame on stream 1.
                while !all.windows(6).any(|frame: &[u8]| frame[0] == 1 && frame[2..] == [0, 0, 0, 1]) {
                    match io.read(&mut read).await {
                        Ok(1..) => all.extend_from_slice(&read),
                        _ => return,
                    }
                }
                let refused = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
                io.write_all(&refused).await.unwrap();
                while matches!(io.read(&mut read).await, Ok(1..)) {}
            });
        }
    });
    address
}

#[tokio::test]
async fn a_call_that_was_refused_moves_to_another_node_and_so_does_one_with_a_stream_of_answers() {
    let node = node(&Memory::new(), 7).await;
    for _ in 0..10 {
        // Whichever of the two is picked first.
        let client = async || {
            let nodes = Client::builder().address(refusing().await).address(node.address());
            WhoClient::new(&nodes.selector(Random::new()).build())
        };
        assert_eq!(client().await.am_i(&Context::new(), ()).await.unwrap(), 7);
        let told = client().await.tell(&Context::new(), 3).await.unwrap();
        assert_eq!(told.collect().await.unwrap(), [7, 7, 7]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_stop_one_after_the_other_lose_no_call_on_new_connections() {
    const NODES: usize = 10;
    let registry = Memory::new();
    let mut last = node(&registry, 0).await;
    let done = Arc::new(AtomicBool::new(false));
    let callers = (0..4).map(|_| {
        let (registry, done) = (registry.clone(), done.clone());
        tokio::spawn(async move {
            let mut calls = 0;
            while !done.load(Ordering::Relaxed) {
                let fresh = Client::builder().registry(registry.clone()).selector(Random::new()).build();
                WhoClient::new(&fresh).am_i(&Context::new(), ()).await.unwrap();
                calls += 1;
            }
            calls
        })
    });
    let callers: Vec<_> = callers.collect();
    for number in 1..NODES {
        let next = node(&registry, number).await;
        std::mem::replace(&mut last, next).stop().await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_node_that_takes_calls_and_does_not_answer_loses_them_to_one_that_does() {
    let registry = Memory::new();
    let _alive = node(&registry, 1).await;
    let hangs = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hangs.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok(connection) = hangs.accept().await {
            taken.push(connection);
        }
    });
    let hung = Registration::new("who", Node::new("who-hangs", address));
    registry.register(&hung, Duration::from_secs(60)).await.unwrap();
    let client = WhoClient::new(&Client::builder().registry(registry).build());
    let mut failed = 0;
    for _ in 0..100 {
        let answer = client.am_i(&Context::new(), ()).timeout(Duration::from_millis(30)).await;
        failed += usize::from(answer.is_err());
    }
    assert!(failed < 20, "{failed} of 100 calls went to the node that hangs");
}

/// Breaks in the first attempt to connect.
#[derive(Debug, Default)]
struct Fragile(AtomicBool);

#[micro::transport::async_trait]
impl Transport for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        Tcp.listen(address).await
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        assert!(self.0.swap(true, Ordering::Relaxed), "a bug in a transport");
        Tcp.connect(address).await
    }
}

#[tokio::test]
async fn an_attempt_to_connect_that_breaks_is_not_the_last_one() {
    let node = node(&Memory::new(), 1).await;
    let client = Client::builder().address(node.address()).transport(Fragile::default()).build();
    let client = WhoClient::new(&client);
    assert_eq!(client.am_i(&Context::new(), ()).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(client.am_i(&Context::new(), ()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_reached_is_asked_again_where_it_is_the_only_one_and_the_call_may_be_retried() {
    let registry = Memory::new();
    dead_node(&registry, "who-dead").await;
    let client = Client::builder().environment(Environment::empty()).registry(registry).build();
    let who = WhoClient::new(&client);
    let error = who.read(&Context::new(), ()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().ends_with("3 attempts were made"), "{error}");
    let error = who.am_i(&Context::new(), ()).await.unwrap_err();
    assert!(!error.message().contains("attempts"), "{error}");
    assert_eq!(client.stats()[0].retries, 2);
}
