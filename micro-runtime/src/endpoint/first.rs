//! While a handler waits for the first message of its caller, it has not yet decided anything.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use futures_util::Stream;

use super::Messages;
use crate::context::Incoming;
use crate::error::Result;

/// The same messages, telling the call while somebody waits for the first of them.
pub(super) fn watched(messages: Messages, incoming: Arc<Incoming>) -> Messages {
    Box::pin(First { messages, incoming: Some(incoming) })
}

struct First {
    messages: Messages,
    /// `None` once the first one is there.
    incoming: Option<Arc<Incoming>>,
}

impl Stream for First {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.messages.as_mut().poll_next(task);
        if let Some(incoming) = &self.incoming {
            incoming.set_awaits_first(polled.is_pending());
            if polled.is_ready() {
                self.incoming = None;
            }
        }
        polled
    }
}

impl Drop for First {
    fn drop(&mut self) {
        if let Some(incoming) = &self.incoming {
            incoming.set_awaits_first(false);
        }
    }
}
