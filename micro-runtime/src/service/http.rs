use bytes::Bytes;
use http::Request;
use http::Response;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service as Tower;

use super::Service;
use crate::error::Error;
use crate::server::{Cors, HttpService, RequestBody};

/// What stands around and beside the calls on the service's port.
impl Service {
    /// Adds a tower layer around everything on the port: calls in all protocols, and what is
    /// [mounted](Self::mount). The first one added is the outermost.
    ///
    /// It is for what is a matter of HTTP: limits on requests, access logs, headers, compression of
    /// pages. What is a matter of calls (the method, the context, the messages) is for
    /// [`intercept`](Self::intercept).
    ///
    /// A layer stands around an [`HttpService`], and may pass on bodies of other types. An error of
    /// its service, and a panic, is an answer with status 500; a [`micro::Error`](Error) is one with
    /// its own code. Layers cost a call a few allocations.
    ///
    /// Axum's `middleware::from_fn` takes Axum's type of body alone, which the compiler says as
    /// "`FromFn<…>: Service<…>` is not satisfied": the manual, in `middleware`, shows the line in front of it
    /// that makes it fit.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use http::{HeaderName, HeaderValue, StatusCode};
    /// # use micro_runtime::Service;
    /// use tower_http::set_header::SetResponseHeaderLayer;
    ///
    /// let served_by = SetResponseHeaderLayer::if_not_present(
    ///     HeaderName::from_static("served-by"),
    ///     HeaderValue::from_static("greeter-1"),
    /// );
    /// let service = Service::new("greeter").layer(served_by);
    /// ```
    pub fn layer<L, B>(mut self, layer: L) -> Self
    where
        L: Layer<HttpService> + Send + 'static,
        L::Service: Tower<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Tower<Request<RequestBody>>>::Future: Send + 'static,
        <L::Service as Tower<Request<RequestBody>>>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.surroundings.layer(layer);
        self
    }

    /// Serves everything on the port that is no call with a tower service for HTTP, an `axum::Router`
    /// for example. Without one it is answered with 404.
    ///
    /// A request is a call where its path is that of a method of a [handler](Self::handle), or where
    /// it is a `POST` with the content type of a call to a service that a handler serves. All other
    /// requests go to the mounted service, as they came, with a [`Peer`](crate::server::Peer) among
    /// their extensions.
    ///
    /// Requests count as calls do: a service that stops lets them finish. Connections of HTTP/1.1 may
    /// be upgraded, to a WebSocket for example; those end when the service stops taking calls. A
    /// panic is an answer with status 500.
    ///
    /// The limits on connections, heads, and the time to read an answer hold for it;
    /// `max_message_size` and `body_timeout` are for messages, and what is mounted has limits of its
    /// own for the bodies it reads.
    ///
    /// Only one service can be mounted; a second one is an error at the start. A router holds many.
    pub fn mount<S, B>(mut self, service: S) -> Self
    where
        S: Tower<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if !self.surroundings.mount(HttpService::new(service)) {
            self.wrong.get_or_insert_with(|| {
                Error::failed_precondition(format!(
                    "two HTTP services are mounted on the service `{}`: mount one router that holds both",
                    self.name
                ))
            });
        }
        self
    }

    /// Says which web pages may call from a browser; none unless set, see [`Cors`] for why.
    pub fn cors(mut self, cors: Cors) -> Self {
        match cors.check() {
            Ok(()) => self.surroundings.cors(cors),
            Err(error) => {
                self.wrong.get_or_insert(error);
            }
        }
        self
    }
}
