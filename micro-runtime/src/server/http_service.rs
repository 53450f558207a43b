use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::{BoxError, RequestBody, ResponseBody};
use super::panics::panicked;
use crate::error::Error;
use crate::protocol::Form;

/// An answer on its way, which is always one: errors and panics are answers as well.
pub(super) type Answering = BoxFuture<'static, Result<Response<ResponseBody>, Infallible>>;

/// A tower service for HTTP without its type: what a layer of
/// [`Service::layer`](crate::Service::layer) stands around.
///
/// It is always ready, and clones are cheap. An error of the service inside is an answer here: a
/// [`micro::Error`](Error) with its own code and text, and any other one as `internal`, with its text
/// in the log alone. A panic is `internal` too.
///
/// Layers that speak to each other through readiness, load shedding around a concurrency limit for
/// example, are put into one stack (tower's `ServiceBuilder`) and added as one layer.
#[derive(Clone)]
pub struct HttpService(Arc<dyn Answers>);

/// The object behind it.
pub(super) trait Answers: Send + Sync {
    fn answer(&self, request: Request<RequestBody>) -> Answering;
}

impl HttpService {
    /// Hides the type of a service.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Arc::new(Tower(service)))
    }

    pub(super) fn of(answers: impl Answers + 'static) -> Self {
        Self(Arc::new(answers))
    }

    /// Answers one request.
    pub(super) fn answer(&self, request: Request<RequestBody>) -> Answering {
        self.0.answer(request)
    }
}

impl<B> Service<Request<B>> for HttpService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<ResponseBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.answer(request.map(RequestBody::new))
    }
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService").finish_non_exhaustive()
    }
}

struct Tower<S>(S);

impl<S, B> Answers for Tower<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn answer(&self, request: Request<RequestBody>) -> Answering {
        let mut service = self.0.clone();
        async move {
            let form = Form::of(&request);
            let answered = async {
                poll_fn(|task| service.poll_ready(task)).await?;
                service.call(request).await
            };
            let error = match AssertUnwindSafe(answered).catch_unwind().await {
                Ok(Ok(response)) => return Ok(response.map(ResponseBody::new)),
                Ok(Err(error)) => failed(error.into()),
                Err(panic) => panicked(&*panic),
            };
            Ok(form.refuse(error).map(ResponseBody))
        }
        .boxed()
    }
}

#[cold]
fn failed(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error.into_answer(),
        Err(error) => {
            tracing::error!(%error, "a layer or the mounted service failed");
            Error::internal("the service failed to answer").with_source(error)
        }
    }
}
