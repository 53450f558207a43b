//! The fault kit: each fault is what it says, and ends when it is healed. Time is paused.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use micro::registry::conformance::{self, Promises};
use micro::registry::{Discovery, Memory, Node, Registration, Registry as _};
use micro::selector::Random;
use micro::testing::{CallFaults, Cluster, Faults, FaultyRegistry, RegistryCounts};
use micro::transport::Tcp;
use micro::{Client, Code, Context, Environment, Result, Sender, Service, Streaming};
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(1);

struct Counter(usize);

#[micro::handler]
impl Counter {
    pub async fn who(&self, _ctx: &Context, _request: ()) -> Result<usize> {
        Ok(self.0)
    }

    /// Never ends.
    pub async fn count(&self, _ctx: &Context, _request: (), out: &mut Sender<usize>) -> Result<()> {
        for n in 0.. {
            out.send(n).await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    pub async fn sum(&self, _ctx: &Context, mut numbers: Streaming<usize>) -> Result<usize> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await? {
            sum += number;
        }
        Ok(sum)
    }
}

fn counter(number: usize) -> Service {
    Service::new("counter").handle(Counter(number))
}

fn client(cluster: &Cluster) -> CounterClient {
    CounterClient::new(&cluster.client().selector(Random::new()).build())
}

async fn who(client: &CounterClient) -> Result<usize> {
    client.who(&Context::new(), ()).timeout(PATIENCE).await
}

#[tokio::test(start_paused = true)]
async fn a_node_that_refuses_gets_no_new_connection_and_keeps_those_it_has() {
    let cluster = Cluster::new();
    let node = cluster.start(counter(1)).await.unwrap();
    let (known, new) = (client(&cluster), client(&cluster));
    assert_eq!(who(&known).await.unwrap(), 1);
    assert_eq!(node.network().connections(), 1);
    node.network().refuse();
    assert_eq!(who(&known).await.unwrap(), 1);
    let error = who(&new).await.unwrap_err();
    assert!(error.was_never_processed());
    assert!(error.message().contains("connection refused (a fault of the test)"), "{error}");
    node.network().heal();
    assert_eq!(who(&new).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_crashed_takes_no_call_and_the_others_take_them_all() {
    let cluster = Cluster::new();
    let nodes = [cluster.start(counter(0)).await.unwrap(), cluster.start(counter(1)).await.unwrap()];
    let client = client(&cluster);
    while who(&client).await.unwrap() != 0 {}
    nodes[0].network().crash();
    for _ in 0..1_000 {
        assert_eq!(who(&client).await.unwrap(), 1);
    }
    assert_eq!(nodes[0].network().connections(), 0);
    nodes[0].network().heal();
    while who(&client).await.unwrap() != 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_killed_is_in_the_registry_until_its_registration_runs_out() {
    let cluster = Cluster::new();
    let ttl = Duration::from_secs(9);
    let node = cluster.start(counter(1).register_ttl(ttl)).await.unwrap();
    node.kill();
    tokio::time::sleep(ttl / 2).await;
    assert_eq!(cluster.registry().services().await.unwrap()[0].nodes.len(), 1);
    tokio::time::sleep(ttl).await;
    assert!(cluster.registry().services().await.unwrap().is_empty());
    node.heal();
    tokio::time::sleep(ttl).await;
    assert_eq!(cluster.registry().services().await.unwrap()[0].nodes.len(), 1);
    assert_eq!(who(&client(&cluster)).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_says_nothing_on_old_and_new_connections_until_it_is_healed() {
    let cluster = Cluster::new();
    let node = cluster.start(counter(1)).await.unwrap();
    let (known, new) = (client(&cluster), client(&cluster));
    assert_eq!(who(&known).await.unwrap(), 1);
    node.network().hang();
    assert_eq!(who(&known).await.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(who(&new).await.unwrap_err().code(), Code::DeadlineExceeded);
    let waits = tokio::spawn(known.who(&Context::new(), ()).into_future());
    tokio::time::sleep(PATIENCE).await;
    assert!(!waits.is_finished());
    node.network().heal();
    assert_eq!(waits.await.unwrap().unwrap(), 1, "what was on its way arrives");
    assert_eq!(who(&new).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_behind_a_partition_does_not_even_refuse() {
    let cluster = Cluster::new();
    let node = cluster.start(counter(1)).await.unwrap();
    node.network().partition();
    let error = who(&client(&cluster)).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.was_never_processed(), "it was connecting: {error}");
    node.network().heal();
    assert_eq!(who(&client(&cluster)).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_node_takes_the_latency_once_in_each_direction() {
    let cluster = Cluster::new();
    let node = cluster.start(counter(1)).await.unwrap();
    let client = client(&cluster);
    assert_eq!(who(&client).await.unwrap(), 1);
    let latency = Duration::from_millis(200);
    node.network().slow(latency);
    let start = Instant::now();
    assert_eq!(who(&client).await.unwrap(), 1);
    // A timer of tokio is late by up to 1 ms.
    let took = start.elapsed();
    assert!((latency * 2..latency * 2 + Duration::from_millis(5)).contains(&took), "{took:?}");
    node.network().slow(Duration::ZERO);
    let start = Instant::now();
    assert_eq!(who(&client).await.unwrap(), 1);
    assert!(start.elapsed() < Duration::from_millis(5), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_closed_break_what_is_under_way_and_are_made_again() {
    let cluster = Cluster::new();
    let node = cluster.start(counter(1)).await.unwrap();
    let client = client(&cluster);
    let mut numbers = client.count(&Context::new(), ()).await.unwrap();
    assert_eq!(numbers.next().await.unwrap(), Some(0));
    node.network().close_connections();
    let ended = async {
        loop {
            match numbers.next().await {
                Ok(number) => assert!(number.is_some(), "it is no end like another"),
                Err(error) => break error,
            }
        }
    };
    assert_eq!(ended.await.code(), Code::Unavailable);
    assert_eq!(who(&client).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_share_of_the_calls_fails_and_with_one_seed_it_is_the_same_share() {
    let mut seen = HashSet::new();
    for seed in [7, 7, 8] {
        let cluster = Cluster::seeded(seed);
        let node = cluster.start(counter(1)).await.unwrap();
        let client = client(&cluster);
        node.calls().fail(Code::NotFound, 0.25);
        let mut failed = Vec::new();
        for call in 0..400 {
            match who(&client).await {
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.code(), Code::NotFound);
                    failed.push(call);
                }
            }
        }
        assert!((60..140).contains(&failed.len()), "{} of 400", failed.len());
        let counts = node.calls().counts();
        assert_eq!((counts.came, counts.failed), (400, failed.len() as u64));
        assert_eq!(counts.went_on, 400 - counts.failed);
        node.calls().heal();
        assert_eq!(who(&client).await.unwrap(), 1);
        seen.insert(failed);
    }
    assert_eq!(seen.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_was_made() {
    let cluster = Cluster::new();
    let node = cluster.start(counter(1)).await.unwrap();
    node.calls().lose_answers(Code::Aborted, 1.0);
    assert_eq!(who(&client(&cluster)).await.unwrap_err().code(), Code::Aborted);
    assert_eq!(node.calls().counts().went_on, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_delayed_is_answered_later() {
    let cluster = Cluster::new();
    let node = cluster.start(counter(1)).await.unwrap();
    let client = client(&cluster);
    node.calls().delay(PATIENCE / 2, 1.0);
    let start = Instant::now();
    assert_eq!(who(&client).await.unwrap(), 1);
    assert!(start.elapsed() >= PATIENCE / 2);
    node.calls().delay(PATIENCE * 2, 1.0);
    assert_eq!(who(&client).await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_cut_after_so_many_messages_in_each_direction() {
    let cluster = Cluster::new();
    let node = cluster.start(counter(1)).await.unwrap();
    let client = client(&cluster);
    node.calls().cut_streams_after(3);
    let mut numbers = client.count(&Context::new(), ()).await.unwrap();
    for number in 0..3 {
        assert_eq!(numbers.next().await.unwrap(), Some(number));
    }
    assert_eq!(numbers.next().await.unwrap_err().code(), Code::Unavailable);
    let sent = Streaming::from_iter(0..10);
    assert_eq!(client.sum(&Context::new(), sent).await.unwrap_err().code(), Code::Unavailable);
    node.calls().heal();
    assert_eq!(client.sum(&Context::new(), Streaming::from_iter(0..10)).await.unwrap(), 45);
}

#[tokio::test(start_paused = true)]
async fn streams_that_run_are_cut_and_later_ones_are_not() {
    let cluster = Cluster::new();
    let node = cluster.start(counter(1)).await.unwrap();
    let client = client(&cluster);
    let mut numbers = client.count(&Context::new(), ()).await.unwrap();
    assert_eq!(numbers.next().await.unwrap(), Some(0));
    node.calls().cut_streams();
    let mut later = client.count(&Context::new(), ()).await.unwrap();
    let error = loop {
        if let Err(error) = numbers.next().await {
            break error;
        }
    };
    assert!(error.message().contains("the stream was cut"), "{error}");
    for number in 0..20 {
        assert_eq!(later.next().await.unwrap(), Some(number));
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_registry_away_calls_go_on_and_new_nodes_are_seen_when_it_is_back() {
    for hangs in [false, true] {
        let cluster = Cluster::new();
        let _one = cluster.start(counter(1)).await.unwrap();
        let client = client(&cluster);
        assert_eq!(who(&client).await.unwrap(), 1);
        if hangs {
            cluster.registry().hang()
        } else {
            cluster.registry().fail()
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        let _two = cluster.start(counter(2)).await.unwrap();
        for _ in 0..100 {
            assert_eq!(who(&client).await.unwrap(), 1);
        }
        cluster.registry().heal();
        while who(&client).await.unwrap() != 2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_registry_fails_and_hangs_for_readers_and_writers_apart_and_counts_what_it_is_asked() {
    let registry = FaultyRegistry::new(Memory::new());
    let node = Registration::new("a", Node::new("a-1", "127.0.0.1:1"));
    registry.fail_reads();
    registry.register(&node, PATIENCE).await.unwrap();
    assert_eq!(registry.services().await.unwrap_err().code(), Code::Unavailable);
    assert!(registry.watch("a").await.is_err());
    registry.heal();
    registry.fail_writes();
    assert!(registry.register(&node, PATIENCE).await.is_err());
    assert!(registry.deregister(&node).await.is_err());
    assert_eq!(registry.services().await.unwrap().len(), 1);
    registry.hang_writes();
    let deregistered = tokio::spawn({
        let registry = registry.clone();
        async move { registry.deregister(&node).await }
    });
    tokio::task::yield_now().await;
    assert!(!deregistered.is_finished());
    registry.heal();
    deregistered.await.unwrap().unwrap();
    assert!(registry.services().await.unwrap().is_empty());
    let RegistryCounts { registered, deregistered, watched, listed, .. } = registry.counts();
    assert_eq!((registered, deregistered, watched, listed), (2, 2, 1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_forgot_everything_says_so_to_those_who_watch() {
    let registry = FaultyRegistry::new(Memory::new());
    let node = Registration::new("a", Node::new("a-1", "127.0.0.1:1"));
    registry.register(&node, Duration::from_secs(60)).await.unwrap();
    let discovery = Discovery::new(Arc::new(registry.clone()));
    let view = discovery.view("a").unwrap();
    view.ready(None).await.unwrap();
    assert_eq!(view.nodes().len(), 1);
    registry.forget().await.unwrap();
    while !view.nodes().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_registry_with_which_nothing_is_wrong_is_the_registry_inside() {
    let registry = FaultyRegistry::new(Memory::new());
    conformance::run(|| Arc::new(registry.clone()), Promises::default()).await.unwrap();
}

#[tokio::test]
async fn the_parts_work_alone_around_real_sockets() {
    let calls = CallFaults::new();
    let service = Service::new("counter").environment(Environment::empty()).registry(Memory::new());
    let service = service.handle(Counter(1)).intercept(calls.clone()).start().await.unwrap();
    let faults = Faults::new();
    let client = Client::builder().address(service.address()).transport(faults.transport(Tcp)).build();
    let client = CounterClient::new(&client);
    assert_eq!(who(&client).await.unwrap(), 1);
    calls.fail(Code::DataLoss, 1.0);
    assert_eq!(who(&client).await.unwrap_err().code(), Code::DataLoss);
    faults.node(service.address()).crash();
    assert_eq!(who(&client).await.unwrap_err().code(), Code::Unavailable);
    faults.heal();
    calls.heal();
    assert_eq!(who(&client).await.unwrap(), 1);
}
