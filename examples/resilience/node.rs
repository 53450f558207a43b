//! What the nodes do.

use std::io::Read as _;
use std::time::Duration;

use micro::{Context, Result, Service};

/// Does something small.
#[micro::service(package = "resilience.v1")]
pub trait Work {
    /// The square of a number. It does no harm to ask twice, and the contract says so: that is why a call may be made
    /// again whose node died before it answered.
    #[micro(idempotent)]
    async fn square(&self, ctx: &Context, number: u64) -> Result<u64>;
}

struct Worker;

#[micro::handler]
impl Work for Worker {
    async fn square(&self, _ctx: &Context, number: u64) -> Result<u64> {
        // Some time of a database.
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(number.wrapping_mul(number))
    }
}

/// A node is a service like any other: it leaves the registry on SIGTERM, finishes what it has begun, and ends.
pub(crate) async fn run(service: &str, id: &str) -> Result<()> {
    end_with_the_parent();
    let ready = || async {
        println!("ready");
        Ok(())
    };
    Service::new(service).id(id).handle(Worker).after_start(ready).run().await
}

/// However the program that started this one ends, its end of the pipe is closed then.
fn end_with_the_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(1);
    });
}
