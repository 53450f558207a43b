use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, timeout};

use super::{Kit, event, number, same, wrong};
use crate::broker::Envelope;
use crate::error::{Code, Result};
use crate::events::{ConsumeOptions, Start, Stored};

fn numbers(events: &[Stored]) -> Result<Vec<usize>> {
    events.iter().map(|stored| number(&stored.envelope)).collect()
}

pub(super) async fn round_trip(kit: &Kit) -> Result<()> {
    let begun = SystemTime::now() - Duration::from_secs(60);
    let envelope = Envelope::new(vec![0, 159, 146, 150])
        .with(Envelope::CONTENT_TYPE, "application/octet-stream")
        .with(Envelope::CE_ID, "1f0c")
        .with("X-Name", "Zoë, 東京");
    let empty = Envelope::default();
    let first = kit.here.publish(&kit.topic, envelope.clone()).await?;
    let second = kit.here.publish(&kit.topic, empty.clone()).await?;
    if second <= first {
        return Err(wrong(format!("the offset {second} came after {first}")));
    }
    let read = kit.there.read(&kit.topic, Start::Oldest, 10).await?;
    same("the offsets", read.iter().map(|stored| stored.offset).collect(), vec![first, second])?;
    for (stored, expected) in read.iter().zip([&envelope, &empty]) {
        same("the body", &stored.envelope.body, &expected.body)?;
        for (name, value) in expected.headers.iter() {
            same(name, stored.envelope.headers.get(name), Some(value))?;
        }
        if stored.time < begun {
            return Err(wrong(format!("it was published at {:?}", stored.time)));
        }
    }
    let mut consumer = kit.there.consume(kit.options()).await?;
    let delivery = kit.next(&mut consumer).await?;
    same("the name", delivery.envelope.headers.get("X-Name"), Some("Zoë, 東京"))?;
    same("the offset", delivery.position.map(|position| position.offset), Some(first))?;
    same("the time", delivery.position.map(|position| position.time), read.first().map(|stored| stored.time))
}

pub(super) async fn from_anywhere(kit: &Kit) -> Result<()> {
    same("what is in a topic without events", kit.there.read(&kit.topic, Start::Oldest, 10).await?.len(), 0)?;
    let offsets = kit.publish(0..6).await?;
    sleep(Duration::from_millis(50)).await;
    let later = kit.publish(6..10).await?;
    let read = |start, limit| kit.there.read(&kit.topic, start, limit);
    let all = read(Start::Oldest, 100).await?;
    same("from the start", numbers(&all)?, (0..10).collect())?;
    same("the offsets", all.iter().map(|stored| stored.offset).collect(), [offsets.clone(), later].concat())?;
    same("three of them", numbers(&read(Start::Oldest, 3).await?)?, vec![0, 1, 2])?;
    same("from an offset", numbers(&read(Start::Offset(offsets[4]), 100).await?)?, (4..10).collect())?;
    same("before the first", numbers(&read(Start::Offset(0), 1).await?)?, vec![0])?;
    same("from a time", numbers(&read(Start::Time(all[6].time), 100).await?)?, (6..10).collect())?;
    same("from long ago", read(Start::Time(SystemTime::UNIX_EPOCH), 100).await?.len(), 10)?;
    let future = all[9].time + Duration::from_secs(3600);
    same("from a later time", read(Start::Time(future), 100).await?.len(), 0)?;
    same("after the end", read(Start::Offset(all[9].offset + 1), 100).await?.len(), 0)?;
    same("new", read(Start::New, 100).await?.len(), 0)
}

pub(super) async fn consume_from_anywhere(kit: &Kit) -> Result<()> {
    let offsets = kit.publish(0..3).await?;
    sleep(Duration::from_millis(50)).await;
    kit.publish(3..5).await?;
    let third = kit.here.read(&kit.topic, Start::Oldest, 10).await?[3].time;
    let starts =
        [(Start::Oldest, 0), (Start::Offset(offsets[2]), 2), (Start::Time(third), 3), (Start::New, 5)];
    let mut consumers = Vec::new();
    for (start, from) in starts {
        for group in [None, Some(format!("from-{from}"))] {
            let mut options = ConsumeOptions::new(&kit.topic).start(start);
            options.group = group;
            consumers.push((from, kit.here.consume(options).await?));
        }
    }
    kit.publish([5]).await?;
    for (from, consumer) in &mut consumers {
        same(&format!("from {from}"), kit.take(consumer, 6 - *from).await?, (*from..6).collect())?;
        kit.nothing(consumer).await?;
    }
    Ok(())
}

