//! The kit itself: it finds what it is there to find.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Faults, Fixture, Kit, Promises};
use crate::broker::{
    Abilities, Acknowledge, Broker, Delivery, Envelope, Memory, SubscribeOptions, Subscription,
};
use crate::error::{Error, Result};

/// What is wrong with a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    LosesSome,
    DeliversTwice,
    LosesWhatIsDropped,
    ForgetsAttempts,
    IgnoresGroups,
    IgnoresOrder,
    IgnoresInHand,
    ForgetsHeaders,
    CutsBodies,
    PretendsToOrder,
    KeepsNothing,
    TakesAnyTopic,
    GoesOnAfterTheEnd,
    NeverComesBack,
    LosesWhatWasPublishedWhileAway,
    Nothing,
}

/// A broker in memory with something wrong, and a server that can be away.
#[derive(Clone, Debug)]
struct Faulty {
    memory: Memory,
    wrong: Wrong,
    up: Arc<watch::Sender<bool>>,
    published: Arc<AtomicUsize>,
}

impl Faulty {
    fn new(wrong: Wrong) -> Self {
        Self {
            memory: Memory::new(),
            wrong,
            up: Arc::new(watch::Sender::new(true)),
            published: Arc::default(),
        }
    }

    fn is_away(&self) -> bool {
        !*self.up.borrow()
    }
}

#[async_trait]
impl Fixture for Faulty {
    async fn broker(&self) -> Result<Arc<dyn Broker>> {
        Ok(Arc::new(self.clone()))
    }

    fn promises(&self) -> Promises {
        let holds = Some(Duration::from_millis(100));
        if self.wrong == Wrong::Nothing {
            return Promises { holds, quiet: Duration::from_millis(50), ..Promises::default() };
        }
        // What is wrong is seen by what does not come.
        let patience = Duration::from_millis(400);
        Promises {
            arrival: patience,
            loss: patience,
            recovery: patience,
            quiet: patience,
            holds,
            ..Promises::default()
        }
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Faults for Faulty {
    async fn kill(&self) -> Result<()> {
        self.up.send_replace(false);
        Ok(())
    }

    async fn restart(&self) -> Result<()> {
        // It takes some time to start.
        sleep(Duration::from_millis(20)).await;
        self.up.send_replace(true);
        Ok(())
    }
}

#[async_trait]
impl Broker for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    fn abilities(&self) -> Abilities {
        let able = Abilities::new().at_least_once().keeps().durable();
        // It is to be asked whether it refuses what it cannot do.
        if self.wrong == Wrong::PretendsToOrder { able } else { able.ordered() }
    }

    async fn publish(&self, topic: &str, mut envelope: Envelope) -> Result<()> {
        if self.is_away() {
            if self.wrong == Wrong::LosesWhatWasPublishedWhileAway {
                return Ok(());
            }
            return Err(Error::unavailable("the server is away"));
        }
        let number = self.published.fetch_add(1, Ordering::Relaxed);
        match self.wrong {
            Wrong::LosesSome if number % 50 == 7 => return Ok(()),
            Wrong::DeliversTwice if number % 50 == 7 => self.memory.publish(topic, envelope.clone()).await?,
            Wrong::ForgetsHeaders => _ = envelope.headers.remove("X-Empty"),
            Wrong::CutsBodies => envelope.body.truncate(100_000),
            Wrong::TakesAnyTopic if topic.is_empty() => return self.memory.publish("empty", envelope).await,
            _ => {}
        }
        self.memory.publish(topic, envelope).await
    }

    async fn keep(&self, topic: &str, envelope: Envelope) -> Result<()> {
        if self.wrong == Wrong::KeepsNothing {
            return Ok(());
        }
        self.memory.keep(topic, envelope).await
    }

    async fn subscribe(&self, mut options: SubscribeOptions) -> Result<Box<dyn Subscription>> {
        match self.wrong {
            Wrong::IgnoresGroups => options.group = None,
            Wrong::IgnoresOrder => options.ordered = false,
            Wrong::IgnoresInHand => options = options.in_hand(std::num::NonZeroUsize::MAX),
            Wrong::TakesAnyTopic if options.topic.is_empty() => "empty".clone_into(&mut options.topic),
            _ => {}
        }
        let inner = self.memory.subscribe(options).await?;
        Ok(Box::new(Reading { inner, broker: self.clone(), ended: false }))
    }

    async fn close(&self) -> Result<()> {
        self.memory.close().await
    }
}

struct Reading {
    inner: Box<dyn Subscription>,
    broker: Faulty,
    ended: bool,
}

#[async_trait]
impl Subscription for Reading {
    async fn next(&mut self) -> Option<Delivery> {
        let mut up = self.broker.up.subscribe();
        if !*up.borrow() {
            if self.broker.wrong == Wrong::NeverComesBack {
                return None;
            }
            let _ = up.wait_for(|up| *up).await;
        }
        if self.ended && self.broker.wrong == Wrong::GoesOnAfterTheEnd {
            return std::future::pending().await;
        }
        let delivery = self.inner.next().await?;
        let (envelope, attempts) = (delivery.envelope.clone(), delivery.attempts_before);
        match self.broker.wrong {
            Wrong::LosesWhatIsDropped => {
                delivery.ack().await.ok()?;
                Some(Delivery::at_most_once(envelope))
            }
            Wrong::ForgetsAttempts => Some(Delivery::new(envelope, Passing(delivery))),
            _ => Some(Delivery::new(envelope, Passing(delivery)).again(attempts)),
        }
    }

