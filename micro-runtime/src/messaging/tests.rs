use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;
use crate::backoff::Backoff;
use crate::broker::{Broker, Envelope, Guarantee, Memory, SubscribeOptions};
use crate::context::Context;
use crate::error::{Code, Error, Result};

const GREETED: Topic<String> = Topic::new("greeted");
const LOST: Topic<String> = Topic::new("greeted.dead-letter");
const QUICK: Backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(5));

fn publisher() -> Publisher {
    Publisher::new(Memory::new())
}

async fn say(publisher: &Publisher, name: &str) {
    publisher.publish(&Context::new(), GREETED, name.to_owned()).await.unwrap();
}

/// The events of a topic that no handler could handle.
async fn dead(publisher: &Publisher) -> Envelope {
    let mut letters =
        publisher.broker().unwrap().subscribe(SubscribeOptions::new(LOST.name())).await.unwrap();
    let letter = timeout(Duration::from_secs(20), letters.next()).await.expect("a dead letter").unwrap();
    let envelope = letter.envelope.clone();
    letter.ack().await.unwrap();
    envelope
}

#[tokio::test]
async fn an_event_is_given_to_each_subscriber_and_to_one_of_each_group() {
    let publisher = publisher();
    let mut alone = publisher.subscribe(GREETED).events().await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::new(Notify::new());
    let member = |name: &'static str| {
        let (seen, done) = (seen.clone(), done.clone());
        publisher.subscribe(GREETED).group("audit").each(move |_, event: Event<String>| {
            seen.lock().unwrap().push((name, event.payload));
            done.notify_one();
            async { Ok(()) }
        })
    };
    let (one, other) = (member("one").await.unwrap(), member("other").await.unwrap());
    say(&publisher, "Ada").await;
    alone.next().await.unwrap().ack();
    done.notified().await;
    assert_eq!((one.stop().await, other.stop().await), (0, 0));
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].1, "Ada");
}

