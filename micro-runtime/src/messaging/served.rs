//! The subscribers of a service: methods with `#[subscribe(…)]`.

use std::future::ready;
use std::num::{NonZeroU32, NonZeroUsize};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;

use super::arrival::{Arrived, unreadable};
use super::consumer::{Consumer, Ended, Handle, OfBroker, Policy, Terms};
use super::content;
use super::counts::Counts;
use super::via::Opened;
use crate::broker::{Delivery, Guarantee, SubscribeOptions};
use crate::call::Interceptors;
use crate::codec::Codecs;
use crate::context::{Departure, Origin};
use crate::endpoint::{Arrival, Inbound, Subscriber, SubscriberDescriptor, run};
use crate::error::Result;

/// What all subscribers of a service have in common.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) codecs: Codecs,
    pub(crate) interceptors: Arc<Interceptors>,
    pub(crate) departure: Departure,
}

/// The subscribers of a service that runs.
#[derive(Default)]
pub(crate) struct Subscriptions(Vec<Consumer>);

impl Subscriptions {
    /// Subscribes with all of them. Where one cannot have what it asks for, none stays.
    pub(crate) async fn start(
        opened: &Opened,
        subscribers: impl IntoIterator<Item = Arc<Subscriber>>,
        surroundings: Surroundings,
    ) -> Result<Self> {
        let origin = Origin::new(opened.broker.name(), &surroundings.departure);
        let mut started = Self::default();
        for subscriber in subscribers {
            let terms = terms(opened, subscriber.descriptor);
            let method = subscriber.endpoint.method;
            let handler = Served {
                topic: subscriber.descriptor.topic.into(),
                subscriber,
                origin: origin.clone(),
                surroundings: surroundings.clone(),
            };
            match Consumer::start(terms, Arc::new(handler)).await {
                Ok(consumer) => started.0.push(consumer),
                Err(error) => {
                    started.stop(Duration::ZERO).await;
                    let what = format!("{}/{} cannot subscribe", method.service, method.name);
                    return Err(error.context(what));
                }
            }
        }
        Ok(started)
    }

    /// Takes no further events.
    pub(crate) fn retire(&self) {
        self.0.iter().for_each(Consumer::retire);
    }

    /// Takes no further events, waits for those in hand, and returns how many were not handled by then.
    pub(crate) async fn stop(self, patience: Duration) -> usize {
        self.retire();
        join_all(self.0.into_iter().map(|consumer| consumer.stop(patience))).await.iter().sum()
    }
}

fn terms(opened: &Opened, descriptor: &SubscriberDescriptor) -> Terms {
    let mut options = SubscribeOptions::new(descriptor.topic).group(descriptor.group);
    if descriptor.at_most_once {
        options = options.guarantee(Guarantee::AtMostOnce);
    }
    options.ordered = descriptor.ordered;
    let concurrency = descriptor.concurrency.and_then(|events| usize::try_from(events).ok());
    if let Some(events) = concurrency.and_then(NonZeroUsize::new) {
        options = options.in_hand(events);
    }
    let mut policy = Policy::default();
    if let Some(attempts) = descriptor.attempts.and_then(NonZeroU32::new) {
        policy.attempts = attempts;
    }
    let counts = Counts::new(&opened.via.metrics, descriptor.topic, descriptor.group);
    let source = Box::new(OfBroker { broker: opened.broker.clone(), options });
    Terms { source, policy, counts }
}

struct Served {
    subscriber: Arc<Subscriber>,
    topic: Arc<str>,
    origin: Arc<Origin>,
    surroundings: Surroundings,
}

impl Handle for Served {
    fn handle(&self, delivery: &Delivery, attempt: u32) -> BoxFuture<'static, Ended> {
        let arrived = Arrived::new(delivery, &self.topic, attempt);
        let codec = match content::codec(&self.surroundings.codecs, arrived.content_type()) {
            Ok(codec) => codec.clone(),
            Err(error) => return ready(Ended::Failed(unreadable(error))).boxed(),
        };
        let arrival = Arrival {
            incoming: arrived.incoming(self.origin.clone()),
            answer_codec: codec.clone(),
            codec,
            timeout: None,
            interceptors: self.surroundings.interceptors.clone(),
            begun: Instant::now(),
        };
        let subscriber = self.subscriber.clone();
        async move {
            let body = pin!(ready(Ok(Inbound::One(arrived.body()))));
            run(&subscriber.endpoint, arrival, body).await.map(|_| ()).into()
        }
        .boxed()
    }
}
