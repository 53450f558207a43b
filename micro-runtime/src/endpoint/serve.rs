use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::local::{Local, LocalRequest};
use super::{Body, Inbound, MethodDescriptor, Outbound, Outcome};
use crate::call::{Interceptors, Invocation};
use crate::codec::Codec;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::stream::{Sender, Streaming};

/// The code behind one method, on encoded bodies.
pub trait Serve: Send + Sync {
    #[doc(hidden)]
    fn serve(&self, request: Request) -> BoxFuture<'static, Result<Outbound>>;

    /// The same for a caller in this process.
    #[doc(hidden)]
    fn serve_local(&self, request: LocalRequest) -> Local;
}

/// A call as a protocol hands it over.
#[derive(Debug)]
pub struct Request {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) context: Context,
    pub(crate) codec: Codec,
    pub(crate) answer_codec: Codec,
    pub(crate) body: Inbound,
    pub(crate) interceptors: Arc<Interceptors>,
}

/// Serves with a method that returns its answer.
pub fn returning<A, R, F, Fut>(method: F) -> impl Serve + 'static
where
    A: Body,
    R: Outcome,
    F: Fn(Context, A) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    returning_or(method, |error| error)
}

/// The same, where `explain` words the error of a request that cannot be read.
pub(super) fn returning_or<A, R, F, Fut, E>(method: F, explain: E) -> impl Serve + 'static
where
    A: Body,
    R: Outcome,
    F: Fn(Context, A) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    E: Fn(Error) -> Error + Copy + Send + Sync + 'static,
{
    let run = move |context, request| {
        let answer = method(context, request);
        async move { answer.await.into_result() }
    };
    Endpoint { run, explain, types: PhantomData }
}

/// Serves with a method that sends its answers to a [`Sender`].
pub fn pushing<A, T, R, F, Fut>(method: F) -> impl Serve + 'static
where
    A: Body,
    T: Message,
    R: Outcome<Body = ()>,
    F: Fn(Context, A, Sender<T>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    let run = move |context, request| {
        let method = method.clone();
        let answers = Streaming::produce(|out| {
            let answer = method(context, request, out);
            async move { answer.await.into_result() }
        });
        std::future::ready(Ok(answers))
    };
    Endpoint { run, explain: |error| error, types: PhantomData }
}

struct Endpoint<A, B, F, E> {
    run: F,
    explain: E,
    types: PhantomData<fn(A) -> B>,
}

impl<A, B, F, Fut, E> Serve for Endpoint<A, B, F, E>
where
    A: Body,
    B: Body,
    F: Fn(Context, A) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<B>> + Send + 'static,
    E: Fn(Error) -> Error + Copy + Send + Sync + 'static,
{
    fn serve(&self, request: Request) -> BoxFuture<'static, Result<Outbound>> {
        let (run, explain) = (self.run.clone(), self.explain);
        async move {
            let Request { method, context, codec, answer_codec, body, interceptors } = request;
            let body = A::read(body, &codec, explain)?;
            let answer = if interceptors.is_empty() {
                run(context, body).await?
            } else {
                intercepted(run, &interceptors, Invocation::new(method, context, body.into_payload())).await?
            };
            answer.write(&answer_codec)
        }
        .boxed()
    }

    fn serve_local(&self, request: LocalRequest) -> Local {
        let (run, explain) = (self.run.clone(), self.explain);
        let LocalRequest { method, context, codec, body, interceptors, relay } = request;
        let ears = relay.ears();
        let answer = async move {
            let body = body.take::<A>(&codec, explain)?.wrapped(ears);
            if interceptors.is_empty() {
                return run(context, body).await;
            }
            intercepted(run, &interceptors, Invocation::new(method, context, body.into_payload())).await
        };
        B::relay(answer, relay)
    }
}

/// Runs a method behind interceptors. In a box, so that who has none has no room for it.
fn intercepted<A, B, F, Fut>(
    run: F,
    interceptors: &Interceptors,
    invocation: Invocation,
) -> BoxFuture<'_, Result<B>>
where
    A: Body,
    B: Body,
    F: Fn(Context, A) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<B>> + Send + 'static,
{
    let last = move |invocation: Invocation| {
        let run = run.clone();
        async move {
            run(invocation.context, A::from_payload(invocation.request)?).await.map(B::into_payload)
        }
        .boxed()
    };
    async move { B::from_payload(interceptors.run(invocation, last).await?) }.boxed()
}
