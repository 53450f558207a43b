use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::dead_letter::bury;
use super::{Ended, Handle, Terms};
use crate::broker::Delivery;
use crate::error::{Error, panic_text};

/// What becomes of an event that was not handled.
enum Failed {
    /// It is tried again, after this time.
    Again(Delivery, Duration),
    /// That is settled.
    Settled,
}

/// Hands an event over until it was handled or is given up.
pub(super) async fn work(
    terms: &Terms,
    handler: &dyn Handle,
    mut delivery: Delivery,
    stop: &CancellationToken,
) {
    let mut attempt = delivery.attempts_before.saturating_add(1);
    loop {
        let run = AssertUnwindSafe(async { handler.handle(&delivery, attempt).await }).catch_unwind();
        let handled = while_extending(terms, &delivery, run).await;
        let handled = handled.unwrap_or_else(|panic| Ended::Failed(panicked(&*panic)));
        let wait = match settle(terms, delivery, attempt, handled, stop).await {
            Failed::Again(again, wait) => {
                delivery = again;
                wait
            }
            Failed::Settled => return,
        };
        tokio::select! {
            // Dropped, it goes to somebody who has the time.
            () = stop.cancelled() => return,
            () = while_extending(terms, &delivery, tokio::time::sleep(wait)) => {}
        }
        attempt = attempt.saturating_add(1);
    }
}

/// Does what is to be done after an attempt, but for the next one.
async fn settle(
    terms: &Terms,
    delivery: Delivery,
    attempt: u32,
    handled: Ended,
    stop: &CancellationToken,
) -> Failed {
    let error = match handled {
        Ended::Handled => {
            terms.counts.handled();
            acknowledge(terms, delivery).await;
            return Failed::Settled;
        }
        Ended::Failed(error) => error,
        // Dropped, it goes back to where it came from.
        Ended::Back => return Failed::Settled,
    };
    terms.counts.failed();
    if terms.source.at_most_once() {
        tracing::warn!(
            topic = terms.source.topic(),
            id = delivery.envelope.id(),
            %error,
            "an event was not handled, and is gone: its subscriber asked for at-most-once"
        );
        return Failed::Settled;
    }
    if attempt >= terms.policy.attempts.get() || error.forbids_retry() {
        terms.counts.buried();
        bury(terms, delivery, attempt, &error, stop).await;
        return Failed::Settled;
    }
    // The handler knows best when it makes sense.
    let wait = error.retry_after().unwrap_or_else(|| terms.policy.backoff.wait(attempt));
    tracing::debug!(
        topic = terms.source.topic(),
        id = delivery.envelope.id(),
        attempt,
        %error,
        "an event was not handled, and will be tried again"
    );
    Failed::Again(delivery, wait)
}

pub(super) async fn acknowledge(terms: &Terms, delivery: Delivery) {
    if let Err(error) = delivery.ack().await {
        tracing::debug!(
            topic = terms.source.topic(),
            %error,
            "an event was handled, and will come again: that could not be acknowledged"
        );
    }
}

/// Says from time to time that somebody works on it.
pub(super) async fn while_extending<F: Future>(terms: &Terms, delivery: &Delivery, work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    // Most are done before a timer would be made.
    if let Poll::Ready(done) = futures_util::poll!(work.as_mut()) {
        return done;
    }
    // An interval is longer than nothing.
    let every = terms.source.extend_every().max(Duration::from_millis(1));
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // The work goes on while a broker that is away is told.
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = async {
                ticks.tick().await;
                delivery.extend().await;
            } => {}
        }
    }
}

#[cold]
fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    Error::internal(format!("the subscriber panicked: {}", panic_text(panic)))
}
