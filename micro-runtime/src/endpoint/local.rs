//! Calls of callers in the same process: no bytes, and the rules of every other call.
//!
//! A server is an [`Entrance`] for them, which a client finds by the node it has picked. A handler runs
//! in the future of its caller where there is one message each way, and else in a task that fills the stream
//! of answers.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::run::{Limit, Over, panicked};
use super::{Body, Carried, Endpoint, MethodDescriptor};
use crate::call::Interceptors;
use crate::codec::Codec;
use crate::context::{Context, Incoming};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::metadata::{Around, Metadata};
use crate::stream::Streaming;

/// How many answers of a stream wait for their caller before the handler does. The wire, where the windows
/// count bytes, has room for hundreds of small ones; programs that send all before they read should run here too.
const ANSWERS: usize = 256;

/// A running server, for callers in its process.
pub(crate) trait Entrance: Send + Sync {
    /// Begins a call, or gives it back.
    fn enter(&self, call: LocalCall) -> Entered;
}

/// What became of a call at an [`Entrance`].
pub(crate) enum Entered {
    Called(BoxFuture<'static, Result<LocalAnswer>>),
    /// There are as many calls inside as there may be. The wire has room for more, and lets them wait.
    Full(LocalCall),
    /// The server stops, and takes no new calls.
    Closed(LocalCall),
}

/// A call on its way to a server in the same process.
pub(crate) struct LocalCall {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) metadata: Metadata,
    pub(crate) deadline: Option<Instant>,
    /// For where the server has other types.
    pub(crate) codec: Codec,
    pub(crate) body: Carried,
}

/// What comes back.
pub struct LocalAnswer {
    pub(crate) around: Option<Arc<Around>>,
    pub(crate) body: Carried,
}

/// A call as the code behind a method gets it.
pub struct LocalRequest {
    pub(super) method: &'static MethodDescriptor,
    pub(super) context: Context,
    pub(super) codec: Codec,
    pub(super) body: Carried,
    pub(super) interceptors: Arc<Interceptors>,
    pub(super) relay: Relay,
}

/// A call that can be run.
pub enum Local {
    /// One that answers with one message.
    One(BoxFuture<'static, Result<LocalAnswer>>),
    /// One that answers with a stream.
    Many(Many),
}

/// A call that answers with a stream.
pub struct Many {
    answer: LocalAnswer,
    /// It is told when the headers are known, or dropped where there will be none.
    began: oneshot::Receiver<()>,
    /// What fills the stream.
    pub(crate) work: BoxFuture<'static, ()>,
}

/// Prepares a call on its method.
pub(crate) fn prepare(
    endpoint: &Endpoint,
    call: LocalCall,
    interceptors: Arc<Interceptors>,
    peer: Arc<str>,
) -> Local {
    let LocalCall { metadata, deadline, codec, body, .. } = call;
    let method = endpoint.method;
    let incoming = Arc::new(Incoming::new(metadata, peer));
    // Its caller looks at the clock, but may not look at a stream for long.
    let limit = match deadline {
        Some(_) if !method.response.stream => None,
        Some(deadline) => {
            let timeout = deadline.saturating_duration_since(Instant::now());
            Some(Limit { timeout, deadline, method })
        }
        None => method.timeout.and_then(|timeout| {
            Some(Limit { timeout, deadline: Instant::now().checked_add(timeout)?, method })
        }),
    };
    let context = Context::serving(incoming.clone(), deadline.or(limit.as_ref().map(|limit| limit.deadline)));
    let broken = method.request.stream.then(Arc::default);
    let relay = Relay { method, incoming, limit, broken };
    endpoint.serve.serve_local(LocalRequest { method, context, codec, body, interceptors, relay })
}

impl Many {
    /// The answer, once it has begun. Only where there is a stream in both directions it does not wait: the
    /// handler may say something only after a message that comes only after this.
    pub(crate) async fn answer(self, method: &MethodDescriptor) -> LocalAnswer {
        if !method.request.stream {
            let _ = self.began.await;
        }
        self.answer
    }

    /// Splits the work off.
    pub(crate) fn take_work(&mut self) -> BoxFuture<'static, ()> {
        std::mem::replace(&mut self.work, Box::pin(std::future::ready(())))
    }
}

