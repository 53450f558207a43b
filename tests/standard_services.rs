//! The services that every server has: health, and that there are others without being in the way.

#![cfg(feature = "protobuf")]
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "common/soon.rs"]
mod soon;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt as _;
use micro::registry::{Memory, Registry as _};
use micro::{Code, Context, Environment, Error, Result, Running, Sender, Service, transport};
use serde::{Deserialize, Serialize};
use soon::soon;

/// The standard service as another program would write it down.
#[micro::service(package = "grpc.health.v1", name = "Health")]
trait Standard {
    async fn check(&self, ctx: &Context, request: Named) -> Result<Status>;
    async fn list(&self, ctx: &Context, request: Nothing) -> Result<Statuses>;
    async fn watch(&self, ctx: &Context, request: Named, out: &mut Sender<Status>) -> Result<()>;
}

#[derive(Default, micro::Message, Serialize, Deserialize)]
struct Named {
    service: String,
}

#[derive(micro::Message, Serialize, Deserialize)]
struct Nothing {}

#[derive(Debug, PartialEq, micro::Message, Serialize, Deserialize)]
struct Status {
    status: String,
}

#[derive(micro::Message, Serialize, Deserialize)]
struct Statuses {
    statuses: BTreeMap<String, Status>,
}

struct Polite;

#[micro::handler(package = "greeter.v1", name = "Greeter")]
impl Polite {
    pub async fn hello(&self, _ctx: &Context, name: String) -> Result<String> {
        Ok(format!("Good day, {name}"))
    }
}

fn named(service: &str) -> Named {
    Named { service: service.to_owned() }
}

async fn start() -> (Running, StandardClient) {
    let service = Service::new("greeter").handle(Polite).in_memory().await.unwrap();
    let client = health(&service);
    (service, client)
}

fn health(service: &Running) -> StandardClient {
    StandardClient::with_name(&service.client(), "greeter")
}

async fn check(client: &StandardClient, name: &str) -> Result<String> {
    client.check(&Context::new(), named(name)).await.map(|status| status.status)
}

