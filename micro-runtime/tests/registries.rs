//! Our own registries keep to what every registry has to do.

use std::sync::Arc;
use std::time::Duration;

use micro_runtime::Result;
use micro_runtime::registry::conformance::{self, Promises};
use micro_runtime::registry::{Memory, Registry};

#[tokio::test]
async fn the_memory_registry_conforms() -> Result<()> {
    let registry = Memory::new();
    conformance::run(|| Arc::new(registry.clone()), Promises::default()).await
}

#[tokio::test]
async fn two_memory_registries_know_nothing_of_each_other() {
    let apart = || Arc::new(Memory::new()) as Arc<dyn Registry>;
    let short = Duration::from_millis(20);
    let promises = Promises { notice: short, answer: short, shortest_ttl: None };
    let error = conformance::run(apart, promises).await.expect_err("nobody is found");
    assert!(error.message().contains("a watch that began before hears of a node"), "{error}");
}

#[cfg(feature = "mdns")]
#[tokio::test]
async fn the_mdns_registry_conforms() -> Result<()> {
    use micro_runtime::registry::Mdns;

    // A node that is not heard of for 120 seconds is gone, which is too long for a test.
    let promises = Promises { shortest_ttl: None, ..Promises::default() };
    conformance::run(|| Arc::new(Mdns::new()), promises).await
}

#[cfg(feature = "mdns-go-micro")]
#[tokio::test]
async fn the_mdns_registry_conforms_when_it_speaks_to_programs_of_go_micro_too() -> Result<()> {
    use micro_runtime::registry::Mdns;

    let promises = Promises { shortest_ttl: None, ..Promises::default() };
    conformance::run(|| Arc::new(Mdns::new().go_micro(true)), promises).await
}
