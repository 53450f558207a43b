use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::super::{Delivery, SubscribeOptions, Subscription, is_dead_letter};
use super::Shared;
use super::announced::Announced;
use super::queue::Queue;
use super::wire;
use crate::error::Result;

/// The group of all who subscribe to dead letters.
const DEAD_LETTERS: &str = "dead-letter";

/// How long it is waited for the registry to show a subscription.
const SEEN: Duration = Duration::from_secs(1);

/// A subscription over HTTP.
#[derive(Debug)]
pub(super) struct HttpSubscription(Arc<Queue>);

impl Shared {
    pub(super) async fn subscribe(&self, options: SubscribeOptions) -> Result<HttpSubscription> {
        self.check_open()?;
        let options = if is_dead_letter(&options.topic) { options.group(DEAD_LETTERS) } else { options };
        // Whatever is wrong with it is said before anything listens.
        wire::registration(&options, "127.0.0.1:1".to_owned())?;
        let listening = self.listening().await?;
        let registration = wire::registration(&options, listening.address.clone())?;
        let id = registration.node.id.clone();
        let largest = wire::largest_request(self.settings.largest_event);
        let queue = Queue::new(id.clone(), &options, self.settings.waiting, largest, listening.clone());
        let subscription = HttpSubscription(Arc::new(queue));
        // It is there before others learn of it. Where that fails it ends with the value.
        listening.queues.add(&subscription.0);
        let announced = Announced::new(self.discovery.registry().clone(), registration).await?;
        subscription.0.announced(announced);
        // Where the registry shows it to this process, it does to others.
        let view = self.discovery.view(wire::SERVICE)?;
        let is_seen = view.until(|nodes| nodes.iter().any(|known| known.node().id == id));
        if timeout(SEEN, is_seen).await.is_err() {
            tracing::debug!(subscription = id, "the registry does not show a subscription yet");
        }
        Ok(subscription)
    }
}

#[async_trait]
impl Subscription for HttpSubscription {
    async fn next(&mut self) -> Option<Delivery> {
        self.0.next().await
    }

    async fn end(&mut self) -> Result<()> {
        self.0.end().await;
        Ok(())
    }
}

impl Drop for HttpSubscription {
    fn drop(&mut self) {
        self.0.over();
    }
}