#[tokio::test]
async fn a_failing_handler_is_given_the_event_again_with_a_growing_attempt() {
    let publisher = publisher();
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::new(Notify::new());
    let (noted, told) = (attempts.clone(), done.clone());
    let subscribed = publisher
        .subscribe(GREETED)
        .backoff(QUICK)
        .each(move |_, event: Event<String>| {
            noted.lock().unwrap().push(event.attempt());
            let (attempt, told) = (event.attempt(), told.clone());
            async move {
                match attempt {
                    1 => Err(Error::unavailable("not now")),
                    2 => panic!("it happens"),
                    _ => {
                        told.notify_one();
                        Ok(())
                    }
                }
            }
        })
        .await
        .unwrap();
    say(&publisher, "Ada").await;
    done.notified().await;
    subscribed.stop().await;
    assert_eq!(*attempts.lock().unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn an_event_that_nobody_can_handle_is_a_dead_letter_with_the_reason() {
    let publisher = publisher();
    let subscribed = publisher
        .subscribe(GREETED)
        .group("audit")
        .attempts(3)
        .backoff(QUICK)
        .each(|_, _: Event<String>| async { Err(Error::not_found("no such\naccount")) })
        .await
        .unwrap();
    say(&publisher, "Ada").await;
    let letter = dead(&publisher).await;
    assert_eq!(letter.body, "\"Ada\"");
    let header = |name| letter.headers.get(name).unwrap_or_default();
    assert_eq!(header(dead_letter::REASON), "not_found: no such account");
    assert_eq!((header(dead_letter::TOPIC), header(dead_letter::GROUP)), ("greeted", "audit"));
    assert_eq!((header(dead_letter::ATTEMPTS), header("Micro-Topic")), ("3", "greeted"));
    assert!(humantime::parse_rfc3339(header(dead_letter::TIME)).is_ok());
    subscribed.stop().await;
}

#[tokio::test]
async fn an_error_with_no_retry_makes_a_dead_letter_at_once() {
    let publisher = publisher();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let _subscribed = publisher
        .subscribe(GREETED)
        .each(move |_, _: Event<String>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Err(Error::invalid_argument("never").with_no_retry()) }
        })
        .await
        .unwrap();
    say(&publisher, "Ada").await;
    dead(&publisher).await;
    assert_eq!(tries.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_letter_with_its_bytes() {
    let publisher = publisher();
    let _subscribed =
        publisher.subscribe(GREETED).each(|_, _: Event<String>| async { Ok(()) }).await.unwrap();
    let strange = [
        Envelope::new(&b"\xff\x00 no json"[..]).with(Envelope::CONTENT_TYPE, "application/json"),
        Envelope::new(&b"<name/>"[..]).with(Envelope::CONTENT_TYPE, "application/xml"),
    ];
    for envelope in strange {
        publisher.publish_envelope(GREETED.name(), envelope.clone()).await.unwrap();
        let letter = dead(&publisher).await;
        assert_eq!(letter.body, envelope.body);
        assert_eq!(letter.headers.get(Envelope::CONTENT_TYPE), envelope.headers.get(Envelope::CONTENT_TYPE));
        let reason = letter.headers.get(dead_letter::REASON).unwrap();
        assert!(reason.contains("the event cannot be read"), "{reason}");
        assert_eq!(letter.headers.get(dead_letter::ATTEMPTS), Some("1"));
    }
}

#[tokio::test]
async fn at_most_once_is_once_even_where_the_handler_fails() {
    let publisher = publisher();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (noted, done) = (seen.clone(), Arc::new(Notify::new()));
    let told = done.clone();
    let _subscribed = publisher
        .subscribe(GREETED)
        .at_most_once()
        .concurrency(1)
        .each(move |_, event: Event<String>| {
            let last = event.payload == "last";
            noted.lock().unwrap().push(event.payload);
            if last {
                told.notify_one();
            }
            async { Err(Error::internal("always")) }
        })
        .await
        .unwrap();
    say(&publisher, "Ada").await;
    say(&publisher, "last").await;
    done.notified().await;
    assert_eq!(*seen.lock().unwrap(), ["Ada", "last"]);
}

#[tokio::test]
async fn no_more_are_in_hand_than_the_subscriber_asked_for() {
    let publisher = publisher();
    let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let done = Arc::new(AtomicU32::new(0));
    let (at, top, over) = (now.clone(), most.clone(), done.clone());
    let subscribed = publisher
        .subscribe(GREETED)
        .concurrency(3)
        .each(move |_, _: Event<String>| {
            let (at, top, over) = (at.clone(), top.clone(), over.clone());
            async move {
                top.fetch_max(at.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                at.fetch_sub(1, Ordering::SeqCst);
                over.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        })
        .await
        .unwrap();
    let names = (0..100).map(|number| number.to_string());
    assert_eq!(publisher.publish_all(&Context::new(), GREETED, names).await.unwrap(), 100);
    while done.load(Ordering::SeqCst) < 100 {
        tokio::task::yield_now().await;
    }
    subscribed.stop().await;
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
}

#[tokio::test]
async fn a_stop_waits_for_the_handlers_and_gives_back_what_they_do_not_finish() {
    let publisher = publisher();
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let start = |patience| {
        let (begun, go) = (begun.clone(), go.clone());
        let subscribe = publisher.subscribe(GREETED).group("audit").concurrency(1);
        async move {
            let (told, wait) = (begun.clone(), go.clone());
            let subscribed = subscribe
                .each(move |_, _: Event<String>| {
                    let (told, wait) = (told.clone(), wait.clone());
                    async move {
                        told.notify_one();
                        wait.notified().await;
                        Ok(())
                    }
                })
                .await
                .unwrap();
            begun.notified().await;
            subscribed.stop_within(patience).await
        }
    };
    // The group is there before the event is.
    publisher.subscribe(GREETED).group("audit").events().await.unwrap().stop().await;
    say(&publisher, "Ada").await;
    assert_eq!(start(Duration::ZERO).await, 1, "it is cut off");
    go.notify_one();
    assert_eq!(start(Duration::from_secs(20)).await, 0, "it came again, and is done");
}

#[tokio::test]
async fn an_event_that_was_asked_for_and_dropped_comes_again() {
    let publisher = publisher();
    let mut events = publisher.subscribe(GREETED).backoff(QUICK).events().await.unwrap();
    say(&publisher, "Ada").await;
    let first = events.next().await.unwrap();
    assert_eq!(first.attempt(), 1);
    drop(first);
    let second = events.next().await.unwrap();
    assert_eq!((second.attempt(), second.payload.as_str()), (2, "Ada"));
    second.nack(Error::unavailable("later"));
    let third = events.next().await.unwrap();
    assert!(third.is_redelivered() && third.attempt() == 3);
    assert_eq!(third.into_inner().payload, "Ada");
    assert_eq!(events.stop().await, 0);
}

#[tokio::test]
async fn what_was_published_with_an_event_arrives_with_it() {
    let publisher = publisher();
    let (sender, mut contexts) = tokio::sync::mpsc::unbounded_channel();
    let _subscribed = publisher
        .subscribe(&GREETED)
        .each(move |ctx: Context, event: Event<String>| {
            let _ = sender.send((ctx, event));
            async { Ok(()) }
        })
        .await
        .unwrap();
    let ctx = Context::new().with_metadata("tenant", "acme").unwrap();
    publisher
        .publish(&ctx, GREETED, "Ada".to_owned())
        .id("one")
        .key("ada")
        .header("Color", "blue")
        .await
        .unwrap();
    let (ctx, event) = contexts.recv().await.unwrap();
    assert_eq!((event.topic(), event.id(), event.key()), ("greeted", Some("one"), Some("ada")));
    assert_eq!((event.headers().get("Color"), event.headers().get("tenant")), (Some("blue"), Some("acme")));
    assert!(event.time().unwrap().elapsed().unwrap() < Duration::from_secs(60));
    assert_eq!((ctx.metadata().get("color"), ctx.metadata().get("tenant")), (Some("blue"), Some("acme")));
    assert_eq!(ctx.peer(), Some("memory"));
}

#[tokio::test]
async fn what_is_wrong_with_the_options_is_said_before_anything_is_done() {
    let publisher = publisher();
    let handler = |_: Context, _: Event<String>| async { Ok(()) };
    let error = publisher.subscribe(GREETED).attempts(0).each(handler).await.unwrap_err();
    assert!(error.message().contains("`attempts`"), "{error}");
    let error = publisher.subscribe(GREETED).concurrency(0).each(handler).await.unwrap_err();
    assert!(error.message().contains("`concurrency`"), "{error}");
    let publish = || publisher.publish(&Context::new(), GREETED, "Ada".to_owned());
    for reserved in ["", "micro-id", "CE-Time", "content-type"] {
        assert_eq!(publish().header(reserved, "1").await.unwrap_err().code(), Code::InvalidArgument);
    }
    let error = publish().codec("yaml").await.unwrap_err();
    assert!(error.message().contains("known: json"), "{error}");
    let error = Context::new().publish(GREETED, "Ada".to_owned()).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_broker_that_takes_nothing_is_given_up_at_the_deadline() {
    /// Takes no event.
    #[derive(Debug)]
    struct Full;

    #[async_trait::async_trait]
    impl Broker for Full {
        fn name(&self) -> &'static str {
            "full"
        }

        fn abilities(&self) -> crate::broker::Abilities {
            crate::broker::Abilities::new()
        }

        async fn publish(&self, _: &str, _: Envelope) -> Result<()> {
            std::future::pending().await
        }

        async fn keep(&self, _: &str, _: Envelope) -> Result<()> {
            std::future::pending().await
        }

        async fn subscribe(&self, options: SubscribeOptions) -> Result<Box<dyn crate::broker::Subscription>> {
            assert_eq!(options.guarantee, Guarantee::AtLeastOnce);
            Err(Error::failed_precondition("it cannot"))
        }
    }

    let publisher = Publisher::new(Full);
    let ctx = Context::new().with_timeout(Duration::from_millis(1));
    let error = publisher.publish(&ctx, GREETED, "Ada".to_owned()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains("`full`") && error.message().contains("`greeted`"), "{error}");
    let error = publisher.subscribe(GREETED).events().await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_holds_no_stop_up() {
    /// Does not let anybody go.
    #[derive(Debug)]
    struct Clinging;

    struct Nothing;

    #[async_trait::async_trait]
    impl crate::broker::Subscription for Nothing {
        async fn next(&mut self) -> Option<crate::broker::Delivery> {
            std::future::pending().await
        }

        async fn end(&mut self) -> Result<()> {
            std::future::pending().await
        }
    }

    #[async_trait::async_trait]
    impl Broker for Clinging {
        fn name(&self) -> &'static str {
            "clinging"
        }

        fn abilities(&self) -> crate::broker::Abilities {
            crate::broker::Abilities::new()
        }

        async fn publish(&self, _: &str, _: Envelope) -> Result<()> {
            Ok(())
        }

        async fn keep(&self, _: &str, _: Envelope) -> Result<()> {
            Ok(())
        }

        async fn subscribe(&self, _: SubscribeOptions) -> Result<Box<dyn crate::broker::Subscription>> {
            Ok(Box::new(Nothing))
        }
    }

    let handler = |_: Context, _: Event<String>| async { Ok(()) };
    let subscribed = Publisher::new(Clinging).subscribe(GREETED).each(handler).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(60), subscribed.stop()).await, Ok(0));
}
