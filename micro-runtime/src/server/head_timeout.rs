//! The time that an HTTP/1.1 peer has for the head of a request.
//!
//! hyper has such a limit as well. It begins when the answer before is sent, so that it would close
//! connections that are only idle; this one begins with the first byte of the head.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::activity::Activity;

/// Watches one connection.
pub(super) struct HeadTimeout<'a> {
    limit: Duration,
    activity: &'a Activity,
    sleep: Pin<Box<Sleep>>,
    /// Whether a head has begun.
    running: bool,
}

impl<'a> HeadTimeout<'a> {
    pub(super) fn new(limit: Duration, activity: &'a Activity) -> Self {
        Self { limit, activity, sleep: Box::pin(sleep(limit)), running: false }
    }

    /// Runs the connection; `None` when a head took too long.
    pub(super) async fn watch<T>(&mut self, connection: impl Future<Output = T>) -> Option<T> {
        let mut connection = pin!(connection);
        poll_fn(|task| {
            if let Poll::Ready(ended) = connection.as_mut().poll(task) {
                return Poll::Ready(Some(ended));
            }
            // Requests begin and end in the poll above and nowhere else.
            if !self.activity.awaits_head() {
                self.running = false;
                return Poll::Pending;
            }
            if !self.running {
                self.running = true;
                self.sleep.as_mut().reset(Instant::now() + self.limit);
            }
            self.sleep.as_mut().poll(task).map(|()| None)
        })
        .await
    }
}
