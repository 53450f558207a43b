//! Calls of callers in the same process: no bytes, and the rules of every other call.
//!
//! A server is an [`Entrance`] for them, which a client finds by the node it has picked. A handler runs
//! in the future of its caller where there is one message each way, and else in a task that fills the stream
//! of answers.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::relay::Relay;
use super::run::{Limit, panicked};
use super::{Carried, Endpoint, MethodDescriptor};
use crate::admission::{Asked, Gate};
use crate::call::Interceptors;
use crate::codec::Codec;
use crate::context::{Context, Incoming, Origin};
use crate::error::{Error, Result};
use crate::metadata::{Around, Metadata};
use crate::stream::Streaming;

/// A running server, for callers in its process.
pub(crate) trait Entrance: Send + Sync {
    /// Begins a call, or gives it back.
    fn enter(&self, call: LocalCall) -> Entered;
}

/// What became of a call at an [`Entrance`].
pub(crate) enum Entered {
    Called(BoxFuture<'static, Result<LocalAnswer>>),
    /// There is no room for the call, which would have to wait. That is for the wire, where the request is kept until the
    /// answer is there: a call that has waited for nothing can still go to another node.
    Full(Carried),
    /// The server stops, and takes no new calls.
    Closed(Carried),
    /// The service does not let the call in; no handler saw it.
    Refused {
        body: Carried,
        error: Error,
    },
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
    pub(super) answer: LocalAnswer,
    /// It is told when the headers are known, or dropped where there will be none.
    pub(super) began: oneshot::Receiver<()>,
    /// What fills the stream.
    pub(super) work: BoxFuture<'static, ()>,
}

/// Prepares a call on its method, or gives its body back where it is not let in at once.
pub(crate) fn prepare(
    endpoint: &Endpoint,
    call: LocalCall,
    interceptors: Arc<Interceptors>,
    peer: Arc<Origin>,
) -> std::result::Result<Local, Entered> {
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
    let asked = match endpoint.gate.as_ref().map(|gate| ask(gate, &context)) {
        None => None,
        Some(Ok(Some(Asked::Refused(error)))) => {
            endpoint.calls.begin(Instant::now()).end(Some(error.code()));
            return Err(Entered::Refused { body, error: error.with_origin(method.service, method.name) });
        }
        Some(Ok(Some(asked))) => Some(asked),
        Some(Ok(None)) => return Err(Entered::Full(body)),
        Some(Err(panic)) => {
            let error = panicked(method, &*panic).into_answer();
            endpoint.calls.begin(Instant::now()).end(Some(error.code()));
            return Err(Entered::Refused { body, error: error.delivered(method.service, method.name) });
        }
    };
    // A call that is answered with one message is counted by who has it.
    let counting = method.response.stream.then(|| endpoint.calls.begin(Instant::now()).into_owned());
    let relay = Relay::new(method, incoming, limit, asked, counting);
    Ok(endpoint.serve.serve_local(LocalRequest { method, context, codec, body, interceptors, relay }))
}

/// Asks to let a call in; `None` where it would have to wait. What the service says of priorities and of rates is code
/// of others, and may panic; its caller is not to.
fn ask(gate: &Gate, context: &Context) -> std::result::Result<Option<Asked>, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(|| (!gate.makes_wait(context)).then(|| gate.ask(context))))
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

/// Stands around what passes: a stream is put into another one, and a message is left alone.
#[doc(hidden)]
pub trait Wrap {
    /// Puts a stream into another one.
    fn wrap<T: Send + 'static>(self, messages: Streaming<T>) -> Streaming<T>;
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
