//! What events are published with, be it a broker or a log.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::broker::{Broker, Envelope};
use crate::codec::Codecs;
use crate::error::Result;
use crate::metrics::{Counter, Metrics};

/// What hands an encoded event over, and says what is known of it then.
type Hand<R> = Arc<dyn Fn(String, Envelope) -> BoxFuture<'static, Result<R>> + Send + Sync>;

/// What events are published with.
pub(crate) struct Via<R> {
    /// What it is called in errors: `the broker `nats``.
    pub(super) name: String,
    pub(super) codecs: Codecs,
    /// Who publishes, for the events.
    pub(super) source: Arc<str>,
    pub(super) hand: Hand<R>,
    pub(super) metrics: Metrics,
    published: Counter,
    refused: Counter,
}

impl<R: 'static> Via<R> {
    pub(super) fn new(
        name: String,
        codecs: Codecs,
        source: &str,
        metrics: Metrics,
        hand: impl Fn(String, Envelope) -> BoxFuture<'static, Result<R>> + Send + Sync + 'static,
    ) -> Self {
        let published = metrics.counter("micro_events_published", "Events that were taken.", &[]);
        let help = "Events that were not taken, or not in time.";
        let refused = metrics.counter("micro_events_not_published", help, &[]);
        Self { name, codecs, source: source.into(), hand: Arc::new(hand), metrics, published, refused }
    }

    pub(super) fn count(&self, taken: bool) {
        if taken { &self.published } else { &self.refused }.add(1);
    }

    /// The same with something else that is known of events that were taken.
    pub(super) fn handing<S: 'static>(
        &self,
        hand: impl Fn(String, Envelope) -> BoxFuture<'static, Result<S>> + Send + Sync + 'static,
    ) -> Via<S> {
        Via {
            name: self.name.clone(),
            codecs: self.codecs.clone(),
            source: self.source.clone(),
            hand: Arc::new(hand),
            metrics: self.metrics.clone(),
            published: self.published.clone(),
            refused: self.refused.clone(),
        }
    }
}

/// A broker, and what else it takes to publish and to subscribe.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) broker: Arc<dyn Broker>,
    pub(super) via: Arc<Via<()>>,
}

impl Opened {
    pub(crate) fn new(broker: Arc<dyn Broker>, codecs: Codecs, source: &str, metrics: Metrics) -> Self {
        let (name, to) = (format!("the broker `{}`", broker.name()), broker.clone());
        let via = Via::new(name, codecs, source, metrics, move |topic, envelope| {
            let to = to.clone();
            async move { to.publish(&topic, envelope).await }.boxed()
        });
        Self { broker, via: Arc::new(via) }
    }
}
