//! The log of events in JetStream, against a NATS server.

#![cfg(feature = "nats")]

mod servers;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use micro_runtime::broker::{Delivery, Envelope, Subscription};
use micro_runtime::events::conformance;
use micro_runtime::events::{ConsumeOptions, EventLog, JetStream, Retention, Start};
use micro_runtime::{Code, Error, Result};
use servers::{Kind, Server};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(10);

/// A topic of which NATS could make no subject.
fn topic() -> String {
    format!("test *.größe {}", Uuid::new_v4().simple())
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.envelope.body).into_owned()
}

fn offset(delivery: &Delivery) -> u64 {
    delivery.position.map(|position| position.offset).unwrap_or_default()
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

async fn publish(log: &JetStream, topic: &str, count: usize) -> Result<Vec<u64>> {
    let mut offsets = Vec::new();
    for number in 1..=count {
        offsets.push(log.publish(topic, Envelope::new(number.to_string())).await?);
    }
    Ok(offsets)
}

#[tokio::test]
async fn events_are_kept_in_order_and_read_from_anywhere() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (log, topic) = (JetStream::parse(&address)?, topic());
    assert!(log.read(&topic, Start::Oldest, 10).await?.is_empty());
    assert!(log.groups(&topic).await?.is_empty());
    let begin = SystemTime::now();
    let offsets = publish(&log, &topic, 3).await?;
    assert!(offsets.is_sorted_by(|one, other| one < other));
    sleep(Duration::from_millis(20)).await;
    let middle = SystemTime::now();
    sleep(Duration::from_millis(20)).await;
    let odd = Envelope::new(vec![0, 255]).with("odd", "two\nlines").with(Envelope::CE_ID, "1");
    log.publish(&topic, odd.clone()).await?;

    let read = log.read(&topic, Start::Oldest, 10).await?;
    assert_eq!(read.iter().map(|stored| stored.offset).take(3).collect::<Vec<_>>(), offsets);
    assert_eq!(read.last().map(|stored| &stored.envelope), Some(&odd));
    assert!(read.iter().all(|stored| stored.time >= begin - Duration::from_secs(1)));
    for (start, count) in [
        (Start::Offset(offsets[1]), 3),
        (Start::Offset(1000), 0),
        (Start::Time(middle), 1),
        (Start::Time(SystemTime::UNIX_EPOCH), 4),
        (Start::New, 0),
    ] {
        assert_eq!(log.read(&topic, start, 10).await?.len(), count, "{start:?}");
    }
    assert_eq!(log.read(&topic, Start::Oldest, 2).await?.len(), 2);

    let mut from_middle = log.consume(ConsumeOptions::new(&topic).start(Start::Time(middle))).await?;
    let delivery = next(&mut from_middle).await?;
    assert_eq!((&delivery.envelope, offset(&delivery)), (&odd, read[3].offset));
    let mut new = log.consume(ConsumeOptions::new(&topic)).await?;
    let mut later = log.consume(ConsumeOptions::new(&topic).start(Start::Offset(read[3].offset + 2))).await?;
    publish(&log, &topic, 2).await?;
    assert_eq!(all(&mut new).await?, ["1", "2"]);
    assert_eq!(all(&mut later).await?, ["2"]);
    log.close().await?;
    assert!(new.next().await.is_none());
    Ok(())
}

#[tokio::test]
async fn a_group_goes_on_where_it_stopped_and_says_how_far_it_is() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (log, other, topic) = (JetStream::parse(&address)?, JetStream::parse(&address)?, topic());
    let offsets = publish(&log, &topic, 10).await?;
    let options = ConsumeOptions::new(&topic).start(Start::Oldest).group("für alle");
    let mut one = log.consume(options.clone()).await?;
    for _ in 0..4 {
        next(&mut one).await?.ack().await?;
    }
    let held = next(&mut one).await?;
    one.end().await?;
    let caught_up = async {
        loop {
            let groups = log.groups(&topic).await?;
            let [group] = &*groups else { return Err(Error::internal(format!("{groups:?}"))) };
            if (group.position, group.lag) == (offsets[4], 6) && group.in_hand > 0 {
                return Ok::<_, Error>(group.name.clone());
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let name = timeout(SOON, caught_up).await.map_err(|_| Error::internal("the group is never so far"))??;
    assert_eq!(name, "für alle");
    drop(held);
    let mut another = other.consume(options.clone().start(Start::New)).await?;
    let mut rest = Vec::new();
    for _ in 0..6 {
        let delivery = next(&mut another).await?;
        rest.push(text(&delivery));
        delivery.ack().await?;
    }
    rest.sort_by_key(|number| number.parse::<u32>().unwrap_or_default());
    assert_eq!(rest, ["5", "6", "7", "8", "9", "10"]);

    log.delete_group(&topic, "für alle").await?;
    log.delete_group(&topic, "für alle").await?;
    let over = timeout(SOON, another.next()).await.map_err(|_| Error::internal("it lives on"))?;
    assert!(over.is_none());
    let mut anew = log.consume(options).await?;
    assert_eq!(all(&mut anew).await?.len(), 10);
    Ok(())
}

#[tokio::test]
async fn an_event_that_is_given_back_comes_again_later() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (log, topic) = (JetStream::parse(&address)?, topic());
    publish(&log, &topic, 1).await?;
    let options = ConsumeOptions::new(&topic).start(Start::Oldest).group("one");
    let mut group = log.consume(options).await?;
    let begin = Instant::now();
    next(&mut group).await?.give_back(Duration::from_secs(1)).await;
    let again = next(&mut group).await?;
    assert_eq!(again.attempts_before, 1);
    assert!(begin.elapsed() >= Duration::from_millis(900));
    drop(again);
    next(&mut group).await?.ack().await
}

#[tokio::test]
async fn retention_lets_the_oldest_go() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (log, topic) = (JetStream::parse(&address)?, topic());
    publish(&log, &topic, 10).await?;
    log.set_retention(&topic, Retention::unlimited().max_events(3)).await?;
    let bodies = |read: Vec<micro_runtime::events::Stored>| -> Vec<_> {
        read.iter().map(|stored| String::from_utf8_lossy(&stored.envelope.body).into_owned()).collect()
    };
    assert_eq!(bodies(log.read(&topic, Start::Oldest, 10).await?), ["8", "9", "10"]);
    log.set_retention(&topic, Retention::unlimited().max_age(Duration::from_millis(100))).await?;
    let gone = async {
        while !log.read(&topic, Start::Oldest, 10).await?.is_empty() {
            sleep(Duration::from_millis(50)).await;
        }
        Ok::<_, Error>(())
    };
    timeout(SOON, gone).await.map_err(|_| Error::internal("they stay"))??;
    log.set_retention(&topic, Retention::unlimited()).await?;
    let offset = log.publish(&topic, Envelope::new("11")).await?;
    assert_eq!(offset, 11, "numbers go on");
    Ok(())
}

