//! One call: its answer is made, and then it is sent.

use std::mem;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::header::{CONTENT_LENGTH, DATE, HeaderValue};
use http::{Response, Version};
use http_body::Body;

use super::date;
use super::place::Place;
use crate::endpoint::Until;
use crate::error::Error;
use crate::protocol::http2::{Sending, strip};

/// A call. One that the client breaks off, or whose time is over, is dropped where it is.
pub(super) struct Call<F, B> {
    stage: Stage<F, B>,
    until: Until,
}

enum Stage<F, B> {
    /// The answer is made. It is in a place of its own, since it takes much more room than all that comes
    /// after it, and what comes after it may last for long.
    Answering {
        answer: Place<F>,
        respond: SendResponse<Bytes>,
    },
    /// The head of the answer is sent.
    Sending(Sending<B>),
    Ended,
}

impl<F, B> Call<F, B>
where
    F: Future<Output = Response<B>> + 'static,
{
    pub(super) fn new(answer: F, respond: SendResponse<Bytes>) -> Self {
        Self { stage: Stage::Answering { answer: Place::of(answer), respond }, until: Until::default() }
    }
}

// What cannot be moved is in its place.
impl<F, B> Unpin for Call<F, B> {}

impl<F, B> Future for Call<F, B>
where
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes, Error = Error> + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Stage::Answering { answer, respond } = &mut this.stage {
            let Poll::Ready(answered) = this.until.hear(|| answer.poll(task)) else {
                if let Poll::Ready(broken_off) = respond.poll_reset(task) {
                    tracing::debug!(?broken_off, "a call was broken off by its client");
                    return Poll::Ready(());
                }
                return this.until.poll_over(task);
            };
            let sending = head(answered, respond).map_or(Stage::Ended, Stage::Sending);
            if let Stage::Answering { answer, .. } = mem::replace(&mut this.stage, sending) {
                answer.clear();
            }
        }
        if let Stage::Sending(sending) = &mut this.stage
            && Pin::new(sending).poll(task).is_pending()
        {
            return this.until.poll_over(task);
        }
        Poll::Ready(())
    }
}

/// Sends the head of an answer; `None` where there is nothing behind it.
fn head<B>(answer: Response<B>, respond: &mut SendResponse<Bytes>) -> Option<Sending<B>>
where
    B: Body<Data = Bytes, Error = Error> + Unpin,
{
    let (mut head, body) = answer.into_parts();
    head.version = Version::HTTP_2;
    strip(&mut head.headers, false);
    head.headers.entry(DATE).or_insert_with(date::now);
    let alone = body.is_end_stream();
    if !alone && let Some(length) = body.size_hint().exact() {
        head.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    match respond.send_response(Response::from_parts(head, ()), alone) {
        Ok(stream) => (!alone).then(|| Sending::new(body, stream)),
        Err(error) => {
            tracing::debug!(%error, "an answer could not be sent");
            respond.send_reset(Reason::INTERNAL_ERROR);
            None
        }
    }
}
