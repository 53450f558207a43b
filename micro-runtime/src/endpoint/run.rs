use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::at_once::at_once;
use super::handler::Endpoint;
use super::{Encode, Inbound, MethodDescriptor, Outbound, Request, first, until};
use crate::admission::Permit;
use crate::call::Interceptors;
use crate::codec::Codec;
use crate::context::{Context, Incoming};
use crate::error::{Code, Error, Result, panic_text};
use crate::metrics::Counting;

/// A call as a protocol found it on the wire, its body not read yet.
pub(crate) struct Arrival {
    pub(crate) incoming: Arc<Incoming>,
    pub(crate) codec: Codec,
    pub(crate) answer_codec: Codec,
    /// What the caller asked for; without it the method's own timeout holds.
    pub(crate) timeout: Option<Duration>,
    pub(crate) interceptors: Arc<Interceptors>,
    /// When it came.
    pub(crate) begun: Instant,
}

/// Runs one call: reads its body, calls the handler, and holds both to the deadline. A panic of
/// the handler is an `internal` error of this call. Dropping the future, or the stream it
/// answers, cancels the handler.
///
/// What reads the body stays where it is, and so does all of the call: the futures around it would hold it
/// several times over, and move it from one to the next.
pub(crate) async fn run(
    endpoint: &Endpoint,
    arrival: Arrival,
    body: Pin<&mut impl Future<Output = Result<Inbound>>>,
) -> Result<Outbound> {
    let method = endpoint.method;
    let Arrival { incoming, codec, answer_codec, timeout, interceptors, begun } = arrival;
    let over = Over::new(incoming.clone(), method);
    let mut counting = endpoint.calls.begin(begun);
    let limit = timeout
        .or(method.timeout)
        .and_then(|timeout| Some(Limit { timeout, deadline: begun.checked_add(timeout)?, method }));
    let asked = (method.request.stream && method.response.stream).then(|| incoming.clone());
    let context = Context::serving(incoming, limit.as_ref().map(|limit| limit.deadline));

    let mut call = pin!(
        AssertUnwindSafe(async {
            let body = match (body.await?, asked) {
                (Inbound::Many(messages), Some(incoming)) => {
                    Inbound::Many(first::watched(messages, incoming))
                }
                (body, _) => body,
            };
            let permit = match &endpoint.gate {
                None => None,
                Some(gate) => match gate.ask(&context).settled().await {
                    Ok(permit) => Some(permit),
                    Err(error) => return Ok(Served::Refused(error)),
                },
            };
            let request = Request { method, context, codec, answer_codec, body, interceptors };
            Ok(Served::Answered(endpoint.serve.serve(request).await, permit))
        })
        .catch_unwind()
    );
    let ended = match (at_once(call.as_mut()).await, &limit) {
        (Poll::Ready(ended), _) => ended,
        (Poll::Pending, Some(limit)) => match timeout_at(limit.deadline, call).await {
            Ok(ended) => ended,
            Err(_) => {
                counting.end(Some(Code::DeadlineExceeded));
                return Err(limit.exceeded());
            }
        },
        (Poll::Pending, None) => call.await,
    };
    if let Some(limit) = &limit {
        until::set(limit.deadline);
    }
    let (answer, mut permit) = match ended.unwrap_or_else(|panic| Err(panicked(method, &*panic))) {
        Ok(Served::Answered(answer, permit)) => (answer, permit),
        Ok(Served::Refused(error)) => {
            over.done();
            counting.end(Some(error.code()));
            return Err(error);
        }
        Err(error) => (Err(error), None),
    };
    if let Some(permit) = &mut permit {
        permit.answered(answer.is_ok());
    }
    match answer {
        Ok(Outbound::One(message)) => {
            over.done();
            counting.end(None);
            Ok(Outbound::One(message))
        }
        Ok(Outbound::Many(messages)) => Ok(Outbound::Many(Box::pin(Guarded {
            messages: Some(messages),
            sleep: limit.as_ref().map(|limit| Box::pin(sleep_until(limit.deadline))),
            limit,
            method,
            counting: counting.into_owned(),
            over: Some(over),
            permit,
        }))),
        // Only callers in this process have it so, and they come another way.
        Ok(Outbound::Carried(_)) => Err(Error::internal("an answer was not encoded")),
        Err(error) => {
            over.done();
            let error = error.into_answer();
            counting.end(Some(error.code()));
            Err(error)
        }
    }
}