pub(super) async fn hears(kit: &Kit) -> Result<()> {
    // Of a topic that is not there yet.
    let mut consumer = kit.there.consume(kit.options()).await?;
    let (heard, published) = tokio::join!(kit.take(&mut consumer, 1), async {
        sleep(Duration::from_millis(50)).await;
        kit.publish([7]).await
    });
    published?;
    same("it heard", heard?, vec![7])
}

pub(super) async fn gives_up(kit: &Kit) -> Result<()> {
    let mut consumer = kit.here.consume(kit.group()).await?;
    let publishing = async {
        for number in 0..50 {
            kit.here.publish(&kit.topic, event(number)).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    };
    let consuming = async {
        let (mut taken, end) = (Vec::new(), Instant::now() + kit.promises.notice);
        while taken.len() < 50 && Instant::now() < end {
            if let Ok(Some(delivery)) = timeout(Duration::from_millis(1), consumer.next()).await {
                same("the attempts before", delivery.attempts_before, 0)?;
                taken.push(number(&delivery.envelope)?);
                delivery.ack().await?;
            }
        }
        Ok::<_, crate::Error>(taken)
    };
    let (published, taken) = tokio::join!(publishing, consuming);
    published.and_then(|()| same("what came", taken?, (0..50).collect()))
}

pub(super) async fn names(kit: &Kit) -> Result<()> {
    let long = "x".repeat(100_000);
    let odd = [
        "",
        " ",
        "größe-東京",
        "a b",
        "a.b.c",
        "orders.dead-letter",
        "*",
        "a.>",
        "..",
        "a/b",
        "a\0b",
        "a\nb",
        &long,
    ];
    for name in odd {
        let unique = name.replace('a', &kit.topic);
        let topic = if name.is_empty() || unique != name { unique } else { format!("{}-{name}", kit.topic) };
        let kept = match kit.here.publish(&topic, event(1)).await {
            Ok(_) => numbers(&kit.there.read(&topic, Start::Oldest, 10).await?)?,
            Err(error) if error.code() == Code::InvalidArgument => continue,
            Err(error) => return Err(error.context(format_args!("the topic {name:?}"))),
        };
        same(&format!("the topic {name:?}"), kept, vec![1])?;
    }
    match kit.here.publish("", event(1)).await {
        Err(error) if error.code() == Code::InvalidArgument => {}
        other => return Err(wrong(format!("a topic without a name ended with {other:?}"))),
    }
    match kit.here.consume(ConsumeOptions::new("")).await {
        Err(error) if error.code() == Code::InvalidArgument => {}
        other => return Err(wrong(format!("consuming it ended with {:?}", other.map(drop)))),
    }
    // What the dead letters of a topic are.
    kit.here.publish(&format!("{}.dead-letter", kit.topic), event(1)).await.map(drop)
}

pub(super) async fn sizes(kit: &Kit) -> Result<()> {
    // Servers count what is around the event as well.
    let large: Vec<u8> = (0..(1usize << 20) - 4096).map(|index| (index % 251) as u8).collect();
    for _ in 0..8 {
        kit.here.publish(&kit.topic, Envelope::new(large.clone())).await?;
    }
    let mut consumer = kit.there.consume(kit.options()).await?;
    for _ in 0..8 {
        let delivery = kit.next(&mut consumer).await?;
        if delivery.envelope.body != large {
            return Err(wrong(format!("{} bytes came that are other ones", delivery.envelope.body.len())));
        }
        delivery.ack().await?;
    }
    match kit.here.publish(&kit.topic, Envelope::new(vec![0; 100 << 20])).await {
        Err(error) if error.code() == Code::InvalidArgument => {}
        other => return Err(wrong(format!("100 MiB ended with {other:?}"))),
    }
    let mut headers = Envelope::new("many");
    for name in 0..1000 {
        headers.headers.set(format!("X-{name}"), "x".repeat(100));
    }
    match kit.here.publish(&kit.topic, headers).await {
        Err(error) if error.code() == Code::InvalidArgument => Ok(()),
        other => Err(wrong(format!("a thousand headers ended with {other:?}"))),
    }
}