/// The server's side of a call.
pub struct Relay {
    method: &'static MethodDescriptor,
    incoming: Arc<Incoming>,
    limit: Option<Limit>,
    broken: Option<Arc<Broken>>,
}

/// The error of the caller's stream, which is the end of the call for the caller.
#[derive(Default)]
struct Broken(Mutex<Option<Error>>);

impl Broken {
    fn set(&self, error: Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Relay {
    /// What stands around the stream of the caller.
    pub(super) fn ears(&self) -> Ears {
        let awaits = self.method.response.stream.then(|| self.incoming.clone());
        Ears { incoming: awaits, broken: self.broken.clone() }
    }

    /// Runs a handler that answers with one message.
    pub(super) fn one<B: Body>(self, answer: impl Future<Output = Result<B>> + Send + 'static) -> Local {
        let one = async move {
            let over = Over(self.incoming);
            let answer = guarded(self.method, self.limit, self.broken, answer).await;
            let (headers, trailers) = (over.0.reply.take_headers(), over.0.reply.take_trailers());
            match answer {
                Ok(answer) => {
                    let none = headers.is_empty() && trailers.is_empty();
                    let around = Around { headers: headers.into(), trailers: trailers.into() };
                    Ok(LocalAnswer { around: (!none).then(|| Arc::new(around)), body: Carried::new(answer) })
                }
                Err(mut error) => {
                    if error.is_remote() {
                        error.metadata_mut().extend(trailers);
                        error.metadata_mut().extend(headers);
                    }
                    Err(error)
                }
            }
        };
        Local::One(one.boxed())
    }

    /// Runs a handler that answers with a stream.
    pub(super) fn many<T: Message>(
        self,
        answer: impl Future<Output = Result<Streaming<T>>> + Send + 'static,
    ) -> Local {
        let (sender, receiver) = mpsc::channel(ANSWERS);
        let (begun, began) = oneshot::channel();
        let (around, end) = (Arc::new(Around::default()), Arc::new(End::default()));
        let read = Filled { receiver, end: Some((end.clone(), around.clone())), method: self.method };
        let body = Carried::new(Streaming::from_stream(read));
        let answer = self.fill(answer, sender, begun, around.clone(), end).boxed();
        Local::Many(Many { answer: LocalAnswer { around: Some(around), body }, began, work: answer })
    }

    async fn fill<T: Message>(
        self,
        answer: impl Future<Output = Result<Streaming<T>>>,
        sender: mpsc::Sender<T>,
        begun: oneshot::Sender<()>,
        around: Arc<Around>,
        end: Arc<End>,
    ) {
        let over = Over(self.incoming);
        let mut begun = Some(begun);
        let mut begin = || {
            if let Some(begun) = begun.take() {
                // Set once, here.
                let _ = around.headers.set(over.0.reply.take_headers());
                let _ = begun.send(());
            }
        };
        let filling = async {
            let mut messages = answer.await?;
            loop {
                let next = poll_fn(|task| {
                    let polled = messages.poll_next_unpin(task);
                    // As on the wire: what the handler sets until it first waits for anything but its caller's
                    // first message goes in front.
                    let failed = matches!(polled, Poll::Ready(Some(Err(_))));
                    if !failed && (polled.is_ready() || !over.0.awaits_first()) {
                        begin();
                    }
                    polled
                });
                match next.await {
                    Some(message) => {
                        if sender.send(message?).await.is_err() {
                            return Ok(());
                        }
                    }
                    None => return Ok(()),
                }
            }
        };
        let ended = tokio::select! {
            biased;
            ended = guarded(self.method, self.limit, self.broken, filling) => ended,
            // The caller gave the call up.
            () = sender.closed() => return,
        };
        let trailers = over.0.reply.take_trailers();
        let ended = match ended {
            Ok(()) => Ok(trailers),
            Err(mut error) => {
                if error.is_remote() {
                    error.metadata_mut().extend(trailers);
                }
                Err(error)
            }
        };
        if let Some(begun) = begun.take() {
            let _ = around.headers.set(over.0.reply.take_headers());
            drop(begun);
        }
        end.set(ended);
    }
}

/// Runs the code of a handler as any server does: a panic is an error of this call, and its time ends. An
/// error of its own is made what its caller would have read.
async fn guarded<T>(
    method: &'static MethodDescriptor,
    limit: Option<Limit>,
    broken: Option<Arc<Broken>>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let read = |error: Error| error.into_answer().delivered(method.service, method.name);
    let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
    let watched = poll_fn(|task| {
        let polled = work.as_mut().poll(task);
        match broken.as_ref().and_then(|broken| broken.take()) {
            Some(own) => Poll::Ready(Err(own)),
            None => polled.map(|ended| {
                let ended = ended.unwrap_or_else(|panic: Box<dyn Any + Send>| Err(panicked(method, &*panic)));
                ended.map_err(read)
            }),
        }
    });
    match limit {
        Some(limit) => {
            timeout_at(limit.deadline, watched).await.unwrap_or_else(|_| Err(read(limit.exceeded())))
        }
        None => watched.await,
    }
}

/// Stands around what passes: a stream is put into another one, and a message is left alone.
#[doc(hidden)]
pub trait Wrap {
    /// Puts a stream into another one.
    fn wrap<T: Send + 'static>(self, messages: Streaming<T>) -> Streaming<T>;
}

/// Hears the stream of a caller.
pub(super) struct Ears {
    /// Told whether the handler waits for the first message.
    incoming: Option<Arc<Incoming>>,
    broken: Option<Arc<Broken>>,
}

impl Wrap for Ears {
    fn wrap<T: Send + 'static>(self, messages: Streaming<T>) -> Streaming<T> {
        Streaming::from_stream(Heard { messages: Some(messages), ears: self })
    }
}

struct Heard<T> {
    messages: Option<Streaming<T>>,
    ears: Ears,
}

impl<T> Heard<T> {
    fn awaits(&self, awaits: bool) {
        if let Some(incoming) = &self.ears.incoming {
            incoming.set_awaits_first(awaits);
        }
    }
}

impl<T> Stream for Heard<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<T>>> {
        let Some(messages) = &mut self.messages else { return Poll::Ready(None) };
        let polled = messages.poll_next_unpin(task);
        self.awaits(polled.is_pending());
        if polled.is_ready() {
            self.ears.incoming = None;
        }
        match polled {
            Poll::Ready(Some(Err(error))) => {
                self.messages = None;
                if let Some(broken) = &self.ears.broken {
                    broken.set(error.maybe_processed());
                }
                Poll::Ready(Some(Err(Error::canceled("the caller broke the call off"))))
            }
            polled => polled,
        }
    }
}

