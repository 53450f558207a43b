//! What a request passes on its way to a protocol or to the mounted service.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{BoxError, RequestBody, ResponseBody};
use super::cors::{Asked, Cors};
use super::http_service::{Answering, Answers, HttpService};
use super::peer::Peer;
use crate::context::{Departure, Origin};
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

    /// Whether every request passes something that only HTTP has.
    pub(crate) fn has_layers(&self) -> bool {
        !self.layers.is_empty()
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
    pub(super) fn new(site: Site, surroundings: Surroundings, departure: Departure) -> Self {
        let Surroundings { layers, mounted, cors } = surroundings;
        let inside = Arc::new(Inside { site: Arc::new(site), departure, mounted });
        let layered = (!layers.is_empty()).then(|| {
            let innermost = HttpService::of(Innermost(inside.clone()));
            layers.into_iter().rev().fold(innermost, |inner, layer| layer(inner))
        });
        Self { inside, layered, cors }
    }

    /// What serves calls that are not made over HTTP.
    pub(super) fn site(&self) -> Arc<Site> {
        self.inside.site.clone()
    }

    /// The same, for as long as the server is held anyway.
    pub(super) fn borrow_site(&self) -> &Site {
        &self.inside.site
    }

    /// Whether every call has to pass layers, which are of HTTP.
    pub(super) fn has_layers(&self) -> bool {
        self.layered.is_some()
    }

    /// Answers one request.
    ///
    /// The future of a call lies in this one as it is. All other ways are boxes in it, so that it is no
    /// larger for what most services do not have.
    pub(super) async fn answer(
        &self,
        request: Request<RequestBody>,
        peer: Arc<Origin>,
    ) -> Response<ResponseBody> {
        // In front of the layers: a browser asks without credentials, and is to read every answer,
        // those of the layers too.
        let asked = match &self.cors {
            None => None,
            Some(cors) => match cors.asked(&request) {
                Asked::Preflight(answer) => return answer.map(ResponseBody::from),
                Asked::Call(call) => Some(call),
            },
        };
        let mut response = if self.layered.is_none() && self.inside.claims(&request) {
            protocol::serve(&self.inside.site, request, peer).await.map(ResponseBody)
        } else {
            let Ok(response) = self.hand_on(request, peer).await;
            response
        };
        if let Some(asked) = asked {
            asked.allow(response.headers_mut());
        }
        response
    }

    /// Gives a request to the layers or, where there are none, to the mounted service.
    fn hand_on(&self, mut request: Request<RequestBody>, peer: Arc<Origin>) -> Answering {
        request.extensions_mut().insert(Peer(peer.address.clone()));
        match &self.layered {
            Some(layered) => layered.answer(request),
            None => self.inside.answer(request),
        }
    }
}

/// The calls of a server, and the service that is mounted beside them.
struct Inside {
    site: Arc<Site>,
    departure: Departure,
    mounted: Option<HttpService>,
}

impl Inside {
    /// Whether a request goes to a protocol, which is all of them where nothing is mounted.
    fn claims(&self, request: &Request<RequestBody>) -> bool {
        self.mounted.is_none() || protocol::claims(&self.site, request)
    }

    /// Answers a request whose extensions say where it comes from.
    fn answer(self: &Arc<Self>, request: Request<RequestBody>) -> Answering {
        match &self.mounted {
            Some(mounted) if !self.claims(&request) => mounted.answer(request),
            _ => {
                let peer = request.extensions().get::<Peer>().map(|peer| peer.0.clone());
                let address = peer.unwrap_or_else(|| Arc::from("unknown"));
                let (inside, peer) = (self.clone(), Origin::new(address, &self.departure));
                async move { Ok(protocol::serve(&inside.site, request, peer).await.map(ResponseBody)) }
                    .boxed()
            }
        }
    }
}

/// The inside as the layers see it.
struct Innermost(Arc<Inside>);

impl Answers for Innermost {
    fn answer(&self, request: Request<RequestBody>) -> Answering {
        self.0.answer(request)
    }
}
