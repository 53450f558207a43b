//! Until when the answer of a call may be taken. An answer that nobody takes is not asked for more, so
//! that it cannot look at its own clock: whoever runs the call does it.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task_local;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long the error of a call that ran out of time may take to be sent.
const LAST_WORDS: Duration = Duration::from_secs(1);

task_local! {
    static UNTIL: Cell<Option<Instant>>;
}

/// Says it of the call that this task runs. Without [`held`] around it nothing comes of that.
pub(super) fn set(deadline: Instant) {
    let _ = UNTIL.try_with(|until| until.set(deadline.checked_add(LAST_WORDS)));
}

/// Runs a task that is one call, answer and all, and drops it when its time is over.
pub(crate) fn held<F: Future>(call: F) -> impl Future<Output = ()> {
    UNTIL.scope(Cell::new(None), Held { call, sleep: None })
}

pin_project! {
    struct Held<F> {
        #[pin]
        call: F,
        // Made where the answer waits. Most go out at once.
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future> Future for Held<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.project();
        if this.call.poll(task).is_ready() {
            return Poll::Ready(());
        }
        let Ok(Some(until)) = UNTIL.try_with(Cell::get) else { return Poll::Pending };
        this.sleep.get_or_insert_with(|| Box::pin(sleep_until(until))).as_mut().poll(task)
    }
}