impl<T> Drop for Heard<T> {
    fn drop(&mut self) {
        self.awaits(false);
    }
}

/// How a stream of answers ended, once it has: with its trailers, or with an error.
#[derive(Default)]
struct End(Mutex<Option<Result<Metadata>>>);

impl End {
    fn set(&self, ended: Result<Metadata>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    }

    fn take(&self) -> Option<Result<Metadata>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The answers of a handler, as its caller reads them.
struct Filled<T> {
    receiver: mpsc::Receiver<T>,
    /// Until it is read.
    end: Option<(Arc<End>, Arc<Around>)>,
    method: &'static MethodDescriptor,
}

impl<T> Stream for Filled<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<T>>> {
        match self.receiver.poll_recv(task) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(message)) => Poll::Ready(Some(Ok(message))),
            Poll::Ready(None) => {
                let Some((end, around)) = self.end.take() else { return Poll::Ready(None) };
                match end.take().unwrap_or_else(|| Err(cut_off(self.method))) {
                    Ok(trailers) => {
                        // Set once, here.
                        let _ = around.trailers.set(trailers);
                        Poll::Ready(None)
                    }
                    Err(error) => Poll::Ready(Some(Err(error))),
                }
            }
        }
    }
}

/// The error of a call whose handler was dropped by its server.
#[cold]
pub(crate) fn cut_off(method: &MethodDescriptor) -> Error {
    let (service, name) = (method.service, method.name);
    Error::unavailable(format!("{service}/{name} was cut off: its service stopped before the call was done"))
}

macro_rules! opaque {
    ($($name:ident)*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })*
    };
}

opaque!(LocalAnswer LocalRequest Local Many Relay);
