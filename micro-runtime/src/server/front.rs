//! What a request passes on its way to a protocol or to the mounted service.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{BoxError, RequestBody, ResponseBody};
use super::cors::{Asked, Cors};
use super::http_service::{Answering, Answers, HttpService};
use super::peer::Peer;
use crate::protocol::{self, Site};

/// What stands around and beside the calls of a server. Nothing, unless it is added.
#[derive(Default)]
pub(crate) struct Surroundings {
    layers: Vec<AddLayer>,
    mounted: Option<HttpService>,
    cors: Option<Cors>,
}

type AddLayer = Box<dyn FnOnce(HttpService) -> HttpService + Send>;

impl Surroundings {
    /// Adds a layer inside of those that there are.
    pub(crate) fn layer<L, B>(&mut self, layer: L)
    where
        L: Layer<HttpService> + Send + 'static,
        L::Service: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<RequestBody>>>::Future: Send + 'static,
        <L::Service as Service<Request<RequestBody>>>::Error: Into<BoxError>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.layers.push(Box::new(move |inner| HttpService::new(layer.layer(inner))));
    }

    /// Mounts a service, and says whether there was none before.
    pub(crate) fn mount(&mut self, service: HttpService) -> bool {
        self.mounted.replace(service).is_none()
    }

    pub(crate) fn cors(&mut self, cors: Cors) {
        self.cors = Some(cors);
    }
}

/// What answers the requests of a port.
pub(super) struct Front {
    inside: Arc<Inside>,
    /// The layers, with the inside in them. Without any there is no box on the way of a call.
    layered: Option<HttpService>,
    cors: Option<Cors>,
}

impl Front {
    pub(super) fn new(site: Site, surroundings: Surroundings) -> Self {
        let Surroundings { layers, mounted, cors } = surroundings;
        let inside = Arc::new(Inside { site, mounted });
        let layered = (!layers.is_empty()).then(|| {
            let innermost = HttpService::of(Innermost(inside.clone()));
            layers.into_iter().rev().fold(innermost, |inner, layer| layer(inner))
        });
        Self { inside, layered, cors }
    }

    /// Answers one request.
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: Arc<str>) -> Response<ResponseBody> {
        let mut request = request.map(RequestBody::from);
        // In front of the layers: a browser asks without credentials, and is to read every answer,
        // those of the layers too.
        let asked = match &self.cors {
            None => None,
            Some(cors) => match cors.asked(&request) {
                Asked::Preflight(answer) => return answer.map(ResponseBody::from),
                Asked::Call(call) => Some(call),
            },
        };
        let mut response = match &self.layered {
            None => self.inside.answer(request, peer).await,
            Some(layered) => {
                request.extensions_mut().insert(Peer(peer));
                let Ok(response) = layered.answer(request).await;
                response
            }
        };
        if let Some(asked) = asked {
            asked.allow(response.headers_mut());
        }
        response
    }
}

/// The calls of a server, and the service that is mounted beside them.
struct Inside {
    site: Site,
    mounted: Option<HttpService>,
}

impl Inside {
    async fn answer(&self, mut request: Request<RequestBody>, peer: Arc<str>) -> Response<ResponseBody> {
        match &self.mounted {
            Some(mounted) if !protocol::claims(&self.site, &request) => {
                request.extensions_mut().insert(Peer(peer));
                let Ok(response) = mounted.answer(request).await;
                response
            }
            _ => protocol::serve(&self.site, request, peer).await.map(ResponseBody),
        }
    }
}

/// The inside as the layers see it.
struct Innermost(Arc<Inside>);

impl Answers for Innermost {
    fn answer(&self, request: Request<RequestBody>) -> Answering {
        let inside = self.0.clone();
        async move {
            let peer = request
                .extensions()
                .get::<Peer>()
                .map_or_else(|| Arc::from("unknown"), |peer| peer.0.clone());
            Ok(inside.answer(request, peer).await)
        }
        .boxed()
    }
}
