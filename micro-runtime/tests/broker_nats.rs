//! The NATS broker, against a NATS server.

#![cfg(feature = "nats")]

mod servers;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use micro_runtime::broker::conformance::{self, Faults};
use micro_runtime::broker::{
    Abilities, Broker, Delivery, Envelope, Guarantee, Nats, SubscribeOptions, Subscription, is_dead_letter,
};
use micro_runtime::{Code, Error, Result};
use servers::{Kind, Server};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(10);

fn topic() -> String {
    format!("test.{}", Uuid::new_v4().simple())
}

fn event(text: impl ToString) -> Envelope {
    let id = Uuid::new_v4().to_string();
    Envelope::new(text.to_string()).with(Envelope::CE_ID, id).with(Envelope::CONTENT_TYPE, "text/plain")
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.envelope.body).into_owned()
}

async fn next(subscription: &mut Box<dyn Subscription>) -> Result<Delivery> {
    let next = timeout(SOON, subscription.next()).await;
    next.map_err(|_| Error::deadline_exceeded("no event came"))?.ok_or_else(|| Error::internal("it is over"))
}

/// What comes until nothing does for a moment, acknowledged.
async fn all(subscription: &mut Box<dyn Subscription>) -> Result<Vec<String>> {
    let mut all = Vec::new();
    while let Ok(Some(delivery)) = timeout(Duration::from_millis(500), subscription.next()).await {
        all.push(text(&delivery));
        delivery.ack().await?;
    }
    Ok(all)
}

fn hands(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("more than none")
}

/// The library itself, to see what others see.
async fn library(address: &str) -> async_nats::Client {
    async_nats::connect(address).await.expect("a connection")
}

#[tokio::test]
async fn every_group_gets_every_event_and_its_members_share_them() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (publisher, other, topic) = (Nats::parse(&address)?, Nats::parse(&address)?, topic());
    publisher.publish(&topic, event("nobody is there")).await?;
    let in_group = |group: &str| SubscribeOptions::new(&topic).group(group);
    let mut one = publisher.subscribe(in_group("one")).await?;
    let mut another = other.subscribe(in_group("one")).await?;
    let mut two = other.subscribe(in_group("two")).await?;
    let mut alone = other.subscribe(SubscribeOptions::new(&topic)).await?;
    for number in 0..100 {
        publisher.publish(&topic, event(number)).await?;
    }
    let (one, another, two, alone) =
        tokio::try_join!(all(&mut one), all(&mut another), all(&mut two), all(&mut alone))?;
    let expected: Vec<_> = (0..100).map(|number: i32| number.to_string()).collect();
    let mut shared = [one, another].concat();
    shared.sort_by_key(|number| number.parse::<u32>().unwrap_or(u32::MAX));
    assert_eq!(shared, expected);
    assert_eq!((two, alone), (expected.clone(), expected));
    publisher.close().await?;
    other.close().await
}

#[tokio::test]
async fn a_group_gets_what_was_published_while_none_of_its_members_was_there() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, topic) = (Nats::parse(&address)?, topic());
    let in_group = || SubscribeOptions::new(&topic).group("one");
    drop(broker.subscribe(in_group()).await?);
    broker.publish(&topic, event("kept")).await?;
    let mut again = Nats::parse(&address)?.subscribe(in_group()).await?;
    let delivery = next(&mut again).await?;
    assert_eq!((text(&delivery).as_str(), delivery.attempts_before), ("kept", 0));
    delivery.ack().await
}

