//! M5: a node is told to stop while it does something.

use micro::Context;
use tokio::time::Instant;

use crate::node::WorkClient;
use crate::process::{Process, unique};
use crate::registry::Choice;
use crate::report::Outcome;

pub(crate) async fn call_in_flight() -> Outcome {
    let (registry, service) = (Choice::from_environment(), unique("stopping"));
    let mut node = Process::start(&service, &registry).await;
    let id = node.id();
    let work = WorkClient::with_name(&registry.client(), &service);
    let call = tokio::spawn(work.slow(&Context::new(), 1_500).into_future());
    node.says("begun").await;
    let start = Instant::now();
    node.terminate().await;
    assert_eq!(call.await.unwrap().unwrap(), id, "the call in flight is answered");
    assert!(node.ends().await, "and the process ends well");
    let took = start.elapsed().as_secs_f64();
    Outcome::Ours(format!("the call is answered, and the process ends after {took:.1} s"))
}
