use std::fmt;
use std::marker::PhantomData;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::Event;
use super::arrival::Arrived;
use super::consumer::{Consumer, Ended, Handle, OfBroker, Policy, Source, Terms};
use super::counts::Counts;
use super::options::Options;
use super::pull::{self, Events};
use super::via::Opened;
use crate::backoff::Backoff;
use crate::broker::{Delivery, Guarantee, SubscribeOptions};
use crate::codec::Codecs;
use crate::context::{Context, Origin};
use crate::error::{Error, Result};
use crate::events::{ConsumeOptions, Start};
use crate::message::Message;
use crate::metrics::Metrics;

/// How long the handlers of a subscriber that is told to stop may take, where nobody says otherwise.
pub const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(25);

/// A subscription that is being put together, for code that is no `#[micro::handler]`.
///
/// The options and their defaults are those of `#[subscribe(…)]`.
///
/// ```
/// use micro_runtime::broker::Memory;
/// use micro_runtime::messaging::{Event, Publisher, Topic};
/// use micro_runtime::{Context, Result};
///
/// const GREETED: Topic<String> = Topic::new("greeted");
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let publisher = Publisher::new(Memory::new());
///
/// // Handlers that are called …
/// let audit = publisher
///     .subscribe(GREETED)
///     .group("audit")
///     .each(|_ctx, event: Event<String>| async move {
///         println!("{} in attempt {}", event.payload, event.attempt());
///         Ok(())
///     })
///     .await?;
///
/// // … or events that are asked for.
/// let mut events = publisher.subscribe(GREETED).events().await?;
///
/// publisher.publish(&Context::new(), GREETED, "Ada".to_owned()).await?;
/// let received = events.next().await.unwrap();
/// assert_eq!(received.payload, "Ada");
/// received.ack();
/// audit.stop().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is subscribed before `each` or `events` is called and awaited"]
pub struct Subscribe<M, O = SubscribeOptions> {
    /// Or the first thing that was wrong.
    from: Result<Supply<O>>,
    options: O,
    policy: Policy,
    message: PhantomData<fn() -> M>,
}

/// Where the events come from.
pub(super) struct Supply<O> {
    /// What it is called.
    pub(super) name: &'static str,
    pub(super) codecs: Codecs,
    pub(super) metrics: Metrics,
    pub(super) source: Box<dyn FnOnce(O) -> Box<dyn Source> + Send>,
}

impl<M: Message> Subscribe<M> {
    pub(super) fn on_broker(opened: Result<&Opened>, topic: &str) -> Self {
        let from = opened.map(|opened| {
            let broker = opened.broker.clone();
            Supply {
                name: broker.name(),
                codecs: opened.via.codecs.clone(),
                metrics: opened.via.metrics.clone(),
                source: Box::new(move |options| Box::new(OfBroker { broker, options })),
            }
        });
        Self::new(from, SubscribeOptions::new(topic))
    }

    /// Takes each event once or not at all. Unless set it is at least once: an event that was not handled comes
    /// again.
    pub fn at_most_once(mut self) -> Self {
        self.options.guarantee = Guarantee::AtMostOnce;
        self
    }
}

impl<M: Message> Subscribe<M, ConsumeOptions> {
    /// Where to begin; with what is new unless set. For a group it is looked at when the group first appears: it
    /// goes on where it stopped.
    pub fn start(mut self, start: Start) -> Self {
        self.options.start = start;
        self
    }

    /// How long an event may be in the hand of a process that has gone silent, before it is given to another one; 30 s
    /// unless set. A handler may take as long as it likes: this is about processes that are gone.
    pub fn ack_wait(mut self, time: Duration) -> Self {
        self.options.ack_wait = time;
        self
    }
}

impl<M: Message, O: Options> Subscribe<M, O> {
    pub(super) fn new(from: Result<Supply<O>>, options: O) -> Self {
        Self { from, options, policy: Policy::default(), message: PhantomData }
    }

