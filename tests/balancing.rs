//! Which node a call goes to: selectors, keys, versions, zones, weights, and nodes that fail.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use micro::client::ClientBuilder;
use micro::registry::{Discovery, Memory, Node, Registration, Registry as _};
use micro::selector::{Filter, Hash, OutlierEjection, Random, Reason, RoundRobin, by_name};
use micro::{Client, Code, Context, Environment, Error, Result, Running, Service};
use tokio::time::Instant;

/// Says which node it is, or fails.
#[derive(Clone, Default)]
struct Who {
    name: &'static str,
    sick: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
}

#[micro::handler]
impl Who {
    pub async fn am_i(&self, ctx: &Context, _request: ()) -> Result<String> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.sick.load(Ordering::SeqCst) {
            return Err(Error::internal("sick"));
        }
        // A key stays where it is.
        assert!(ctx.metadata().iter().next().is_none_or(|(name, _)| !name.contains("affinity")));
        Ok(self.name.to_owned())
    }
}

async fn start(registry: &Memory, who: &Who, change: impl FnOnce(Service) -> Service) -> Running {
    let service = Service::new("who").environment(Environment::empty()).registry(registry.clone());
    change(service.id(who.name).handle(who.clone())).start().await.unwrap()
}

async fn node(registry: &Memory, name: &'static str, change: impl FnOnce(Service) -> Service) -> Running {
    start(registry, &Who { name, ..Who::default() }, change).await
}

fn client(registry: &Memory, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> WhoClient {
    let builder = Client::builder().environment(Environment::empty()).registry(registry.clone());
    WhoClient::new(&change(builder).build())
}

async fn calls(client: &WhoClient, ctx: &Context, count: usize) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for _ in 0..count {
        *calls.entry(client.am_i(ctx, ()).await.unwrap()).or_default() += 1;
    }
    calls
}

fn of<const N: usize>(calls: [(&str, usize); N]) -> BTreeMap<String, usize> {
    calls.map(|(name, count)| (name.to_owned(), count)).into()
}

#[tokio::test]
async fn round_robin_takes_the_nodes_in_turn_by_their_weight() {
    let registry = Memory::new();
    let _nodes = (
        node(&registry, "a", |service| service).await,
        node(&registry, "b", |service| service.metadata("weight", "200")).await,
        node(&registry, "idle", |service| service.metadata("weight", "0")).await,
    );
    let client = client(&registry, |client| client.selector(RoundRobin::new()));
    assert_eq!(calls(&client, &Context::new(), 30).await, of([("a", 10), ("b", 20)]));
}

#[tokio::test]
async fn calls_with_the_same_key_go_to_the_same_node_from_every_client() {
    let registry = Memory::new();
    let mut nodes = Vec::new();
    for name in ["a", "b", "c", "d"] {
        nodes.push(node(&registry, name, |service| service).await);
    }
    let clients = [(); 2].map(|()| client(&registry, |client| client.selector(Hash::new())));
    let mut owners = BTreeMap::new();
    for key in 0..40 {
        let ctx = Context::new().with_affinity(format!("user-{key}"));
        let owner = clients[0].am_i(&ctx, ()).await.unwrap();
        assert_eq!(calls(&clients[1], &ctx, 3).await, of([(&owner, 3)]));
        let again = clients[0].am_i(&Context::new(), ()).affinity(format!("user-{key}")).await.unwrap();
        assert_eq!(again, owner);
        owners.insert(key, owner);
    }
    let gone = owners[&0].clone();
    let index = ["a", "b", "c", "d"].iter().position(|name| **name == *gone).unwrap();
    nodes.remove(index).stop().await.unwrap();
    for (key, owner) in owners {
        let now = clients[0].am_i(&Context::new(), ()).affinity(format!("user-{key}")).await.unwrap();
        assert!(now == owner || owner == gone, "{key}: {owner}, {now}");
    }
}