#[tokio::test]
async fn the_whole_service_and_its_contracts_are_healthy_once_it_runs() {
    let (service, client) = start().await;
    assert_eq!(check(&client, "").await.unwrap(), "SERVING");
    assert_eq!(check(&client, "greeter.v1.Greeter").await.unwrap(), "SERVING");
    assert!(service.health().is_serving());
    let error = check(&client, "greeter.v2.Greeter").await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.message().contains("`greeter.v2.Greeter`"), "{error}");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn the_program_says_what_only_it_can_know() {
    let (service, client) = start().await;
    let health = service.health();
    health.set_serving_of("greeter.v1.Greeter", false);
    health.set_serving_of("database", true);
    assert_eq!(check(&client, "greeter.v1.Greeter").await.unwrap(), "NOT_SERVING");
    assert_eq!(check(&client, "").await.unwrap(), "SERVING");
    health.set_serving(false);
    let all = client.list(&Context::new(), Nothing {}).await.unwrap().statuses;
    let all: Vec<_> = all.iter().map(|(name, status)| (name.as_str(), status.status.as_str())).collect();
    assert_eq!(
        all,
        [("", "NOT_SERVING"), ("database", "NOT_SERVING"), ("greeter.v1.Greeter", "NOT_SERVING")]
    );
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_check_can_be_asked_for_by_its_name_and_decides_over_the_whole() {
    let service = Service::new("greeter").handle(Polite).check("cache", || async { Ok(()) });
    let service = service.check("database", || async { Err(Error::unavailable("no connection")) });
    let service = service.in_memory().await.unwrap();
    // It is not registered, and serves who knows where it is.
    let registry = service.registration();
    assert!(!registry.registered);
    let health = service.health();
    assert_eq!(health.is_serving_of("check/database"), Some(false));
    assert_eq!(health.is_serving_of("check/cache"), Some(true));
    assert_eq!((health.is_serving(), health.is_serving_of("greeter.v1.Greeter")), (false, Some(false)));
    service.stop().await.unwrap();

    let service = Service::new("greeter").handle(Polite).check("database", || async { Ok(()) });
    let service = service.in_memory().await.unwrap();
    let client = self::health(&service);
    assert_eq!(check(&client, "check/database").await.unwrap(), "SERVING");
    assert_eq!(check(&client, "check/registry").await.unwrap_err().code(), Code::NotFound);
    let all = client.list(&Context::new(), Nothing {}).await.unwrap().statuses;
    assert_eq!(all.keys().collect::<Vec<_>>(), ["", "check/database", "greeter.v1.Greeter"]);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn who_watches_is_told_of_every_change_and_only_of_changes() {
    let (service, client) = start().await;
    let mut watch = client.watch(&Context::new(), named("greeter.v1.Greeter")).await.unwrap();
    let mut next = async || soon(watch.next()).await.unwrap().unwrap().status;
    assert_eq!(next().await, "SERVING");
    // Of another name, and the same again.
    service.health().set_serving_of("database", false);
    service.health().set_serving(true);
    service.health().set_serving(false);
    assert_eq!(next().await, "NOT_SERVING");
    service.health().set_serving(true);
    assert_eq!(next().await, "SERVING");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_name_nobody_knows_can_be_watched_until_it_is_known() {
    let (service, client) = start().await;
    let mut watch = client.watch(&Context::new(), named("later")).await.unwrap();
    assert_eq!(soon(watch.next()).await.unwrap().unwrap().status, "SERVICE_UNKNOWN");
    service.health().set_serving_of("later", true);
    assert_eq!(soon(watch.next()).await.unwrap().unwrap().status, "SERVING");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_name_is_watched_only_where_it_is_known() {
    let (service, client) = start().await;
    let long = "x".repeat(100_000);
    let refused = soon(client.watch(&Context::new(), named(&long)).send()).await;
    let refused = match refused {
        Ok(statuses) => soon(statuses.collect()).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(refused.code(), micro::Code::InvalidArgument, "{refused}");
    service.health().set_serving_of(&long, true);
    let mut statuses = soon(client.watch(&Context::new(), named(&long)).send()).await.unwrap();
    assert_eq!(soon(statuses.next()).await.unwrap().unwrap().status, "SERVING");
}

#[tokio::test]
async fn who_watches_is_told_that_the_service_leaves_and_does_not_hold_it_up() {
    let (service, client) = start().await;
    let mut watches = Vec::new();
    for name in ["", "greeter.v1.Greeter", "unknown"] {
        let mut watch = client.watch(&Context::new(), named(name)).await.unwrap();
        soon(watch.next()).await.unwrap().unwrap();
        watches.push(watch);
    }
    let kept = service.health();
    // The drain timeout is longer than this.
    soon(service.stop()).await.unwrap();
    assert!(!kept.is_serving());
    for (watch, left) in watches.iter_mut().zip([true, true, false]) {
        if left {
            assert_eq!(soon(watch.next()).await.unwrap().unwrap().status, "NOT_SERVING");
        }
        assert_eq!(soon(watch.next()).await.unwrap_err().code(), Code::Unavailable);
    }
}

#[tokio::test]
async fn it_is_not_serving_from_the_moment_it_leaves_while_calls_are_still_taken() {
    let (registry, transport) = (Memory::new(), transport::Memory::new());
    let service = Service::new("greeter")
        .handle(Polite)
        .environment(Environment::empty())
        .registry(registry.clone())
        .transport(transport)
        // The end of the test cuts it short.
        .spread_delay(Duration::from_secs(60));
    let health = service.health();
    assert!(!health.is_serving(), "before the start");
    let service = service
        .after_start({
            let health = health.clone();
            move || async move {
                assert!(health.is_serving(), "once it is registered");
                Ok(())
            }
        })
        .start()
        .await
        .unwrap();
    let client = self::health(&service);
    let mut watch = client.watch(&Context::new(), named("")).await.unwrap();
    assert_eq!(soon(watch.next()).await.unwrap().unwrap().status, "SERVING");

    let stop = tokio::spawn(service.stop());
    assert_eq!(soon(watch.next()).await.unwrap().unwrap().status, "NOT_SERVING");
    // The watch is open still, and so is the service.
    health.set_serving(false);
    assert!(watch.next().now_or_never().is_none());
    stop.abort();
}

#[tokio::test]
async fn the_standard_services_are_neither_registered_nor_suggested() {
    let (registry, transport) = (Memory::new(), transport::Memory::new());
    let service = Service::new("greeter")
        .handle(Polite)
        .environment(Environment::empty())
        .registry(registry.clone())
        .transport(transport)
        .start()
        .await
        .unwrap();
    let records = registry.services().await.unwrap();
    let endpoints: Vec<_> = records[0].endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    assert_eq!(endpoints, ["Greeter.Hello"]);

    let nobody = NobodyClient::with_name(&service.client(), "greeter");
    let error = nobody.miss(&Context::new(), ()).await.unwrap_err();
    assert!(error.message().ends_with("known services: greeter.v1.Greeter"), "{error}");
    service.stop().await.unwrap();
}

/// A method that nobody serves.
#[micro::service(package = "nobody.v1", name = "Nobody")]
trait Nobody {
    async fn miss(&self, ctx: &Context, request: ()) -> Result<()>;
}

#[tokio::test]
async fn a_service_of_the_user_takes_the_place_of_the_standard_one() {
    struct Own;

    #[micro::handler]
    impl Standard for Own {
        async fn check(&self, _ctx: &Context, _request: Named) -> Result<Status> {
            Ok(Status { status: "MINE".into() })
        }

        async fn list(&self, _ctx: &Context, _request: Nothing) -> Result<Statuses> {
            Ok(Statuses { statuses: BTreeMap::new() })
        }

        async fn watch(&self, _ctx: &Context, _request: Named, _out: &mut Sender<Status>) -> Result<()> {
            Ok(())
        }
    }

    let service = Service::new("greeter").handle(Own).in_memory().await.unwrap();
    assert_eq!(check(&health(&service), "x").await.unwrap(), "MINE");
    service.stop().await.unwrap();
}