    async fn end(&mut self) -> Result<()> {
        self.ended = true;
        self.inner.end().await
    }
}

struct Passing(Delivery);

#[async_trait]
impl Acknowledge for Passing {
    async fn ack(self: Box<Self>) -> Result<()> {
        self.0.ack().await
    }
}

#[tokio::test]
async fn a_broker_with_nothing_wrong_passes_while_its_server_comes_and_goes() -> Result<()> {
    Kit::new(Faulty::new(Wrong::Nothing)).run().await
}

#[tokio::test]
async fn the_kit_finds_what_is_wrong_with_a_broker() {
    for (wrong, scenario) in [
        (Wrong::LosesSome, "of a burst of 10,000 events nothing is lost"),
        (Wrong::DeliversTwice, "of a burst of 10,000 events nothing is lost"),
        (Wrong::LosesWhatIsDropped, "a delivery that is dropped comes again"),
        (Wrong::LosesWhatIsDropped, "of a delivery that is refused"),
        (Wrong::LosesWhatIsDropped, "a delivery of a process that is lost"),
        (Wrong::LosesWhatIsDropped, "a subscriber that is lost in the middle"),
        (Wrong::ForgetsAttempts, "a delivery that is dropped comes again"),
        (Wrong::IgnoresGroups, "the members of a group share"),
        (Wrong::IgnoresOrder, "events of one key come in order"),
        (Wrong::IgnoresOrder, "events of one key wait"),
        (Wrong::IgnoresInHand, "no more events are in hand"),
        (Wrong::ForgetsHeaders, "headers arrive as they are"),
        (Wrong::CutsBodies, "a large event arrives whole"),
        (Wrong::PretendsToOrder, "what a broker cannot give is refused"),
        (Wrong::KeepsNothing, "a dead letter is kept"),
        (Wrong::KeepsNothing, "a dead letter arrives"),
        (Wrong::TakesAnyTopic, "odd topics are carried"),
        (Wrong::GoesOnAfterTheEnd, "a subscription that ended has no more"),
        (Wrong::NeverComesBack, "many events go through a restart"),
        (Wrong::LosesWhatWasPublishedWhileAway, "publishing while the server is away"),
    ] {
        let Some(name) = Kit::scenarios().find(|name| name.contains(scenario)) else {
            panic!("there is no scenario {scenario}")
        };
        let error = match Kit::new(Faulty::new(wrong)).only(scenario).run().await {
            Ok(()) => panic!("{name}: {wrong:?} was not found"),
            Err(error) => error,
        };
        assert!(error.message().contains(name), "{wrong:?}: {error}");
    }
}
