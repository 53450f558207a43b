//! Until when the answer of a call may be taken. An answer that nobody takes is not asked for more, so
//! that it cannot look at its own clock: whoever runs the call does it.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::task_local;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long the error of a call that ran out of time may take to be sent.
const LAST_WORDS: Duration = Duration::from_secs(1);

task_local! {
    static UNTIL: Cell<Option<Instant>>;
}

/// Says it of the call that is run. Where nobody [hears](Until::hear) it nothing comes of that.
pub(super) fn set(deadline: Instant) {
    let _ = UNTIL.try_with(|until| until.set(deadline.checked_add(LAST_WORDS)));
}

/// What is known of one call.
#[derive(Debug, Default)]
pub(crate) struct Until {
    at: Option<Instant>,
    /// Made where the answer waits. Most go out at once.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Until {
    /// Runs what the call does, which may say it.
    pub(crate) fn hear<T>(&mut self, run: impl FnOnce() -> T) -> T {
        UNTIL.sync_scope(Cell::new(self.at), || {
            let done = run();
            self.at = UNTIL.try_with(Cell::get).unwrap_or_default();
            done
        })
    }

    /// Is ready once the time is over.
    pub(crate) fn poll_over(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at))).as_mut().poll(task)
    }
}
