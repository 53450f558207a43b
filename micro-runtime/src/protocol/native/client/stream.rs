//! The answer of a call that is a stream.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use super::Open;
use crate::endpoint::{Inbound, MethodDescriptor};
use crate::error::{Error, Result};
use crate::metadata::{Around, Metadata};
use crate::protocol::Answer;
use crate::protocol::native::entry::Entry;
use crate::protocol::native::inbox::{Inbox, Reader};
use crate::protocol::native::state::{Reset, State};

/// Returns when the server has said something. Only where there is a stream in both directions it does not
/// wait: the server may say something only after a message that comes only after this has returned.
pub(super) async fn answer(
    open: Open,
    method: &'static MethodDescriptor,
    max_message_size: usize,
) -> Result<Answer> {
    let around = Arc::new(Around::default());
    if !method.request.stream {
        poll_fn(|task| open.link().with(|state| poll_began(state, open.call, &around, task))).await?;
    }
    let (link, call) = (open.link().clone(), open.call);
    let reader = Answers { open, around: around.clone() };
    let messages = Inbox::new(link, call, reader, max_message_size);
    Ok(Answer { around: Some(around), body: Inbound::Many(Box::pin(messages)) })
}

/// Waits for the first that is heard of a call. What says that it did not begin is an error.
fn poll_began(state: &mut State, call: u32, around: &Around, task: &TaskContext<'_>) -> Poll<Result<()>> {
    let Some(entry) = state.calls.get_mut(&call) else { return Poll::Ready(Ok(())) };
    let receiving = &mut entry.receiving;
    let began = receiving.headers.is_some() || receiving.has_messages();
    set_headers(around, entry);
    if began {
        return Poll::Ready(Ok(()));
    }
    let receiving = &mut entry.receiving;
    match &mut receiving.end {
        // It has an answer, if only that it failed, which is read as the end of its stream.
        Some(Err(error)) if !error.is_remote() => {
            let canceled = || Error::canceled("the call is over");
            Poll::Ready(Err(std::mem::replace(error, canceled())))
        }
        Some(_) => Poll::Ready(Ok(())),
        None => {
            receiving.waker = Some(task.waker().clone());
            Poll::Pending
        }
    }
}

fn set_headers(around: &Around, entry: &mut Entry) {
    if let Some(headers) = entry.receiving.headers.take() {
        // Set once: a call has one head.
        let _ = around.headers.set(headers);
    }
}

/// Reads the answers of a call.
struct Answers {
    open: Open,
    around: Arc<Around>,
}

impl Reader for Answers {
    fn look(&mut self, entry: &mut Entry) {
        set_headers(&self.around, entry);
    }

    fn end(&mut self, state: &mut State, call: u32, end: Result<Metadata>) -> Result<()> {
        self.open.over = true;
        state.remove(call);
        let trailers = end?;
        // Set once: this is the end.
        let _ = self.around.trailers.set(trailers);
        Ok(())
    }

    fn gone(&mut self, state: &mut State, call: u32, ended: bool) {
        self.open.over = true;
        if !ended && state.remove(call).is_some_and(|entry| entry.receiving.end.is_none()) {
            state.reset(call, Reset::Canceled);
        }
    }
}
