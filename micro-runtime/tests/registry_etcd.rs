//! The etcd driver, against an etcd.

#![cfg(feature = "etcd")]

mod servers;

use std::sync::Arc;
use std::time::Duration;

use micro_runtime::Result;
use micro_runtime::registry::Etcd;
use micro_runtime::registry::conformance::{self, Promises};
use servers::Kind;

/// The shortest lease that etcd grants with its default settings is as long as one and a half elections.
const PROMISES: Promises = Promises {
    notice: Duration::from_secs(5),
    answer: Duration::from_secs(5),
    shortest_ttl: Some(Duration::from_secs(2)),
};

#[tokio::test]
async fn the_etcd_registry_conforms() -> Result<()> {
    let Some(address) = servers::running(Kind::Etcd) else { return Ok(()) };
    let registries = [Etcd::parse(&address)?, Etcd::parse(&address)?];
    let mut turn = registries.iter().cycle();
    let turn = std::sync::Mutex::new(&mut turn);
    let make = || Arc::new(turn.lock().ok().and_then(|mut turn| turn.next().cloned()).expect("it goes on"));
    conformance::run(|| make(), PROMISES).await
}
