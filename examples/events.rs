//! Durable events: what happened is kept in a file. Invoices are written by a service that goes on where it stopped;
//! a report that comes later reads everything from the start.
//!
//! ```text
//! cargo run --example events
//! cargo run --example events
//! ```
//!
//! Run it twice: the second time there are the events of the first one, and no invoice is written again. The file is
//! `micro-events.log` in the folder for temporary files; give another path with `-- path`.

use std::env::args_os;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use micro::events::{EventLog, File, Retention, Start};
use micro::messaging::Log;
use micro::{Context, Error, Event, Result, Topic};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Somebody ordered something.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub struct Ordered {
    /// What.
    pub what: String,
    /// How many.
    pub count: u32,
}

const ORDERED: Topic<Ordered> = Topic::new("ordered");

#[tokio::main]
async fn main() -> Result<()> {
    let default = || std::env::temp_dir().join("micro-events.log");
    let path = args_os().nth(1).map_or_else(default, PathBuf::from);
    let file = File::new(&path);
    println!("the log is {}", path.display());

    // Without this, everything is kept for ever.
    let month = Retention::unlimited().max_age(Duration::from_secs(30 * 24 * 3600));
    file.set_retention("ordered", month).await?;

    // A group is told of each event once, however often the program is started.
    let log = Log::new(file.clone());
    let (done, mut told) = mpsc::unbounded_channel();
    let invoices = log
        .consume(ORDERED)
        .group("invoices")
        .start(Start::Oldest)
        .each(move |_ctx, event: Event<Ordered>| {
            let done = done.clone();
            async move {
                let Ordered { what, count } = &event.payload;
                println!("invoice: {count} of {what}, event {}", event.offset().unwrap_or_default());
                let _ = done.send(());
                Ok(())
            }
        })
        .await?;

    let ctx = Context::new();
    for (what, count) in [("book", 2), ("pen", 10)] {
        // When this returns, the event is on the disk.
        let offset = log.publish(&ctx, ORDERED, Ordered { what: what.to_owned(), count }).await?;
        println!("order:   {count} of {what} is event {offset}");
    }
    // One that nobody sees before its time has come.
    let soon = SystemTime::now() + Duration::from_secs(1);
    log.publish_at(&ctx, ORDERED, Ordered { what: "lamp".to_owned(), count: 1 }, soon).await?;
    println!("order:   1 of lamp, in a second");

    for _ in 0..3 {
        if tokio::time::timeout(Duration::from_secs(30), told.recv()).await.is_err() {
            return Err(Error::deadline_exceeded("an event did not arrive"));
        }
    }
    invoices.stop().await;

    // Whoever comes later reads what was before.
    let mut pieces = 0;
    let all = log.read(ORDERED, Start::Oldest, 1000).await?;
    for event in &all {
        pieces += event.payload.count;
    }
    println!("report:  {} orders so far, {pieces} pieces", all.len());
    for group in file.groups("ordered").await? {
        println!("report:  the group {} has {} events before it", group.name, group.lag);
    }
    file.close().await
}
