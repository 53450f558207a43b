//! M2 to M4: slow handlers, deadlines and cancellation, seen from the process of the handler.

use std::collections::HashMap;
use std::time::Duration;

use micro::selector::Random;
use micro::{Client, Code, Context};
use tokio::time::{Instant, sleep};

use crate::node::WorkClient;
use crate::process::{Process, unique};
use crate::registry::Choice;
use crate::report::Outcome;

/// M2: the caller gives up on a method that is not idempotent. There is another node, for what should not be done
/// twice.
pub(crate) async fn slow_handler() -> Outcome {
    let (registry, service) = (Choice::from_environment(), unique("slow"));
    let nodes = [Process::start(&service, &registry).await, Process::start(&service, &registry).await];
    // One that reaches both nodes however slow one of them was.
    let client = Client::builder().registry(registry.open()).selector(Random::new()).build();
    let work = WorkClient::with_name(&client, &service);
    work.take(&Context::new(), ()).await.unwrap();

    let limit = Duration::from_secs(2);
    let start = Instant::now();
    let error = work.slow(&Context::new(), 8_000).timeout(limit).await.unwrap_err();
    let took = start.elapsed();
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    assert!(took < limit * 2, "the caller gave up after {took:?}");

    // Whoever would make it again had the time for that.
    sleep(limit).await;
    let mut begun = HashMap::new();
    while begun.len() < nodes.len() {
        let at = work.begun(&Context::new(), ()).await.unwrap();
        begun.insert(at.by, at.times);
    }
    let times: u64 = begun.values().sum();
    assert_eq!(times, 1, "{begun:?}");
    Outcome::Ours(format!("it runs once, the caller gives up after its {limit:?}"))
}

/// M3: a timeout is the time that a call has, and no other limit is shorter.
pub(crate) async fn long_timeout() -> Outcome {
    let (mut node, work) = one("long").await;
    let start = Instant::now();
    let answer = work.slow(&Context::new(), 6_000).timeout(Duration::from_secs(20)).await;
    assert_eq!(answer.unwrap(), node.id());
    let took = start.elapsed();
    node.says("finished").await;
    let error = work.slow(&Context::new(), 6_000).timeout(Duration::from_millis(100)).await.unwrap_err();
    // Whoever notices first says so: the server, which was told the time that was left, or the client.
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains(" within "), "{error}");
    Outcome::Ours(format!(
        "answered after {:.1} s; where the time is up, the error says how long it was",
        took.as_secs_f64()
    ))
}

/// M4: the handler knows the deadline, and is dropped when it passes.
pub(crate) async fn deadline_crosses() -> Outcome {
    let (mut node, work) = one("deadline").await;
    let ctx = Context::new().with_timeout(Duration::from_millis(300));
    assert_eq!(work.slow(&ctx, 20_000).await.unwrap_err().code(), Code::DeadlineExceeded);
    let left = node.says("begun").await;
    assert!((1..=300).contains(&left), "the handler was told {left} ms");
    let dropped = node.says("dropped").await;
    assert!(dropped < 3_000, "after {dropped} ms");
    Outcome::Ours(format!("the handler knows of {left} ms, and is dropped after {dropped} ms"))
}

/// M4: the handler is dropped when its caller no longer waits.
pub(crate) async fn cancellation_crosses() -> Outcome {
    let (mut node, work) = one("cancelled").await;
    let call = tokio::spawn(work.slow(&Context::new(), 20_000).into_future());
    node.says("begun").await;
    sleep(Duration::from_millis(100)).await;
    call.abort();
    let dropped = node.says("dropped").await;
    assert!(dropped < 3_000, "after {dropped} ms");
    Outcome::Ours(format!("the handler is dropped after {dropped} ms"))
}

/// A node, and a client that is connected to it, so that no connecting is in the times.
async fn one(name: &str) -> (Process, WorkClient) {
    let (registry, service) = (Choice::from_environment(), unique(name));
    let node = Process::start(&service, &registry).await;
    let work = WorkClient::with_name(&registry.client(), &service);
    work.take(&Context::new(), ()).await.unwrap();
    (node, work)
}
