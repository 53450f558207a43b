//! A stream of answers: held to the deadline of its call, and its node as busy until the end.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use futures_util::{Stream, StreamExt as _};
use tokio::time::Sleep;

use super::failover;
use super::limit::Limit;
use crate::error::Result;
use crate::selector::{Outcome, Pick};

/// Holds a stream of answers. What comes first says how the node does, unless that was known before; how
/// long it took says nothing, because the node may have waited for this side.
pub(super) fn held<T: Send + 'static>(
    messages: impl Stream<Item = Result<T>> + Unpin + Send + 'static,
    limit: Option<Limit>,
    pick: Pick,
) -> Pin<Box<dyn Stream<Item = Result<T>> + Send>> {
    Box::pin(Held { answers: Some((messages, pick)), limit, sleep: None })
}

struct Held<S> {
    /// `None` once they have ended, and the node is free.
    answers: Option<(S, Pick)>,
    limit: Option<Limit>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<T, S: Stream<Item = Result<T>> + Unpin> Stream for Held<S> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<T>>> {
        let this = &mut *self;
        let Some((messages, pick)) = &mut this.answers else { return Poll::Ready(None) };
        let next = match &this.limit {
            Some(limit) => {
                let next = |task: &mut TaskContext<'_>| messages.poll_next_unpin(task).map(Option::transpose);
                ready!(limit.poll(&mut this.sleep, task, next)).transpose()
            }
            None => ready!(messages.poll_next_unpin(task)),
        };
        match &next {
            Some(Ok(_)) => {
                pick.report_untimed(Outcome::Ok);
                return Poll::Ready(next);
            }
            Some(Err(error)) => pick.report_untimed(failover::outcome(error)),
            None => pick.report_untimed(Outcome::Ok),
        }
        this.answers = None;
        Poll::Ready(next)
    }
}

impl<S> Unpin for Held<S> {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::{TryStreamExt as _, stream};
    use tokio::time::{Instant, advance};

    use super::*;
    use crate::context::Context;
    use crate::endpoint::MethodDescriptor;
    use crate::error::{Code, Error};
    use crate::registry::{Node, Registration};
    use crate::selector::Candidate;

    const COUNT: MethodDescriptor = MethodDescriptor::new::<u64, crate::Streaming<u64>>(
        "test.v1.Probe",
        "Count",
        "/test.v1.Probe/Count",
        "",
    );

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_broken_off_when_its_time_is_up_ran_out_of_time() {
        let node = Arc::new(Registration::new("probe", Node::new("probe-1", "127.0.0.1:1")));
        let pick = Pick::new(&Arc::new(Candidate::new(node)));
        let context = Context::new().with_timeout(Duration::from_secs(1));
        let messages = stream::iter([Ok(Bytes::from_static(b"1")), Err(Error::canceled("broken off"))]);
        let mut messages = held(messages, Limit::new(&context, &COUNT, Instant::now()), pick);
        assert_eq!(messages.try_next().await.unwrap().unwrap(), "1");
        advance(Duration::from_secs(1)).await;
        assert_eq!(messages.try_next().await.unwrap_err().code(), Code::DeadlineExceeded);
        assert!(messages.try_next().await.unwrap().is_none());
    }
}