#[tokio::test]
async fn what_is_dropped_comes_again_at_once_and_says_so() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, topic) = (Nats::parse(&address)?, topic());
    let mut subscription = broker.subscribe(SubscribeOptions::new(&topic).group("one")).await?;
    broker.publish(&topic, event("again")).await?;
    for attempt in 0..3 {
        let begin = Instant::now();
        let delivery = next(&mut subscription).await?;
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert_eq!((text(&delivery).as_str(), delivery.attempts_before), ("again", attempt));
        delivery.extend().await;
    }
    next(&mut subscription).await?.ack().await?;
    assert_eq!(all(&mut subscription).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn what_was_fetched_and_not_taken_goes_to_the_others_when_a_member_ends() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, topic) = (Nats::parse(&address)?, topic());
    let options = SubscribeOptions::new(&topic).group("one").in_hand(hands(50));
    let mut ending = broker.subscribe(options.clone()).await?;
    for number in 0..100 {
        broker.publish(&topic, event(number)).await?;
    }
    let (held, dropped) = (next(&mut ending).await?, next(&mut ending).await?);
    let mut other = broker.subscribe(options).await?;
    ending.end().await?;
    assert!(ending.next().await.is_none());
    drop(dropped);
    held.ack().await?;
    drop(ending);
    let mut rest = std::collections::BTreeSet::new();
    while rest.len() < 99 {
        let delivery = next(&mut other).await?;
        assert!(rest.insert(text(&delivery)), "twice");
        delivery.ack().await?;
    }
    assert_eq!(all(&mut other).await?, [""; 0], "all but the one that was acknowledged");
    Ok(())
}

#[tokio::test]
async fn no_more_are_in_hand_than_was_asked_for_and_what_waits_is_not_given_to_others() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let broker = Nats::parse(&address)?.ack_wait(Duration::from_secs(1));
    let topic = topic();
    let options = SubscribeOptions::new(&topic).group("one").in_hand(hands(4));
    let mut slow = broker.subscribe(options).await?;
    for number in 0..8 {
        broker.publish(&topic, event(number)).await?;
    }
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(next(&mut slow).await?);
    }
    // The fourth has arrived, and waits for longer than the server does.
    for _ in 0..8 {
        for delivery in &held {
            delivery.extend().await;
        }
        sleep(Duration::from_millis(300)).await;
    }
    held.push(next(&mut slow).await?);
    assert!(held.iter().all(|delivery| delivery.attempts_before == 0));
    assert!(timeout(Duration::from_millis(300), slow.next()).await.is_err(), "four are out");
    for delivery in held {
        delivery.ack().await?;
    }
    assert_eq!(all(&mut slow).await?, ["4", "5", "6", "7"]);
    Ok(())
}

#[tokio::test]
async fn an_event_whose_process_is_gone_goes_to_another_member() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (topic, second) = (topic(), Duration::from_secs(1));
    let broker = || Nats::parse(&address).map(|broker| broker.ack_wait(second));
    let options = SubscribeOptions::new(&topic).group("one");
    // A process, as far as the network sees it: nothing of it runs when its runtime is gone.
    let process =
        tokio::runtime::Runtime::new().map_err(|error| Error::internal("no runtime").with_source(error))?;
    let (dying, theirs) = (broker()?, options.clone());
    let crashed = process.spawn(async move { dying.subscribe(theirs).await });
    let mut crashed = crashed.await.map_err(|error| Error::internal("the process").with_source(error))??;
    let living = broker()?;
    living.publish(&topic, event("not lost")).await?;
    let taken = process.spawn(async move { next(&mut crashed).await });
    let taken = taken.await.map_err(|error| Error::internal("the process").with_source(error))??;
    process.shutdown_background();
    let mut subscription = living.subscribe(options).await?;
    let delivery = next(&mut subscription).await?;
    assert_eq!((text(&delivery).as_str(), delivery.attempts_before), ("not lost", 1));
    drop(taken);
    delivery.ack().await
}

#[tokio::test]
async fn dead_letters_are_kept_until_somebody_takes_them_and_all_share_them() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, topic) = (Nats::parse(&address)?, format!("{}.dead-letter", topic()));
    assert!(is_dead_letter(&topic));
    let twice = event("a");
    broker.keep(&topic, twice.clone()).await?;
    // Another group may have failed with the same one.
    broker.keep(&topic, twice).await?;
    broker.keep(&topic, event("b")).await?;
    let mut one = broker.subscribe(SubscribeOptions::new(&topic).group("one")).await?;
    let first = next(&mut one).await?;
    let mut others = vec![broker.subscribe(SubscribeOptions::new(&topic)).await?];
    let once = SubscribeOptions::new(&topic).group("two").guarantee(Guarantee::AtMostOnce);
    others.push(broker.subscribe(once).await?);
    broker.keep(&topic, event("c")).await?;
    broker.publish(&topic, event("d")).await?;
    let mut taken = vec![text(&first)];
    first.ack().await?;
    taken.extend(all(&mut one).await?);
    for other in &mut others {
        taken.extend(all(other).await?);
    }
    taken.sort();
    assert_eq!(taken, ["a", "a", "b", "c", "d"]);
    Ok(())
}

