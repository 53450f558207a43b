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
pub(super) struct Calls<C> {
    tasks: TaskTracker,
    /// Where calls are run, over and over.
    place: Option<Pin<Box<Option<C>>>>,
    /// How many of the next calls get a task of their own.
    careful: u32,
}

impl<C> Calls<C>
where
    C: Future<Output = ()> + Send + 'static,
{
    pub(super) fn new(tasks: TaskTracker) -> Self {
        Self { tasks, place: None, careful: 0 }
    }

    /// Runs a call.
    pub(super) fn run(&mut self, call: C) {
        let mut place = self.place.take().unwrap_or_else(|| Box::pin(None));
        place.set(Some(call));
        let mut call = Placed(place);
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
                return;
            }
            Ok(Poll::Ready(())) => {}
            Err(panic) => tracing::error!(panic = panic_text(&*panic), "a call panicked"),
        }
        let Placed(mut place) = call;
        place.set(None);
        self.place = Some(place);
    }
}

/// A future in a place that can be used again.
struct Placed<C>(Pin<Box<Option<C>>>);

impl<C: Future<Output = ()>> Future for Placed<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        match self.0.as_mut().as_pin_mut() {
            Some(call) => call.poll(task),
            None => Poll::Ready(()),
        }
    }
}
