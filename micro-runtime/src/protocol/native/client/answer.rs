//! The answer of a call that is one message.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::Open;
use crate::endpoint::Inbound;
use crate::error::{Error, Result};
use crate::metadata::{Around, Metadata};
use crate::protocol::Answer;

/// Waits for the answer.
pub(super) async fn one(mut open: Open, max_message_size: usize) -> Result<Answer> {
    // What ends the call wakes the task that began it.
    let mut began = true;
    let entry = poll_fn(|task| {
        if std::mem::take(&mut began) {
            return Poll::Pending;
        }
        open.link().with(|state| {
            let Some(entry) = state.calls.get_mut(&open.call) else { return Poll::Ready(None) };
            if entry.receiving.end.is_some() {
                return Poll::Ready(state.remove(open.call));
            }
            entry.receiving.waker = Some(task.waker().clone());
            Poll::Pending
        })
    });
    let mut entry = entry.await.ok_or_else(|| Error::internal("the call is not known any more"))?;
    open.over = true;
    let (headers, end) = (entry.receiving.headers.take(), entry.receiving.end.take());
    let trailers = match end.unwrap_or(Ok(Metadata::new())) {
        Ok(trailers) => trailers,
        Err(mut error) => {
            // Nobody can be asked for the headers afterwards.
            error.metadata_mut().extend(headers.unwrap_or_default());
            return Err(error);
        }
    };
    let message = entry.receiving.take_message();
    let message =
        message.ok_or_else(|| Error::unimplemented("the server answered no message where one is due"))?;
    let around = (headers.is_some() || !trailers.is_empty()).then(|| Arc::new(around(headers, trailers)));
    Ok(Answer { around, body: Inbound::One(message.read(max_message_size)?) })
}

fn around(headers: Option<Metadata>, trailers: Metadata) -> Around {
    Around { headers: headers.unwrap_or_default().into(), trailers: trailers.into() }
}