#[tokio::test]
async fn a_filter_is_a_wish_unless_it_is_strict_and_holds_for_a_client_or_for_a_call() {
    let registry = Memory::new();
    let one = node(&registry, "one", |service| service.version("1.4.0")).await;
    let two = node(&registry, "two", |service| service.version("2.0.0")).await;
    let ctx = Context::new();
    let first = client(&registry, |client| client.filter(Filter::version("1.*")));
    assert_eq!(calls(&first, &ctx, 20).await, of([("one", 20)]));
    let all = client(&registry, |client| client.selector(Random::new()));
    for _ in 0..20 {
        assert_eq!(all.am_i(&ctx, ()).filter(Filter::version("2.0.0")).await.unwrap(), "two");
    }
    assert_eq!(calls(&all, &ctx, 60).await.len(), 2);
    let error = all.am_i(&ctx, ()).filter(Filter::version("3.*").strict()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    for told in ["version 3.*", "1 with version 1.4.0; 1 with version 2.0.0"] {
        assert!(error.message().contains(told), "{error}");
    }
    let strict = client(&registry, |client| client.filter(Filter::version("1.*").strict()));
    assert_eq!(calls(&strict, &ctx, 5).await, of([("one", 5)]));
    one.stop().await.unwrap();
    // Both clients hear of it in their own time.
    while strict.am_i(&ctx, ()).await.is_ok() {}
    while first.am_i(&ctx, ()).await.unwrap() != "two" {}
    assert!(strict.am_i(&ctx, ()).await.unwrap_err().message().contains("version 1.*"));
    two.stop().await.unwrap();
}

#[tokio::test]
async fn nodes_of_the_zone_of_the_environment_are_preferred_and_the_others_stand_behind_them() {
    let registry = Memory::new();
    let near = node(&registry, "near", |service| {
        service.environment(Environment::from_iter([("MICRO_ZONE", "z1")]))
    });
    let near = near.await;
    let _far = node(&registry, "far", |service| service.metadata("zone", "z2")).await;
    let ctx = Context::new();
    let here = Environment::from_iter([("MICRO_ZONE", "z1")]);
    let here = client(&registry, |client| client.environment(here).selector(Random::new()));
    assert_eq!(calls(&here, &ctx, 30).await, of([("near", 30)]));
    let nowhere = client(&registry, |client| client.selector(Random::new()));
    assert_eq!(calls(&nowhere, &ctx, 60).await.len(), 2);
    near.stop().await.unwrap();
    assert_eq!(calls(&here, &ctx, 10).await, of([("far", 10)]));
}

#[tokio::test]
async fn calls_are_split_between_versions() {
    let registry = Memory::new();
    let _nodes = (
        node(&registry, "old", |service| service.version("1")).await,
        node(&registry, "new", |service| service.version("2")).await,
    );
    let client = client(&registry, |client| client.split([("1", 90), ("2", 10)]));
    let spread = calls(&client, &Context::new(), 500).await;
    assert!((15..100).contains(&spread["new"]), "{spread:?}");
    let ctx = Context::new().with_affinity("ada");
    assert_eq!(calls(&client, &ctx, 20).await.len(), 1);
}

#[tokio::test]
async fn a_client_calls_no_more_nodes_than_its_subset_has() {
    let registry = Memory::new();
    let mut nodes = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        nodes.push(node(&registry, name, |service| service).await);
    }
    let client = client(&registry, |client| client.subset(2).selector(Random::new()));
    assert_eq!(calls(&client, &Context::new(), 100).await.len(), 2);
}

