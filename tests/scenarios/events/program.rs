//! The programs that the scenarios start: one that publishes, and one that subscribes.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use micro::client::Backoff;
use micro::messaging::Publisher;
use micro::registry::from_environment;
use micro::{Client, Context, Environment, Error, Event, Result, Topic};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::driver::broker;
use super::ledger::{BEGUN, HANDLED, Ledger, TAKEN};

/// The variable with what this program is: one of those below.
pub(crate) const ROLE: &str = "MICRO_SCENARIO_ROLE";
/// The variable with the topic.
pub(crate) const TOPIC: &str = "MICRO_SCENARIO_TOPIC";
/// The variable with the folder to write to.
pub(crate) const FOLDER: &str = "MICRO_SCENARIO_FOLDER";

/// Publishes what was not taken yet.
pub(crate) const PUBLISHER: &str = "publisher";
/// Handles events, as one of a group.
pub(crate) const SUBSCRIBER: &str = "subscriber";
/// A subscriber whose handler fails, in each attempt.
pub(crate) const FAILING: &str = "failing";

/// How many events there are.
pub(crate) const EVENTS: u64 = 10_000;

/// How many are on their way at the same time.
const IN_FLIGHT: usize = 64;

/// So often the programs say how far they are.
const SAID_EVERY: u64 = 100;

/// How often a handler that fails is tried, and the waits in between: many would take long.
pub(crate) const ATTEMPTS: u32 = 3;
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(5));

/// Runs until it is done, or is told to stop; or until the program that started it ends.
pub(crate) async fn run(role: String) -> ExitCode {
    match start(&role).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("a {role} of the scenarios: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start(role: &str) -> Result<()> {
    let stop = listen();
    let environment = Environment::process();
    let client = Client::builder().broker(broker(&environment, from_environment(&environment)?)?).build();
    let topic = Topic::<u64>::named(environment.get(TOPIC)?.unwrap_or_default());
    let ledger = Ledger::new(environment.get(FOLDER)?.unwrap_or_default());
    if role == PUBLISHER {
        return publish(&client.publisher(), &topic, &ledger).await;
    }
    let (handled, fails) = (Arc::new(ledger.page(HANDLED)), role == FAILING);
    let subscriber = client
        .subscribe(&topic)
        .group("scenario")
        .attempts(ATTEMPTS)
        .backoff(BACKOFF)
        .each(move |_ctx, event: Event<u64>| {
            let handled = handled.clone();
            async move {
                handled.write(event.payload, event.attempt());
                // A while in which it is handled and not acknowledged: who is killed in it leaves work to be done again.
                sleep(Duration::from_millis(5)).await;
                if fails { Err(Error::internal("it never works")) } else { Ok(()) }
            }
        })
        .await?;
    println!("ready");
    stop.notified().await;
    println!("left {}", subscriber.stop().await);
    Ok(())
}

/// Publishes all that was not taken, over and over until it is. The id of an event stays the same.
async fn publish(
    publisher: &Publisher,
    topic: &micro::messaging::NamedTopic<u64>,
    ledger: &Ledger,
) -> Result<()> {
    let before = ledger.read().taken;
    let (begun, taken) = (&ledger.page(BEGUN), &ledger.page(TAKEN));
    let (count, failed) = (&AtomicU64::new(0), &AtomicU64::new(0));
    let one = async |event: u64| {
        loop {
            begun.write(event, 1);
            let publish =
                publisher.publish(&Context::new(), topic, event).id(format!("{}-{event}", topic.name()));
            match publish.await {
                Ok(()) => break,
                // Whoever publishes cannot know what is the matter, and tries again.
                Err(error) => {
                    if failed.fetch_add(1, Ordering::Relaxed) == 0 {
                        eprintln!("a publisher of the scenarios goes on after: {error}");
                    }
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
        taken.write(event, 1);
        let count = count.fetch_add(1, Ordering::Relaxed) + 1;
        if count % SAID_EVERY == 0 {
            println!("taken {count}");
        }
    };
    println!("ready");
    let events = (0..EVENTS).filter(|event| !before.contains_key(event));
    stream::iter(events).for_each_concurrent(IN_FLIGHT, one).await;
    println!("done {}", failed.load(Ordering::Relaxed));
    Ok(())
}

/// Notifies when it is told anything, and ends with the program that started this one, since this end of the pipe is
/// closed then.
fn listen() -> Arc<Notify> {
    let told = Arc::new(Notify::new());
    let tell = told.clone();
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines().map_while(std::io::Result::ok) {
            tell.notify_one();
        }
        std::process::exit(3);
    });
    told
}