#[tokio::test]
async fn a_topic_that_keeps_nothing_says_so() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, topic) = (Nats::parse(&address)?, topic());
    let error = broker.keep(&topic, event("a")).await.expect_err("nobody is there");
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    assert!(error.message().contains(".dead-letter"), "{error}");
    let mut subscription = broker.subscribe(SubscribeOptions::new(&topic).group("one")).await?;
    broker.keep(&topic, event("b")).await?;
    assert_eq!(all(&mut subscription).await?, ["b"]);
    Ok(())
}

#[tokio::test]
async fn others_see_go_micros_format_and_what_they_send_in_any_format_is_delivered() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, topic, library) = (Nats::parse(&address)?, topic(), library(&address).await);
    for guarantee in [Guarantee::AtMostOnce, Guarantee::AtLeastOnce] {
        let mut go = library.subscribe(topic.clone()).await.expect("subscribed");
        library.flush().await.expect("flushed");
        let mut ours = broker.subscribe(SubscribeOptions::new(&topic).guarantee(guarantee)).await?;
        broker.publish(&topic, Envelope::new("hi").with("Micro-Topic", "x")).await?;
        let seen = timeout(SOON, go.next()).await.ok().flatten().expect("a message");
        assert_eq!(seen.payload, r#"{"Header":{"Micro-Topic":"x"},"Body":"aGk="}"#);
        let delivery = next(&mut ours).await?;
        assert_eq!(text(&delivery), "hi");
        delivery.ack().await?;

        library.publish(topic.clone(), r#"{"Header":null,"Body":"Z28="}"#.into()).await.expect("sent");
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Content-Type", "text/plain");
        library.publish_with_headers(topic.clone(), headers, "plain".into()).await.expect("sent");
        library.flush().await.expect("flushed");
        for (expected, content) in [("go", None), ("plain", Some("text/plain"))] {
            let delivery = next(&mut ours).await?;
            assert_eq!(text(&delivery), expected);
            assert_eq!(delivery.envelope.headers.get("Content-Type"), content);
            delivery.ack().await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_without_jetstream_delivers_at_most_once_and_refuses_more() -> Result<()> {
    let Some(server) = Server::start(Kind::NatsWithoutJetStream).await else { return Ok(()) };
    let (broker, topic) = (Nats::parse(&server.address())?, topic());
    let subscribed = broker.subscribe(SubscribeOptions::new(&topic).group("one")).await;
    let error = subscribed.err().expect("it cannot");
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    assert!(error.message().contains("-js") && error.message().contains("at-most-once"), "{error}");
    let kept = broker.keep(&format!("{topic}.dead-letter"), event("a")).await.expect_err("it cannot");
    assert_eq!(kept.code(), Code::FailedPrecondition, "{kept}");

    let once = SubscribeOptions::new(&topic).guarantee(Guarantee::AtMostOnce);
    let mut alone = broker.subscribe(once.clone()).await?;
    let mut members = Vec::new();
    for _ in 0..2 {
        members.push(broker.subscribe(once.clone().group("one")).await?);
    }
    let publishes: FuturesUnordered<_> =
        (0..200).map(|number| broker.publish(&topic, event(number))).collect();
    for published in publishes.collect::<Vec<_>>().await {
        published?;
    }
    assert_eq!(all(&mut alone).await?.len(), 200);
    assert_eq!(all(&mut members[0]).await?.len() + all(&mut members[1]).await?.len(), 200);
    alone.end().await?;
    broker.publish(&topic, event("after the end")).await?;
    assert!(alone.next().await.is_none());
    broker.close().await?;
    assert!(members[0].next().await.is_none());
    assert_eq!(
        broker.publish(&topic, event("x")).await.map_err(|error| error.code()),
        Err(Code::Unavailable)
    );
    Ok(())
}

#[tokio::test]
async fn events_that_a_slow_subscriber_loses_at_most_once_are_counted() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, topic) = (Nats::parse(&address)?, topic());
    let once = SubscribeOptions::new(&topic).guarantee(Guarantee::AtMostOnce).in_hand(hands(1));
    let mut slow = broker.subscribe(once).await?;
    // More than 64 MiB, as NATS carries them.
    let large = "x".repeat(700 << 10);
    for _ in 0..100 {
        broker.publish(&topic, event(&large)).await?;
    }
    let mut got = 0;
    while let Ok(Some(delivery)) = timeout(Duration::from_secs(1), slow.next()).await {
        got += 1;
        delivery.ack().await?;
    }
    assert!(got > 10 && broker.dropped() > 0, "{got} and {}", broker.dropped());
    assert_eq!(got + broker.dropped(), 100);
    Ok(())
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_refused_with_the_sizes() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, topic) = (Nats::parse(&address)?.max_bytes(64 << 10), topic());
    for _ in 0..2 {
        let large = broker.publish(&topic, Envelope::new(vec![0; 1 << 20])).await.expect_err("too large");
        assert_eq!(large.code(), Code::InvalidArgument, "{large}");
        assert!(large.message().contains("1048576") && large.message().contains("max_payload"), "{large}");
        // With a stream it is the same.
        drop(broker.subscribe(SubscribeOptions::new(&topic).group("one")).await?);
    }
    let full = async {
        loop {
            broker.publish(&topic, event("x".repeat(10 << 10))).await?;
        }
    };
    let full: Result<()> = timeout(SOON, full).await.map_err(|_| Error::internal("it is never full"))?;
    let full = full.expect_err("it is full");
    assert_eq!(full.code(), Code::ResourceExhausted, "{full}");
    assert!(full.message().contains(&topic) && full.message().contains("consume"), "{full}");
    // It takes more when somebody has taken some.
    let mut subscription = broker.subscribe(SubscribeOptions::new(&topic).group("one")).await?;
    assert!(!all(&mut subscription).await?.is_empty());
    sleep(Duration::from_millis(200)).await;
    broker.publish(&topic, event("again")).await?;
    assert_eq!(all(&mut subscription).await?, ["again"]);
    Ok(())
}

#[tokio::test]
async fn a_group_that_asks_for_order_has_one_event_in_hand_and_begins_again_with_it() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, topic) = (Nats::parse(&address)?, topic());
    let options = SubscribeOptions::new(&topic).group("one").ordered();
    let (mut one, mut two) = (broker.subscribe(options.clone()).await?, broker.subscribe(options).await?);
    for number in 0..20 {
        broker.publish(&topic, event(number)).await?;
    }
    let (mut seen, mut drops) = (Vec::new(), 0);
    while seen.len() < 20 {
        let delivery = tokio::select! {
            delivery = next(&mut one) => delivery?,
            delivery = next(&mut two) => delivery?,
        };
        let other = tokio::select! {
            delivery = one.next() => delivery,
            delivery = two.next() => delivery,
            () = sleep(Duration::from_millis(20)) => None,
        };
        assert!(other.is_none(), "one is in hand");
        if drops < 5 && delivery.attempts_before == 0 {
            drops += 1;
            continue;
        }
        seen.push(text(&delivery));
        delivery.ack().await?;
    }
    assert_eq!(seen, (0..20).map(|number: i32| number.to_string()).collect::<Vec<_>>());
    let once = SubscribeOptions::new(&topic).group("one").ordered().guarantee(Guarantee::AtMostOnce);
    assert_eq!(broker.subscribe(once).await.err().map(|error| error.code()), Some(Code::FailedPrecondition));
    Ok(())
}

