//! M8: 500 events at once, over the broker that needs nothing installed, to a subscriber in another process.

use std::time::Duration;

use futures_util::future::join_all;
use micro::messaging::{dead_letter, dead_letter_topic};
use micro::{Context, Topic};
use tokio::time::timeout;

use super::driver::Driver;
use super::program::{ATTEMPTS, FAILING, SUBSCRIBER};
use super::stage::Stage;
use crate::report::Outcome;

const EVENTS: u64 = 500;

/// Longer than it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// To a handler that works.
pub(crate) async fn that_is_handled() -> Outcome {
    let stage = Stage::new("burst", Driver::Http, None);
    let _subscriber = stage.start(SUBSCRIBER).await;
    let (taken, errors) = publish(&stage).await;
    assert_eq!((taken, errors.len()), (EVENTS, 0), "{:?}", errors.first());
    let account = stage.account();
    assert_eq!(account.handled.len() as u64, EVENTS, "handled");
    assert_eq!(account.again(), 0, "handled again");
    Outcome::Ours(format!("{EVENTS} of {EVENTS} handled, each once"))
}

/// To a handler that fails, while somebody looks after the dead letters.
pub(crate) async fn that_becomes_dead_letters() -> Outcome {
    let stage = Stage::new("burst-dead", Driver::Http, None);
    let _subscriber = stage.start(FAILING).await;
    let dead = Topic::<u64>::named(dead_letter_topic(stage.topic().name()));
    let client = stage.client();
    let mut letters = client.subscribe(&dead).events().await.unwrap();
    let publishing = publish(&stage);
    let counting = async {
        let mut seen = std::collections::BTreeSet::new();
        while (seen.len() as u64) < EVENTS {
            let letter = letters.next().await.expect("the broker is there");
            let reason = letter.headers().get(dead_letter::REASON).unwrap_or_default();
            assert!(reason.contains("it never works"), "{reason}");
            seen.insert(letter.payload);
            letter.ack();
        }
        seen.len()
    };
    let ((taken, errors), dead) = tokio::join!(publishing, async {
        timeout(PATIENCE, counting).await.expect("not all dead letters arrive")
    });
    assert_eq!((taken, errors.len()), (EVENTS, 0), "{:?}", errors.first());
    let account = stage.account();
    assert_eq!(account.handled.len() as u64, EVENTS, "given to the handler");
    assert_eq!(account.handled.values().sum::<usize>(), EVENTS as usize * ATTEMPTS as usize, "attempts");
    Outcome::Ours(format!(
        "{EVENTS} of {EVENTS} reach the handler, {ATTEMPTS} times each; {dead} dead letters, each with its error"
    ))
}

/// To a handler that fails, and nobody looks after the dead letters: the publisher hears of it.
pub(crate) async fn that_nobody_keeps() -> Outcome {
    let stage = Stage::new("burst-fails", Driver::Http, None);
    let _subscriber = stage.start(FAILING).await;
    let (taken, errors) = publish(&stage).await;
    let account = stage.account();
    assert_eq!(account.handled.len() as u64, EVENTS, "given to the handler");
    assert_eq!((taken, errors.len() as u64), (0, EVENTS), "what the publisher hears");
    for error in &errors {
        assert!(error.message().contains("it never works"), "{error}");
    }
    Outcome::Ours(format!(
        "{EVENTS} of {EVENTS} reach the handler; the publisher has {} errors",
        errors.len()
    ))
}

/// Publishes all of them at once, and says how many were taken, and the errors of the others.
async fn publish(stage: &Stage) -> (u64, Vec<micro::Error>) {
    let (publisher, topic, ctx) = (stage.client().publisher(), stage.topic(), Context::new());
    let all = (0..EVENTS).map(|event| publisher.publish(&ctx, &topic, event).into_future());
    let all = timeout(PATIENCE, join_all(all)).await.expect("a burst is not done");
    let errors: Vec<_> = all.into_iter().filter_map(Result::err).collect();
    (EVENTS - errors.len() as u64, errors)
}
