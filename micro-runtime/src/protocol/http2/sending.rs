use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;

/// What is sent first needs no leave of the other side's window, up to this many bytes: it waits below as
/// well as here.
const FIRST: usize = 32 * 1024;

/// Sends a body on a stream. The future ends when all of it is handed over, or when the stream has ended
/// in another way; dropping it before that resets the stream.
pub(crate) struct Sending<B> {
    body: B,
    stream: SendStream<Bytes>,
    /// Bytes that wait for room in the window, and whether they are the last.
    waiting: Option<(Bytes, bool)>,
    begun: bool,
}

impl<B> Sending<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: StdError + 'static,
{
    pub(crate) fn new(body: B, stream: SendStream<Bytes>) -> Self {
        Self { body, stream, waiting: None, begun: false }
    }

    /// Hands over what can be. An error means that the stream is broken off.
    fn poll_send(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            if self.waiting.is_some() {
                while self.stream.capacity() == 0 {
                    match ready!(self.stream.poll_capacity(task)) {
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Poll::Ready(Err(error)),
                        // The stream sends no more.
                        None => return Poll::Ready(Ok(())),
                    }
                }
            }
            if let Some((bytes, last)) = self.waiting.take() {
                self.stream.send_data(bytes, last)?;
                if last {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(task)) {
                None => return Poll::Ready(self.stream.send_data(Bytes::new(), true)),
                Some(Err(error)) => {
                    self.stream.send_reset(reason(&error));
                    return Poll::Ready(Ok(()));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => {
                        let last = self.body.is_end_stream();
                        if bytes.is_empty() || !self.begun && bytes.len() <= FIRST {
                            self.begun = true;
                            self.stream.send_data(bytes, last)?;
                            if last {
                                return Poll::Ready(Ok(()));
                            }
                        } else {
                            // Any room will do: what is beyond it waits below.
                            self.stream.reserve_capacity(1);
                            self.waiting = Some((bytes, last));
                        }
                    }
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            return Poll::Ready(self.stream.send_trailers(trailers));
                        }
                    }
                },
            }
        }
    }
}

impl<B> Future for Sending<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: StdError + 'static,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = &mut *self;
        let broken = match this.poll_send(task) {
            Poll::Ready(Ok(())) => return Poll::Ready(()),
            Poll::Ready(Err(error)) => error,
            // It is to be heard of here when the other side breaks the stream off.
            Poll::Pending => match ready!(this.stream.poll_reset(task)) {
                Ok(reason) => reason.into(),
                Err(error) => error,
            },
        };
        tracing::debug!(error = %broken, "a body could not be sent to its end");
        Poll::Ready(())
    }
}

/// Why a stream is reset whose body fails: the error may say so itself.
fn reason(error: &(dyn StdError + 'static)) -> Reason {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(reason) = error.downcast_ref::<h2::Error>().and_then(h2::Error::reason) {
            return reason;
        }
        next = error.source();
    }
    Reason::INTERNAL_ERROR
}
