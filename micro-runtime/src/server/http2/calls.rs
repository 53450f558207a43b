//! Where the calls of a connection run: in its task as long as they do not wait, and then in tasks of
//! their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::{Duration, Instant};

use tokio_util::task::TaskTracker;

use crate::error::panic_text;

/// A call that takes longer than this without waiting holds the others of its connection up.
const LONG: Duration = Duration::from_micros(200);

/// How many calls get a task of their own from the start, after one that took long.
const CAREFUL: u32 = 64;

/// Runs calls. Those that are in tasks of their own end when their connection does, since then their
/// streams are broken off.
pub(super) struct Calls {
    tasks: TaskTracker,
    /// How many of the next calls get a task of their own.
    careful: u32,
}

impl Calls {
    pub(super) fn new(tasks: TaskTracker) -> Self {
        Self { tasks, careful: 0 }
    }

    /// Runs a call.
    pub(super) fn run(&mut self, mut call: impl Future<Output = ()> + Send + Unpin + 'static) {
        if self.careful > 0 {
            self.careful -= 1;
            self.tasks.spawn(call);
            return;
        }
        let begun = Instant::now();
        // Where it waits it is looked at again, in the task that is woken then.
        let mut unheard = TaskContext::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut call).poll(&mut unheard)));
        if begun.elapsed() > LONG {
            self.careful = CAREFUL;
        }
        match polled {
            Ok(Poll::Pending) => {
                self.tasks.spawn(call);
            }
            Ok(Poll::Ready(())) => {}
            Err(panic) => tracing::error!(panic = panic_text(&*panic), "a call panicked"),
        }
    }
}
