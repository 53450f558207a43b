//! One call: its answer is made, and then it is sent.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::header::{CONTENT_LENGTH, DATE, HeaderValue};
use http::{Response, Version};
use http_body::Body;
use pin_project_lite::pin_project;

use super::date;
use crate::error::Error;
use crate::protocol::http2::{Sending, strip};

/// Sends what the answer is. A call that the client breaks off is dropped where it is.
pub(super) fn call<F, B>(answer: F, respond: SendResponse<Bytes>) -> impl Future<Output = ()> + Send
where
    F: Future<Output = Response<B>> + Send,
    B: Body<Data = Bytes, Error = Error> + Send + Unpin,
{
    Call { answer, respond, sending: None }
}

pin_project! {
    struct Call<F, B> {
        #[pin]
        answer: F,
        respond: SendResponse<Bytes>,
        // Once the head of the answer is sent.
        sending: Option<Sending<B>>,
    }
}

impl<F, B> Future for Call<F, B>
where
    F: Future<Output = Response<B>>,
    B: Body<Data = Bytes, Error = Error> + Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.project();
        if this.sending.is_none() {
            let Poll::Ready(answer) = this.answer.poll(task) else {
                let broken_off = ready!(this.respond.poll_reset(task));
                tracing::debug!(?broken_off, "a call was broken off by its client");
                return Poll::Ready(());
            };
            match head(answer, this.respond) {
                Some(sending) => *this.sending = Some(sending),
                None => return Poll::Ready(()),
            }
        }
        match this.sending {
            Some(sending) => Pin::new(sending).poll(task),
            None => Poll::Ready(()),
        }
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