#[tokio::test]
async fn a_node_that_fails_gets_no_calls_after_a_few_and_the_client_tells_why() {
    let registry = Memory::new();
    let sick = Who { name: "sick", ..Who::default() };
    let _nodes = (start(&registry, &sick, |service| service).await, node(&registry, "well", |s| s).await);
    // `p2c` calls it once in three seconds from the first failure on, because failures are taken for slowness.
    for selector in ["round-robin", "random", "least-request"] {
        sick.sick.store(true, Ordering::SeqCst);
        sick.calls.store(0, Ordering::SeqCst);
        let limits = OutlierEjection::new().base_time(Duration::from_millis(50));
        let built = Client::builder().environment(Environment::empty()).registry(registry.clone());
        let built = built.selector(by_name(selector).unwrap()).outlier_ejection(limits).build();
        let client = WhoClient::new(&built);
        let is_out = || built.nodes("who").unwrap().iter().any(|node| node.out_of_use.is_some());
        while !is_out() {
            let _ = client.am_i(&Context::new(), ()).await;
        }
        assert_eq!(sick.calls.load(Ordering::SeqCst), 5, "{selector}");
        let nodes = built.nodes("who").unwrap();
        let told = nodes.iter().find(|node| node.out_of_use.is_some()).unwrap();
        assert!(told.id.contains("sick") && told.failures == 5 && told.ejections == 1, "{told:?}");
        assert!(matches!(told.out_of_use, Some((Reason::Failing, _))));
        // It is well again, and a call finds out.
        sick.sick.store(false, Ordering::SeqCst);
        while is_out() {
            assert!(client.am_i(&Context::new(), ()).await.is_ok(), "{selector}");
        }
    }
}

#[tokio::test]
async fn a_client_that_ejects_nobody_calls_a_node_that_fails_on_and_on() {
    let registry = Memory::new();
    let sick = Who { name: "sick", ..Who::default() };
    sick.sick.store(true, Ordering::SeqCst);
    let _nodes = (start(&registry, &sick, |service| service).await, node(&registry, "well", |s| s).await);
    let client = client(&registry, |client| client.selector(RoundRobin::new()).outlier_ejection(None));
    for _ in 0..40 {
        let _ = client.am_i(&Context::new(), ()).await;
    }
    assert_eq!(sick.calls.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn a_node_is_new_where_it_joins_others_and_not_where_it_was_there_first() {
    let registry = Memory::new();
    let register = async |id: &str| {
        let node = Registration::new("who", Node::new(id, format!("{id}:1")));
        registry.register(&node, Duration::from_secs(60)).await.unwrap();
    };
    register("a").await;
    register("b").await;
    let discovery = Discovery::new(Arc::new(registry.clone()));
    let view = discovery.view("who").unwrap();
    let there = view.until(|nodes| nodes.len() == 2).await;
    assert!(there.iter().all(|node| node.joined(Instant::now()).is_none()));
    register("c").await;
    let all = view.until(|nodes| nodes.len() == 3).await;
    let joined: Vec<_> = all.iter().map(|node| node.joined(Instant::now()).is_some()).collect();
    assert_eq!(joined, [false, false, true]);
}

#[tokio::test]
async fn the_view_of_the_nodes_says_how_they_do() {
    let registry = Memory::new();
    let running = node(&registry, "a", |service| service.version("1.2").metadata("zone", "z1")).await;
    let dead = Registration::new("who", Node::new("dead", "127.0.0.1:1"));
    registry.register(&dead, Duration::from_secs(60)).await.unwrap();
    let built = Client::builder().environment(Environment::empty()).registry(registry.clone()).build();
    let client = WhoClient::new(&built);
    while built.nodes("who").unwrap().iter().all(|node| node.ejections == 0) {
        client.am_i(&Context::new(), ()).await.unwrap();
    }
    let nodes = built.nodes("who").unwrap();
    let [dead, alive] = match &nodes[..] {
        [one, other] if one.id == "dead" => [one, other],
        [one, other] => [other, one],
        other => panic!("{other:?}"),
    };
    assert!(matches!(dead.out_of_use, Some((Reason::Unreachable, _))), "{dead:?}");
    assert_eq!((alive.version.as_str(), alive.zone.as_deref(), alive.weight), ("1.2", Some("z1"), 100));
    assert!(alive.out_of_use.is_none() && alive.calls > 0 && alive.in_flight == 0);
    assert!(alive.latency > Duration::ZERO);
    assert_eq!(alive.address, running.address());
    assert!(Client::builder().address("127.0.0.1:1").build().nodes("x").unwrap()[0].out_of_use.is_none());
}
