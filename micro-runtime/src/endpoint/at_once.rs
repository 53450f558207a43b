use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Polls a future once. Most of what a call waits for is there, and needs no timer; where it is not, the same
/// future is polled on.
pub(crate) fn at_once<F: Future>(mut future: Pin<&mut F>) -> impl Future<Output = Poll<F::Output>> {
    poll_fn(move |task| Poll::Ready(future.as_mut().poll(task)))
}
