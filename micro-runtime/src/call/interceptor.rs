use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::{Invocation, Payload};
use crate::error::Result;

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
///
/// An answer that is a stream has not ended when [`Next::run`] returns: who wants to know how it
/// does puts another stream around it.
///
/// A panic of an interceptor is like one of what it stands around: on a service, the call is answered
/// with `internal`.
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

type Last = Arc<dyn Fn(Invocation) -> BoxFuture<'static, Result<Payload>> + Send + Sync>;

/// The rest of the way of a call.
///
/// A clone goes the same way once more, which is how an interceptor makes a call again:
///
/// ```
/// # use micro_runtime::{Code, Result, call::{Invocation, Next, Payload}};
/// async fn twice(call: Invocation, next: Next) -> Result<Payload> {
///     // A stream is used up by the first attempt; a single message is not.
///     let Some(again) = call.try_clone().filter(|call| call.method.idempotent) else {
///         return next.run(call).await;
///     };
///     match next.clone().run(call).await {
///         Err(error) if error.code() == Code::Unavailable => next.run(again).await,
///         answer => answer,
///     }
/// }
/// ```
///
/// All attempts share the deadline of the call.
#[derive(Clone)]
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
        last: impl Fn(Invocation) -> BoxFuture<'static, Result<Payload>> + Send + Sync + 'static,
    ) -> Result<Payload> {
        Next { chain: self.0.clone(), index: 0, last: Arc::new(last) }.run(call).await
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
