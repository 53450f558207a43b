//! M7: what it costs a call to know where to go.

use std::time::Duration;

use micro::testing::FaultyRegistry;
use micro::{Client, Context};
use tokio::time::Instant;

use crate::node::WorkClient;
use crate::process::{Process, unique};
use crate::registry::Choice;
use crate::report::Outcome;

const CALLS: usize = 1_000;

/// The registry is asked once, for as long as the client lives; and a registry that does not answer any more does
/// not hold up a call.
pub(crate) async fn cost() -> Outcome {
    let (choice, service) = (Choice::from_environment(), unique("lookups"));
    let _node = Process::start(&service, &choice).await;
    let registry = FaultyRegistry::new(choice.open());
    let client = Client::builder().registry(registry.clone()).build();
    let work = WorkClient::with_name(&client, &service);
    work.take(&Context::new(), ()).await.unwrap();
    registry.hang();
    let mut took = Vec::new();
    for _ in 0..CALLS {
        let start = Instant::now();
        work.take(&Context::new(), ()).timeout(Duration::from_secs(10)).await.unwrap();
        took.push(start.elapsed());
    }
    let counts = registry.counts();
    assert_eq!((counts.watched, counts.listed), (1, 0), "{counts:?}");
    took.sort_unstable();
    let half = took[CALLS / 2].as_secs_f64() * 1e3;
    Outcome::Ours(format!("none: {CALLS} calls look up nothing, and one of 1 ms takes {half:.1} ms (p50)"))
}
