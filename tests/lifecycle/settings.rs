//! Options from code, from the environment, and by default.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use micro::registry::{self, Memory, Registry as _};
use micro::transport::{self, Transport};
use micro::{Client, Code, Context, Environment, Service, selector};
use tracing_subscriber::fmt::MakeWriter;

use super::{Work, WorkClient, service};

#[tokio::test]
async fn options_in_code_win_over_the_environment() {
    let registry = Memory::new();
    let environment = Environment::from_iter([
        ("MICRO_SERVER_ID", "from-environment"),
        ("MICRO_SERVER_VERSION", "0.9"),
        ("MICRO_SERVER_METADATA", "zone=a,tier=gold"),
        ("MICRO_SERVER_ADVERTISE", "greeter.internal"),
        ("MICRO_SERVER_ADDRESS", "127.0.0.1:0"),
        // Not looked at, because the registry is given in code.
        ("MICRO_REGISTRY", "nonsense"),
    ]);
    let _running = Service::new("work")
        .environment(environment)
        .registry(registry.clone())
        .version("1.0")
        .metadata("zone", "b")
        .start()
        .await
        .unwrap();
    let record = registry.services().await.unwrap().remove(0);
    assert_eq!(record.version, "1.0");
    let node = &record.nodes[0];
    assert_eq!(node.id, "work-from-environment");
    assert_eq!((node.metadata["zone"].as_str(), node.metadata["tier"].as_str()), ("b", "gold"));
    assert!(node.address.starts_with("greeter.internal:"), "{}", node.address);
}

#[tokio::test]
async fn the_registry_of_the_environment_is_used_where_code_gives_none() {
    let environment = Environment::from_iter([("MICRO_REGISTRY", "memory")]);
    let running =
        Service::new("work").environment(environment).handle(Work::default()).start().await.unwrap();
    WorkClient::new(&running.client()).quick(&Context::new(), ()).await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_variable_that_makes_no_sense_fails_the_start_with_what_is_known() {
    for (variable, value, told) in [
        (
            "MICRO_REGISTRY",
            "zookeeper",
            "MICRO_REGISTRY: there is no registry `zookeeper`; known: consul, dns, etcd, mdns",
        ),
        (
            "MICRO_SELECTOR",
            "fastest",
            "MICRO_SELECTOR: there is no selector `fastest`; known: p2c, random, round-robin, least-request, hash",
        ),
        ("MICRO_REGISTER_TTL", "soon", "the environment variable MICRO_REGISTER_TTL is `soon`"),
        ("MICRO_SERVER_METADATA", "zone", "`name=value`"),
        ("MICRO_CLIENT_REQUEST_TIMEOUT", "x", "MICRO_CLIENT_REQUEST_TIMEOUT is `x`"),
        ("MICRO_SERVER_ADDRESS", "nowhere", "cannot listen on `nowhere`"),
    ] {
        let environment = Environment::from_iter([("MICRO_REGISTRY", "memory"), (variable, value)]);
        let error = Service::new("work").environment(environment).start().await.unwrap_err();
        assert!(error.message().contains(told), "{variable}: {error}");
    }
}

#[tokio::test]
async fn a_name_that_registries_cannot_hold_fails_the_start() {
    for name in ["", "my service", "a/b"] {
        let error =
            Service::new(name).environment(Environment::empty()).registry(Memory::new()).start().await;
        assert_eq!(error.unwrap_err().code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn two_handlers_of_one_route_fail_the_start() {
    let error =
        service(&Memory::new()).handle(Work::default()).handle(Work::default()).start().await.unwrap_err();
    assert!(error.message().contains("two handlers serve `/Work/"), "{error}");
}

#[tokio::test]
async fn a_registry_that_is_set_too_late_fails_the_start() {
    let service = service(&Memory::new());
    let _ = WorkClient::new(&service.client()).quick(&Context::new(), ()).await;
    let error = service.registry(Memory::new()).start().await.unwrap_err();
    assert!(error.message().contains("set it first"), "{error}");
}

#[tokio::test]
async fn a_bad_variable_of_the_client_fails_the_start_whatever_the_code_says() {
    for (variable, value) in [("MICRO_SELECTOR", "fastest"), ("MICRO_CLIENT_REQUEST_TIMEOUT", "soon")] {
        let environment = Environment::from_iter([(variable, value)]);
        let service = Service::new("work").environment(environment.clone()).registry(Memory::new());
        let error = service.start().await.unwrap_err();
        assert!(error.message().contains(variable), "{error}");

        let given = Client::builder().environment(environment).registry(Memory::new()).build();
        let error = service_with(given).start().await.unwrap_err();
        assert!(error.message().contains(variable), "{error}");
    }
}

fn service_with(client: Client) -> Service {
    service(&Memory::new()).with_client(client)
}

#[tokio::test]
async fn in_memory_nothing_depends_on_the_environment_or_on_addresses() {
    let environment = Environment::from_iter([
        ("MICRO_SERVER_ADDRESS", "nowhere"),
        ("MICRO_SERVER_ADVERTISE", "greeter.internal"),
        ("MICRO_SERVER_METADATA", "nonsense"),
        ("MICRO_REGISTRY", "zookeeper"),
        ("MICRO_SELECTOR", "fastest"),
        ("MICRO_REGISTER_TTL", "soon"),
    ]);
    let running = Service::new("work")
        .environment(environment)
        .advertise("work.example.com")
        .handle(Work::default())
        .in_memory()
        .await
        .unwrap();
    WorkClient::new(&running.client()).quick(&Context::new(), ()).await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_registration_that_lasts_no_time_fails_the_start() {
    for service in [
        service(&Memory::new()).register_interval(Duration::ZERO),
        service(&Memory::new()).register_ttl(Duration::ZERO),
    ] {
        let error = service.start().await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains("longer than nothing"), "{error}");
    }
}

#[tokio::test]
async fn drivers_that_were_chosen_by_name_can_be_given_to_services_and_clients() {
    let registry = registry::by_name("memory", None).unwrap();
    let transport: Arc<dyn Transport> = Arc::new(transport::Memory::new());
    let _running = Service::new("work")
        .environment(Environment::empty())
        .registry(registry.clone())
        .transport(transport.clone())
        .handle(Work::default())
        .start()
        .await
        .unwrap();
    let client = Client::builder()
        .registry(registry)
        .transport(transport)
        .selector(selector::by_name("random").unwrap())
        .build();
    WorkClient::new(&client).quick(&Context::new(), ()).await.unwrap();
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn at_the_start_one_line_says_what_was_chosen_and_why() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let environment = Environment::from_iter([("MICRO_SELECTOR", "random"), ("MICRO_SERVER_VERSION", "1.2")]);
    let running =
        Service::new("work").environment(environment).registry(Memory::new()).start().await.unwrap();

    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let line = log.lines().find(|line| line.contains("started")).unwrap();
    let address = format!("{} (default)", running.address());
    for chosen in ["memory (code)", "random (MICRO_SELECTOR)", "1.2 (MICRO_SERVER_VERSION)", &address] {
        assert!(line.contains(chosen), "no `{chosen}` in {line}");
    }
}
