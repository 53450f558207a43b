//! Runs handlers for callers in the same process, and hands on what both sides say.

use std::any::Any;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use futures_util::task::AtomicWaker;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout_at;

use super::local::{Local, LocalAnswer, Many, Wrap, cut_off};
use super::run::{Limit, Over, panicked};
use super::{Body, Carried, MethodDescriptor};
use crate::admission::{Asked, Permit};
use crate::context::Incoming;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::metadata::{Around, Metadata};
use crate::metrics::Counting;
use crate::stream::Streaming;

/// How many answers of a stream wait for their caller before the handler does. The wire, where the windows
/// count bytes, has room for hundreds of small ones; programs that send all before they read should run here too.
const ANSWERS: usize = 256;

/// The server's side of a call.
pub struct Relay {
    method: &'static MethodDescriptor,
    incoming: Arc<Incoming>,
    limit: Option<Limit>,
    /// Where the caller sends a stream.
    broken: Option<Arc<Broken>>,
    /// Whether the service lets the call in, where it does not let in everybody.
    asked: Option<Asked>,
    /// Where it is answered with a stream.
    counting: Option<Counting<'static>>,
}

/// The error of the caller's stream, which is the end of the call for the caller.
#[derive(Default)]
struct Broken {
    error: Mutex<Option<Error>>,
    /// Who runs the handler. It may be another task that reads the stream.
    handler: AtomicWaker,
}

impl Broken {
    fn set(&self, error: Error) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.handler.wake();
    }

    fn poll(&self, task: &TaskContext<'_>) -> Poll<Error> {
        self.handler.register(task.waker());
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        error.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Relay {
    pub(super) fn new(
        method: &'static MethodDescriptor,
        incoming: Arc<Incoming>,
        limit: Option<Limit>,
        asked: Option<Asked>,
        counting: Option<Counting<'static>>,
    ) -> Self {
        let broken = method.request.stream.then(Arc::default);
        Self { method, incoming, limit, broken, asked, counting }
    }

    /// What stands around the stream of the caller.
    pub(super) fn ears(&self) -> Ears {
        let awaits = self.method.response.stream.then(|| self.incoming.clone());
        Ears { incoming: awaits, broken: self.broken.clone() }
    }

    /// Runs a handler that answers with one message.
    pub(super) fn one<B: Body>(self, answer: impl Future<Output = Result<B>> + Send + 'static) -> Local {
        let one = async move {
            let over = Over::new(self.incoming, self.method);
            let answer = match let_in(self.asked, self.method).await {
                Ok(mut permit) => {
                    let answer = guarded(self.method, self.limit, self.broken, answer).await;
                    permit.iter_mut().for_each(|permit| permit.answered(answer.is_ok()));
                    answer
                }
                Err(error) => Err(error),
            };
            let reply = &over.incoming.reply;
            let (headers, trailers) = (reply.take_headers(), reply.take_trailers());
            over.done();
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
        let (over, mut counting) = (Over::new(self.incoming, self.method), self.counting);
        let mut begun = Some(begun);
        let mut begin = || {
            if let Some(begun) = begun.take() {
                // Set once, here.
                let _ = around.headers.set(over.incoming.reply.take_headers());
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
                    if !failed && (polled.is_ready() || !over.incoming.awaits_first()) {
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
        let admitted = async {
            let _permit = let_in(self.asked, self.method).await?;
            guarded(self.method, self.limit, self.broken, filling).await
        };
        let ended = tokio::select! {
            biased;
            ended = admitted => ended,
            // The caller gave the call up.
            () = sender.closed() => return,
        };
        if let Some(counting) = &mut counting {
            counting.end(ended.as_ref().err().map(Error::code));
        }
        let trailers = over.incoming.reply.take_trailers();
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
            let _ = around.headers.set(over.incoming.reply.take_headers());
            drop(begun);
        }
        end.set(ended);
        over.done();
    }
}

/// Waits until the service lets the call in.
async fn let_in(asked: Option<Asked>, method: &MethodDescriptor) -> Result<Option<Box<Permit>>> {
    match asked {
        None => Ok(None),
        Some(asked) => {
            let permit = asked.settled().await;
            permit.map(Some).map_err(|error| error.with_origin(method.service, method.name))
        }
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
        match broken.as_ref().map_or(Poll::Pending, |broken| broken.poll(task)) {
            Poll::Ready(own) => Poll::Ready(Err(own)),
            Poll::Pending => polled.map(|ended| {
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