#[tokio::test]
async fn a_stream_of_the_user_is_used_as_it_is() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, context) = (Nats::parse(&address)?, jetstream::new(library(&address).await));
    let name = format!("mine-{}", Uuid::new_v4().simple());
    let subjects = vec![format!("{name}.>")];
    let config = jetstream::stream::Config { name: name.clone(), subjects, ..Default::default() };
    context.create_stream(config).await.expect("a stream");
    let topic = format!("{name}.a.b");
    let mut subscription = broker.subscribe(SubscribeOptions::new(&topic).group("one")).await?;
    for to in [&topic, &format!("{name}.other")] {
        broker.publish(to, event(to)).await?;
    }
    assert_eq!(all(&mut subscription).await?, [topic]);
    let stream = context.get_stream(&name).await.expect("it is there");
    assert_eq!(stream.cached_info().state.messages, 2, "its retention is its own");
    assert_eq!(
        context
            .stream_names()
            .filter(|made| std::future::ready(made.as_ref().is_ok_and(|made| made.contains(&name))))
            .count()
            .await,
        1
    );
    Ok(())
}

#[tokio::test]
async fn a_subscription_whose_consumer_is_deleted_goes_on() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, topic) = (Nats::parse(&address)?, topic());
    let context = jetstream::new(library(&address).await);
    for group in [None, Some("one")] {
        let mut options = SubscribeOptions::new(&topic);
        options.group = group.map(str::to_owned);
        let mut subscription = broker.subscribe(options).await?;
        broker.publish(&topic, event("before")).await?;
        next(&mut subscription).await?.ack().await?;
        let stream = context.stream_by_subject(topic.clone()).await.expect("a stream");
        let stream = context.get_stream(stream).await.expect("a stream");
        let names: Vec<_> = stream.consumer_names().collect::<Vec<_>>().await;
        for name in names.into_iter().flatten() {
            stream.delete_consumer(&name).await.expect("deleted");
        }
        let publishing = async {
            loop {
                broker.publish(&topic, event("after")).await?;
                sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            delivery = next(&mut subscription) => delivery?.ack().await?,
            failed = publishing => return failed,
        }
    }
    Ok(())
}