/// What became of a call whose request is there.
enum Served {
    Answered(Result<Outbound>, Option<Box<Permit>>),
    /// It was not let in. What its caller is told is not the handler's, and goes out as it is.
    Refused(Error),
}

/// Ends the context of the call when the call ends, in whatever way.
pub(super) struct Over {
    pub(super) incoming: Arc<Incoming>,
    method: &'static MethodDescriptor,
    done: bool,
}

impl Over {
    pub(super) fn new(incoming: Arc<Incoming>, method: &'static MethodDescriptor) -> Self {
        Self { incoming, method, done: false }
    }

    /// The handler said all that it had to say.
    pub(super) fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        if !self.done {
            self.incoming.peer.departure.dropped(self.method.path);
        }
        self.incoming.end();
    }
}

pub(super) struct Limit {
    pub(super) timeout: Duration,
    pub(super) deadline: Instant,
    pub(super) method: &'static MethodDescriptor,
}

impl Limit {
    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    #[cold]
    pub(super) fn exceeded(&self) -> Error {
        let (method, timeout) = (self.method, humantime::format_duration(self.timeout));
        Error::deadline_exceeded(format!("{}/{} was not done within {timeout}", method.service, method.name))
    }
}

#[cold]
pub(super) fn panicked(method: &MethodDescriptor, panic: &(dyn Any + Send)) -> Error {
    tracing::error!(method = method.path, panic = panic_text(panic), "a handler panicked");
    // The text of a panic is for the log of this service and not for its callers.
    Error::internal(format!("the handler of {}/{} panicked", method.service, method.name))
}

/// A stream of answers under the same rules as the call that made it.
struct Guarded {
    messages: Option<Pin<Box<dyn Encode>>>,
    sleep: Option<Pin<Box<Sleep>>>,
    limit: Option<Limit>,
    method: &'static MethodDescriptor,
    over: Option<Over>,
    counting: Counting<'static>,
    /// Held until the handler is done.
    permit: Option<Box<Permit>>,
}

impl Encode for Guarded {
    fn poll_encode(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<Option<Result<()>>> {
        let this = &mut *self;
        let Some(messages) = &mut this.messages else { return Poll::Ready(None) };
        let polled =
            std::panic::catch_unwind(AssertUnwindSafe(|| messages.as_mut().poll_encode(task, buffer)));
        let ended = match polled {
            Ok(Poll::Pending) => {
                match (&this.limit, this.sleep.as_mut().map(|sleep| sleep.as_mut().poll(task))) {
                    (Some(limit), Some(Poll::Ready(()))) => Some(Err(limit.exceeded())),
                    _ => return Poll::Pending,
                }
            }
            // A stream that never waits ends in time as well.
            Ok(Poll::Ready(Some(Ok(())))) => match &this.limit {
                Some(limit) if limit.is_over() => Some(Err(limit.exceeded())),
                _ => return Poll::Ready(Some(Ok(()))),
            },
            Ok(Poll::Ready(Some(Err(error)))) => Some(Err(error.into_answer())),
            Ok(Poll::Ready(None)) => None,
            Err(panic) => Some(Err(panicked(this.method, &*panic))),
        };
        this.counting.end(ended.as_ref().and_then(|ended| ended.as_ref().err()).map(Error::code));
        // Whatever ended the stream, the handler behind it is dropped here.
        this.messages = None;
        this.permit = None;
        if let Some(over) = this.over.take() {
            over.done();
        }
        Poll::Ready(ended)
    }
}