#[tokio::test]
async fn what_it_cannot_do_it_refuses() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let (log, topic) = (JetStream::parse(&address)?, topic());
    let later =
        log.publish_at(&topic, Envelope::new("a"), SystemTime::now() + SOON).await.expect_err("it cannot");
    let both =
        log.publish_all(&topic, vec![Envelope::new("a"), Envelope::new("b")]).await.expect_err("it cannot");
    let large = log.publish(&topic, Envelope::new(vec![0; 2 << 20])).await.expect_err("too large");
    let unnamed = log.publish("", Envelope::new("a")).await.expect_err("no topic");
    assert_eq!(
        [later, both, large, unnamed].map(|error| error.code()),
        [Code::FailedPrecondition, Code::FailedPrecondition, Code::InvalidArgument, Code::InvalidArgument]
    );
    assert!(log.read(&topic, Start::Oldest, 10).await?.is_empty());
    let Some(server) = Server::start(Kind::NatsWithoutJetStream).await else { return Ok(()) };
    let without = JetStream::parse(&server.address())?;
    let refused = without.publish(&topic, Envelope::new("a")).await.expect_err("it keeps nothing");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(refused.message().contains("-js"), "{refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_loses_neither_events_nor_how_far_groups_are() -> Result<()> {
    const COUNT: usize = 3000;
    let Some(mut server) = Server::start(Kind::Nats).await else { return Ok(()) };
    let (log, topic) = (JetStream::parse(&server.address())?, topic());
    let options =
        ConsumeOptions::new(&topic).start(Start::Oldest).group("one").ack_wait(Duration::from_secs(2));
    let mut group = log.consume(options).await?;
    let publishing = async {
        for number in 0..COUNT {
            while let Err(error) = log.publish(&topic, Envelope::new(number.to_string())).await {
                assert_eq!(error.code(), Code::Unavailable, "{error}");
                sleep(Duration::from_millis(50)).await;
            }
            if number == COUNT / 2 {
                server.kill();
                server.restart().await;
            }
        }
        Ok::<_, Error>(())
    };
    let taking = async {
        let mut seen = std::collections::HashSet::new();
        while seen.len() < COUNT {
            let delivery = timeout(Duration::from_secs(40), group.next()).await;
            let delivery =
                delivery.ok().flatten().ok_or_else(|| Error::internal(format!("{} came", seen.len())))?;
            seen.insert(text(&delivery));
            delivery.ack().await?;
        }
        Ok(())
    };
    tokio::try_join!(publishing, taking)?;
    let mut offsets = Vec::new();
    loop {
        let start = Start::Offset(offsets.last().map_or(0, |last| last + 1));
        let read = log.read(&topic, start, 1000).await?;
        if read.is_empty() {
            break;
        }
        offsets.extend(read.iter().map(|stored| stored.offset));
    }
    assert!(offsets.len() >= COUNT && offsets.is_sorted_by(|one, other| one < other));
    Ok(())
}

/// The server decides who gets an event again, counts what it sends, and keeps order by sending one at a time.
fn promises() -> conformance::Promises {
    conformance::Promises {
        keys_apart: false,
        knows_missed: false,
        others_first: false,
        counts_attempts_only: false,
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_in_jetstream_conforms() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let make = || Arc::new(JetStream::parse(&address).expect("an address")) as Arc<dyn EventLog>;
    conformance::run(make, promises()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_in_jetstream_conforms_when_it_is_closed_and_opened() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let make = || Arc::new(JetStream::parse(&address).expect("an address")) as Arc<dyn EventLog>;
    conformance::run_durable(make, promises()).await
}