    /// Shares the events with all subscribers of the same group, in whatever process: each event goes to one of them.
    /// Unless set, this subscriber gets every event.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        *self.options.group() = Some(group.into()).filter(|group| !group.is_empty());
        self
    }

    /// Takes events with the same key in the order in which they were published; unless set, in any order.
    pub fn ordered(mut self) -> Self {
        *self.options.ordered() = true;
        self
    }

    /// How often an event is tried at the most before it is a dead letter; 5 unless set, and at least 1.
    pub fn attempts(mut self, attempts: u32) -> Self {
        match NonZeroU32::new(attempts) {
            Some(attempts) => self.policy.attempts = attempts,
            None => self.is_wrong("`attempts` is at least 1: an event that is not tried is not handled"),
        }
        self
    }

    /// How long a failing event waits before it is tried again: exponential backoff with full jitter, from 200 ms to
    /// 30 s unless set. An error with a [`retry_after`](Error::with_retry_after) says it itself.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.policy.backoff = backoff;
        self
    }

    /// How many events are in hand at the same time; 16 unless set, and at least 1.
    pub fn concurrency(mut self, events: usize) -> Self {
        match NonZeroUsize::new(events) {
            Some(events) => *self.options.in_hand() = events,
            None => self.is_wrong("`concurrency` is at least 1: otherwise no event is handled"),
        }
        self
    }

    fn is_wrong(&mut self, why: &str) {
        if self.from.is_ok() {
            self.from = Err(Error::invalid_argument(why));
        }
    }

    /// Calls this for every event from now on. When it returns `Ok` the event is done; when it fails or panics, the
    /// event is tried again, and in the end it is a dead letter. An error
    /// [with no retry](Error::with_no_retry) makes it one at once.
    ///
    /// Fails where the broker cannot be reached or cannot give what is asked.
    pub async fn each<F, Fut>(self, handler: F) -> Result<Subscribed>
    where
        F: Fn(Context, Event<M>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let call = move |ctx, event| {
            let handled = handler(ctx, event);
            async move { handled.await.map_err(Error::of_subscriber).into() }
        };
        Ok(Subscribed(self.begin(call).await?))
    }

    /// Gives out the events from now on to whoever asks for them.
    ///
    /// Fails where the broker cannot be reached or cannot give what is asked.
    pub async fn events(mut self) -> Result<Events<M>> {
        let (sender, receiver) = pull::channel(*self.options.in_hand());
        let hand = move |_, event| {
            let sender = sender.clone();
            async move { sender.hand(event).await }
        };
        Ok(Events::new(receiver, Subscribed(self.begin(hand).await?)))
    }

    async fn begin<F, Fut>(self, handler: F) -> Result<Consumer>
    where
        F: Fn(Context, Event<M>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        let Self { from, mut options, policy, .. } = self;
        let from = from?;
        let group = options.group().clone().unwrap_or_default();
        let counts = Counts::new(&from.metrics, options.topic(), &group);
        let handler = Each {
            codecs: from.codecs,
            topic: options.topic().into(),
            origin: Origin::of_broker(from.name),
            handler,
            message: PhantomData,
        };
        let terms = Terms { source: (from.source)(options), policy, counts };
        Consumer::start(terms, Arc::new(handler)).await
    }
}

impl<M, O: fmt::Debug> fmt::Debug for Subscribe<M, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("options", &self.options)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// A subscriber that runs until it is stopped or dropped. What is in hand when it is dropped goes back to the
/// broker.
#[must_use = "the subscriber ends when this is dropped"]
pub struct Subscribed(Consumer);

impl Subscribed {
    /// Takes no further events, and waits for the handlers of those in hand, for 25 s at the most. Returns how many were
    /// not done by then; these go back to the broker.
    pub async fn stop(self) -> usize {
        self.stop_within(DEFAULT_STOP_TIMEOUT).await
    }

    /// The same, for another time.
    pub async fn stop_within(self, patience: Duration) -> usize {
        self.0.stop(patience).await
    }
}

impl fmt::Debug for Subscribed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribed").finish_non_exhaustive()
    }
}

/// A closure that is called for each event.
struct Each<M, F> {
    codecs: Codecs,
    topic: Arc<str>,
    origin: Arc<Origin>,
    handler: F,
    message: PhantomData<fn() -> M>,
}

impl<M, F, Fut> Handle for Each<M, F>
where
    M: Message,
    F: Fn(Context, Event<M>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Ended> + Send + 'static,
{
    fn handle(&self, delivery: &Delivery, attempt: u32) -> BoxFuture<'static, Ended> {
        let arrived = Arrived::new(delivery, &self.topic, attempt);
        let event = arrived.read::<M>(&self.codecs);
        let ctx = Context::serving(arrived.incoming(self.origin.clone()), None);
        let handler = self.handler.clone();
        async move {
            match event {
                Ok(event) => handler(ctx, event).await,
                Err(error) => Ended::Failed(error),
            }
        }
        .boxed()
    }
}
