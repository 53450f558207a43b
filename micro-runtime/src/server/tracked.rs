use hyper::rt::Executor;
use tokio_util::task::TaskTracker;

use crate::endpoint::held;

/// Runs the calls of an HTTP/2 connection, so that a server which stops can wait for them. They end
/// when their connection does, or when nobody took the answer in time.
#[derive(Clone, Debug)]
pub(super) struct Tracked(pub(super) TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, call: F) {
        self.0.spawn(held(call));
    }
}
