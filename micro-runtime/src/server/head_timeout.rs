//! The time that an HTTP/1.1 peer has for the head of a request.
//!
//! hyper has such a limit as well. It begins when the answer before is sent, so that it would close
//! connections that are only idle; this one begins with the first byte of the head.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::activity::Activity;

pin_project! {
    /// A connection that ends when a head takes too long.
    pub(super) struct HeadTimeout<'a, C> {
        #[pin]
        connection: C,
        limit: Duration,
        activity: &'a Activity,
        sleep: Pin<Box<Sleep>>,
        // Whether a head has begun.
        running: bool,
    }
}

impl<'a, C> HeadTimeout<'a, C> {
    pub(super) fn new(connection: C, limit: Duration, activity: &'a Activity) -> Self {
        Self { connection, limit, activity, sleep: Box::pin(sleep(limit)), running: false }
    }

    /// The connection that is watched.
    pub(super) fn connection(self: Pin<&mut Self>) -> Pin<&mut C> {
        self.project().connection
    }
}

impl<E, C: Future<Output = Result<(), E>>> Future for HeadTimeout<'_, C> {
    type Output = Result<(), E>;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(ended) = this.connection.poll(task) {
            return Poll::Ready(ended);
        }
        // Requests begin and end in the poll above and nowhere else.
        if !this.activity.awaits_head() {
            *this.running = false;
            return Poll::Pending;
        }
        if !*this.running {
            *this.running = true;
            this.sleep.as_mut().reset(Instant::now() + *this.limit);
        }
        ready!(this.sleep.as_mut().poll(task));
        // As with who says nothing at all, there is no answer.
        Poll::Ready(Ok(()))
    }
}
