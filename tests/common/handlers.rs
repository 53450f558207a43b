//! How many handlers run.

use tokio::sync::watch;

use crate::soon::soon;

/// Counts the handlers of a service that run.
pub(crate) struct Counter(watch::Sender<usize>);

/// A handler that runs.
pub(crate) struct Runs<'a>(&'a watch::Sender<usize>);

/// The count, from outside of the service.
pub(crate) struct Handlers(watch::Receiver<usize>);

pub(crate) fn counted() -> (Counter, Handlers) {
    let (running, handlers) = watch::channel(0);
    (Counter(running), Handlers(handlers))
}

impl Counter {
    /// Counts a handler until the value is dropped.
    pub(crate) fn runs(&self) -> Runs<'_> {
        self.0.send_modify(|running| *running += 1);
        Runs(&self.0)
    }
}

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

impl Handlers {
    /// Waits until exactly so many run.
    pub(crate) async fn are(&self, count: usize) {
        let mut handlers = self.0.clone();
        drop(soon(handlers.wait_for(|running| *running == count)).await.unwrap());
    }
}
