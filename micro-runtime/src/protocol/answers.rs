//! The reading side of a client's call, which all protocols with envelopes have in common.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, stream};

use super::Answer;
use super::sending::ReadingSide;
use crate::endpoint::{Inbound, Messages, MethodDescriptor};
use crate::error::{Error, Result};
use crate::metadata::Around;

/// The messages of a response whose head is there.
pub(crate) trait Answers: Send + Sized + Unpin + 'static {
    /// Waits for the next message; `None` at the end that the protocol asks for, when the trailers
    /// are known.
    fn next(&mut self, around: &Around) -> impl Future<Output = Result<Option<Bytes>>> + Send;

    /// The next message where it has arrived already and nothing else is to be done.
    fn at_hand(&mut self) -> Option<Bytes>;
}

/// What a call of this shape gets back. `open` waits for the head of the response. A request that
/// is one message has no `side`: nothing can break it, and it ends with the answer.
///
/// Returns when the head is there. Only where there is a stream in both directions it does not
/// wait: a server may send the head only with its first message, and that only after one of ours,
/// which may come only after this has returned.
pub(crate) async fn answer<R, Fut>(
    method: &'static MethodDescriptor,
    side: Option<ReadingSide>,
    open: impl FnOnce(Arc<Around>) -> Fut,
) -> Result<Answer>
where
    R: Answers,
    Fut: Future<Output = Result<R>> + Send + 'static,
{
    let around = Arc::new(Around::default());
    // It is large, and what follows would hold it several times over.
    let opening = open(around.clone()).boxed();
    if !method.response.stream {
        let message = async { one(&mut opening.await?, &around).await };
        let message = message.await.map_err(|error| explain(&side, error))?;
        return Ok(Answer { around: Some(around), body: Inbound::One(message) });
    }
    let messages = if method.request.stream {
        unopened(opening, around.clone(), side)
    } else {
        // What the head alone says, a refusal for example, is known now and not at the first message.
        opened(opening.await?, around.clone(), side)
    };
    Ok(Answer { around: Some(around), body: Inbound::Many(messages) })
}

/// The one message where one is due.
pub(crate) async fn one(answers: &mut impl Answers, around: &Around) -> Result<Bytes> {
    // Nobody can be asked for the headers afterwards, so an error has them, as that of a unary call.
    let with_headers = |mut error: Error| {
        error.metadata_mut().extend(around.headers.get().cloned().unwrap_or_default());
        error
    };
    let message = answers.next(around).await.map_err(with_headers)?;
    if message.is_some() && answers.next(around).await.map_err(with_headers)?.is_some() {
        return Err(Error::unimplemented("the server answered more than one message where one is due"));
    }
    message.ok_or_else(|| Error::unimplemented("the server answered no message where one is due"))
}

/// A stream of answers whose head is not there yet.
fn unopened<R: Answers>(
    opening: impl Future<Output = Result<R>> + Send + 'static,
    around: Arc<Around>,
    side: Option<ReadingSide>,
) -> Messages {
    let opening = async move {
        match opening.await {
            Ok(answers) => opened(answers, around, side),
            Err(error) => {
                let error = explain(&side, error);
                Box::pin(stream::once(async { Err(error) })) as Messages
            }
        }
    };
    Box::pin(opening.flatten_stream())
}

/// A stream of answers whose head is there.
fn opened<R: Answers>(answers: R, around: Arc<Around>, side: Option<ReadingSide>) -> Messages {
    Box::pin(Opened::Here(Reading { answers, around, side }))
}

/// Many messages arrive together, and those are taken without a future for each.
enum Opened<R> {
    Here(Reading<R>),
    Waiting(BoxFuture<'static, (Result<Option<Bytes>>, Reading<R>)>),
    Ended,
}

struct Reading<R> {
    answers: R,
    around: Arc<Around>,
    side: Option<ReadingSide>,
}

impl<R: Answers> Reading<R> {
    async fn next(mut self) -> (Result<Option<Bytes>>, Self) {
        (self.answers.next(&self.around).await, self)
    }
}

impl<R: Answers> Stream for Opened<R> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Self::Here(reading) = this {
            if let Some(message) = reading.answers.at_hand() {
                return Poll::Ready(Some(Ok(message)));
            }
            let Self::Here(reading) = std::mem::replace(this, Self::Ended) else { return Poll::Ready(None) };
            *this = Self::Waiting(reading.next().boxed());
        }
        let Self::Waiting(waiting) = this else { return Poll::Ready(None) };
        let (next, reading) = ready!(waiting.as_mut().poll(task));
        *this = Self::Ended;
        Poll::Ready(match next {
            Ok(None) => None,
            Ok(Some(message)) => {
                *this = Self::Here(reading);
                Some(Ok(message))
            }
            Err(error) => Some(Err(explain(&reading.side, error))),
        })
    }
}

fn explain(side: &Option<ReadingSide>, error: Error) -> Error {
    match side {
        Some(side) => side.explain(error),
        None => error,
    }
}
