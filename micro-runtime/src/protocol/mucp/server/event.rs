//! Messages that are events: they go to whoever subscribes to their topic.

use std::future::ready;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Response;
use http::header::HeaderMap;
use http_body::Body;

use super::answer::{self, Failure};
use super::{arrival, codec, read};
use crate::context::{Incoming, Origin};
use crate::endpoint::{Endpoint, Inbound, run};
use crate::error::{Error, Result};
use crate::event::About;
use crate::protocol::Site;
use crate::protocol::body::WireBody;
use crate::protocol::mucp::frame;

/// Hands an event to all subscribers of its topic. That there is none is no error.
pub(super) async fn serve<B>(
    site: &Site,
    topic: &str,
    headers: &HeaderMap,
    body: B,
    peer: Arc<Origin>,
) -> Response<WireBody>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let subscribers = site.subscribers.of(topic);
    if subscribers.is_empty() {
        return answer::empty();
    }
    let event = match read(site, body).await {
        Ok(event) => event,
        Err(error) => return answer::failed(Failure { error, method: None }),
    };
    let about = Arc::new(About::new(topic.into(), frame::event_headers(headers)));
    let handled = subscribers.iter().map(|subscriber| {
        let incoming = Incoming::new(frame::metadata(headers), peer.clone()).with_event(about.clone());
        hand(site, &subscriber.endpoint, headers, &event, Arc::new(incoming))
    });
    let errors: Vec<_> = join_all(handled).await.into_iter().filter_map(Result::err).collect();
    let texts: Vec<_> = errors.iter().map(Error::message).collect();
    if texts.is_empty() {
        return answer::empty();
    }
    let error = Error::internal(format!("subscriber error: {}", texts.join("; ")));
    answer::failed(Failure { error, method: None })
}

/// Hands an event to one subscriber.
async fn hand(
    site: &Site,
    endpoint: &Endpoint,
    headers: &HeaderMap,
    event: &Bytes,
    incoming: Arc<Incoming>,
) -> Result<()> {
    let codec = codec(site, &endpoint.method.request, headers)?;
    let event = Inbound::One(event.clone());
    run(endpoint, arrival(site, headers, codec, incoming), pin!(ready(Ok(event)))).await?;
    Ok(())
}
