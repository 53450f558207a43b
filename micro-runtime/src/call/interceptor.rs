use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::context::Context;
use crate::endpoint::MethodDescriptor;
use crate::error::Result;
use crate::message::AnyMessage;
use crate::stream::Streaming;

/// Code around every call of a service or a client: it sees the method, the context and the
/// messages, and can change them, answer in place of what follows, or look at the answer.
///
/// The same trait serves both sides. The first interceptor added is the outermost. Any async
/// function from `(Invocation, Next)` to `Result<Payload>` is one:
///
/// ```
/// # use micro_runtime::{Result, call::{Invocation, Next, Payload}};
/// async fn timed(call: Invocation, next: Next) -> Result<Payload> {
///     let (path, start) = (call.method.path, std::time::Instant::now());
///     let answer = next.run(call).await;
///     println!("{path} took {:?}", start.elapsed());
///     answer
/// }
/// ```
pub trait Interceptor: Send + Sync + 'static {
    /// Handles one call, usually by calling [`Next::run`].
    fn intercept(&self, call: Invocation, next: Next) -> impl Future<Output = Result<Payload>> + Send;
}

impl<F, Fut> Interceptor for F
where
    F: Fn(Invocation, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Payload>> + Send + 'static,
{
    fn intercept(&self, call: Invocation, next: Next) -> impl Future<Output = Result<Payload>> + Send {
        self(call, next)
    }
}

/// An [`Interceptor`] that can stand in a list with others.
trait DynInterceptor: Send + Sync {
    fn intercept(&self, call: Invocation, next: Next) -> BoxFuture<'_, Result<Payload>>;
}

impl<I: Interceptor> DynInterceptor for I {
    fn intercept(&self, call: Invocation, next: Next) -> BoxFuture<'_, Result<Payload>> {
        Interceptor::intercept(self, call, next).boxed()
    }
}

/// A call on its way to the handler or to the wire.
#[derive(Debug)]
#[non_exhaustive]
pub struct Invocation {
    /// The method that is called.
    pub method: &'static MethodDescriptor,
    /// The context, which may be replaced by another one.
    pub context: Context,
    /// What is sent.
    pub request: Payload,
}

/// The messages of one direction of a call.
#[derive(Debug)]
pub enum Payload {
    /// One message.
    Message(AnyMessage),
    /// Any number of messages; [`Streaming::map`] looks at each as it passes.
    Stream(Streaming<AnyMessage>),
}

type Last = Box<dyn FnOnce(Invocation) -> BoxFuture<'static, Result<Payload>> + Send>;

/// The rest of the way of a call.
pub struct Next {
    chain: Arc<[Arc<dyn DynInterceptor>]>,
    index: usize,
    last: Last,
}

impl Next {
    /// Goes on with the call.
    pub async fn run(mut self, call: Invocation) -> Result<Payload> {
        match self.chain.get(self.index).cloned() {
            Some(interceptor) => {
                self.index += 1;
                interceptor.intercept(call, self).await
            }
            None => (self.last)(call).await,
        }
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("remaining", &(self.chain.len() - self.index)).finish_non_exhaustive()
    }
}

/// The interceptors of one side, outermost first.
#[derive(Clone)]
pub(crate) struct Interceptors(Arc<[Arc<dyn DynInterceptor>]>);

impl Interceptors {
    pub(crate) fn push(&mut self, interceptor: impl Interceptor) {
        self.0 = self.0.iter().cloned().chain([Arc::new(interceptor) as Arc<dyn DynInterceptor>]).collect();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) async fn run(
        &self,
        call: Invocation,
        last: impl FnOnce(Invocation) -> BoxFuture<'static, Result<Payload>> + Send + 'static,
    ) -> Result<Payload> {
        Next { chain: self.0.clone(), index: 0, last: Box::new(last) }.run(call).await
    }
}

impl Default for Interceptors {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} interceptors", self.0.len())
    }
}