#[tokio::test]
async fn where_there_is_no_server_the_error_says_where_it_was_looked_for_and_what_to_do() -> Result<()> {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = unused.map_err(|error| Error::internal("no port").with_source(error))?.to_string();
    let broker = Nats::parse(&format!("nats://ada:secret@{address}"))?;
    let error = broker.publish("orders", event("a")).await.expect_err("there is no server");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    for part in [address.as_str(), "MICRO_BROKER_ADDRESS", "MICRO_BROKER"] {
        assert!(error.message().contains(part), "{error}");
    }
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    Ok(())
}

/// Publishes, again and again where the server is away.
async fn publish_all(broker: &Nats, topic: &str, numbers: std::ops::Range<u32>) -> Result<()> {
    let numbers = Arc::new(std::sync::Mutex::new(numbers));
    let publishers = (0..64).map(|_| async {
        loop {
            let Some(number) = numbers.lock().expect("no panic").next() else { return Ok(()) };
            let event = event(number);
            loop {
                match broker.publish(topic, event.clone()).await {
                    Ok(()) => break,
                    Err(error) if error.code() == Code::Unavailable => sleep(Duration::from_millis(50)).await,
                    Err(error) => return Err(error),
                }
            }
        }
    });
    futures_util::future::try_join_all(publishers).await.map(drop)
}

