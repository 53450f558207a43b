//! M1: a registry that lists two nodes, one of which is dead.

use futures_util::future::join_all;
use micro::{Client, Context, selector};

use crate::node::WorkClient;
use crate::process::{Process, unique};
use crate::registry::Choice;
use crate::report::Outcome;

const CALLS: usize = 1_000;

/// The method is not idempotent: a call moves only because it was surely not processed.
pub(crate) async fn one_of_two() -> Outcome {
    join_all(selector::NAMES.iter().map(|name| with(name))).await;
    let names = selector::NAMES.join(", ");
    Outcome::Ours(format!("0 of {CALLS} calls fail, with each selector ({names})"))
}

async fn with(selector: &str) {
    let registry = Choice::from_environment();
    let service = unique(&format!("dead-{selector}"));
    let (mut first, second) =
        (Process::start(&service, &registry).await, Process::start(&service, &registry).await);
    let client =
        Client::builder().registry(registry.open()).selector(selector::by_name(selector).unwrap()).build();
    let work = WorkClient::with_name(&client, &service);
    let take = async || work.take(&Context::new(), ()).await;

    let (dead, alive) = (first.id(), second.id());
    let mut seen = (false, false);
    while seen != (true, true) {
        let by = take().await.unwrap();
        seen = (seen.0 | (by == dead), seen.1 | (by == alive));
    }
    first.kill().await;
    for call in 0..CALLS {
        match take().await {
            Ok(by) => assert_eq!(by, alive),
            Err(error) => panic!("with {selector}, call {call} of {CALLS} fails: {error}"),
        }
    }
}