/// How often each number came, with all others acknowledged, until each of them did.
async fn collect(
    subscription: &mut Box<dyn Subscription>,
    count: usize,
) -> Result<(BTreeMap<u32, u32>, u32)> {
    let (mut seen, mut again) = (BTreeMap::new(), 0);
    while seen.len() < count {
        let delivery = timeout(Duration::from_secs(60), subscription.next()).await;
        let delivery = delivery
            .map_err(|_| Error::deadline_exceeded(format!("{} of {count} came", seen.len())))?
            .ok_or_else(|| Error::internal("it is over"))?;
        again += u32::from(delivery.attempts_before > 0);
        *seen.entry(text(&delivery).parse().unwrap_or(u32::MAX)).or_insert(0) += 1;
        delivery.ack().await?;
    }
    Ok((seen, again))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_the_middle_of_ten_thousand_events_loses_none() -> Result<()> {
    const COUNT: u32 = 10_000;
    let Some(mut server) = Server::start(Kind::Nats).await else { return Ok(()) };
    let address = server.address();
    let topic = topic();
    let ours = || Nats::parse(&address).map(|broker| broker.ack_wait(Duration::from_secs(3)));
    let (publisher, consumer) = (ours()?, ours()?);
    let options = SubscribeOptions::new(&topic).in_hand(hands(256));
    let mut group = consumer.subscribe(options.clone().group("one")).await?;
    let mut alone = consumer.subscribe(options).await?;
    let publishing = async {
        publish_all(&publisher, &topic, 0..COUNT / 3).await?;
        let (rest, ()) = tokio::join!(publish_all(&publisher, &topic, COUNT / 3..COUNT), async {
            sleep(Duration::from_millis(100)).await;
            server.kill();
            sleep(Duration::from_millis(500)).await;
            server.restart().await;
        });
        rest
    };
    let count = COUNT as usize;
    let ((), group, alone) =
        tokio::try_join!(publishing, collect(&mut group, count), collect(&mut alone, count))?;
    for (seen, again) in [group, alone] {
        let twice = seen.values().filter(|count| **count > 1).count();
        assert!(seen.keys().all(|number| *number < COUNT), "nothing is invented");
        println!("{twice} events came more than once, {again} deliveries said that they are not the first");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_ten_thousand_reaches_every_member_once() -> Result<()> {
    const COUNT: u32 = 10_000;
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (broker, topic) = (Nats::parse(&address)?, topic());
    let options = SubscribeOptions::new(&topic).group("one").in_hand(hands(64));
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(broker.subscribe(options.clone()).await?);
    }
    publish_all(&broker, &topic, 0..COUNT).await?;
    let mut seen = HashMap::new();
    let taking = members.iter_mut().map(all);
    for number in futures_util::future::try_join_all(taking).await?.concat() {
        *seen.entry(number).or_insert(0) += 1;
    }
    assert_eq!((seen.len(), seen.values().max()), (COUNT as usize, Some(&1)));
    Ok(())
}

#[tokio::test]
async fn an_event_with_the_same_id_is_stored_once_where_that_is_wanted() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    for (broker, count) in [(Nats::parse(&address)?, 2), (Nats::parse(&address)?.deduplicate(), 1)] {
        let (topic, event) = (topic(), event("once"));
        let mut subscription = broker.subscribe(SubscribeOptions::new(&topic).group("one")).await?;
        for _ in 0..2 {
            broker.publish(&topic, event.clone()).await?;
        }
        assert_eq!(all(&mut subscription).await?.len(), count);
    }
    Ok(())
}

/// The server as the driver kit has it.
#[derive(Debug)]
struct Fixture {
    address: String,
    own: Option<Arc<Own>>,
}

/// A server that the kit may break.
#[derive(Debug)]
struct Own(Mutex<Server>);

#[async_trait]
impl Faults for Own {
    async fn kill(&self) -> Result<()> {
        self.0.lock().await.kill();
        Ok(())
    }

    async fn restart(&self) -> Result<()> {
        self.0.lock().await.restart().await;
        Ok(())
    }
}

#[async_trait]
impl conformance::Fixture for Fixture {
    async fn broker(&self) -> Result<Arc<dyn Broker>> {
        Ok(Arc::new(Nats::parse(&self.address)?.ack_wait(Duration::from_secs(5))))
    }

    fn promises(&self) -> conformance::Promises {
        // 1 MiB, in base64.
        conformance::Promises { carries: 700 << 10, refuses: Some(1 << 20), ..Default::default() }
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        self.own.clone().map(|own| own as Arc<dyn Faults>)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nats_broker_conforms_and_survives_its_server() -> Result<()> {
    let Some(server) = Server::start(Kind::Nats).await else { return Ok(()) };
    let fixture = Fixture { address: server.address(), own: Some(Arc::new(Own(Mutex::new(server)))) };
    conformance::Kit::new(fixture).run().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nats_broker_conforms_without_jetstream() -> Result<()> {
    let Some(server) = Server::start(Kind::NatsWithoutJetStream).await else { return Ok(()) };
    conformance::Kit::new(Plain(Fixture { address: server.address(), own: None })).run().await
}

/// A server without JetStream: delivery at most once is all that it can.
#[derive(Debug)]
struct Plain(Fixture);

#[async_trait]
impl conformance::Fixture for Plain {
    async fn broker(&self) -> Result<Arc<dyn Broker>> {
        self.0.broker().await
    }

    fn promises(&self) -> conformance::Promises {
        conformance::Promises { abilities: Some(Abilities::new()), ..self.0.promises() }
    }
}
