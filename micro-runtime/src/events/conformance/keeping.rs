use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use super::{Kit, event, number, same, wrong};
use crate::broker::Envelope;
use crate::error::{Code, Result};
use crate::events::{Retention, Start};

pub(super) async fn batches(kit: &Kit) -> Result<()> {
    let many = |count: usize| (0..count).map(event).collect::<Vec<_>>();
    if !kit.here.abilities().batches {
        return match kit.here.publish_all(&kit.topic, many(2)).await {
            Err(error) if error.code() == Code::FailedPrecondition => Ok(()),
            other => Err(wrong(format!("what it cannot do ended with {other:?}"))),
        };
    }
    let range = kit.here.publish_all(&kit.topic, many(20)).await?;
    same("how many offsets", range.end - range.start, 20)?;
    let mut spoiled = many(20);
    spoiled.push(Envelope::new(vec![0; 100 << 20]));
    match kit.here.publish_all(&kit.topic, spoiled).await {
        Err(error) if error.code() == Code::InvalidArgument => {}
        other => return Err(wrong(format!("a batch with a huge event ended with {other:?}"))),
    }
    let none = kit.here.publish_all(&kit.topic, Vec::new()).await?;
    same("how many of nothing", none.end - none.start, 0)?;
    let read = kit.there.read(&kit.topic, Start::Oldest, 100).await?;
    same("what is there", read.iter().map(|stored| stored.offset).collect(), range.collect::<Vec<_>>())
}

pub(super) async fn delayed(kit: &Kit) -> Result<()> {
    let soon = Duration::from_millis(600);
    if !kit.here.abilities().delays {
        return match kit.here.publish_at(&kit.topic, event(1), SystemTime::now() + soon).await {
            Err(error) if error.code() == Code::FailedPrecondition => Ok(()),
            other => Err(wrong(format!("what it cannot do ended with {other:?}"))),
        };
    }
    let mut consumer = kit.there.consume(kit.options()).await?;
    let begun = Instant::now();
    kit.here.publish_at(&kit.topic, event(0), SystemTime::UNIX_EPOCH).await?;
    // The time of the log, which in a test may be another one than that of the machine.
    let now = kit.here.read(&kit.topic, Start::Oldest, 1).await?.first().map(|stored| stored.time);
    let at = now.ok_or_else(|| wrong("an event for a time long ago is not there"))? + soon;
    kit.here.publish_at(&kit.topic, event(2), at).await?;
    kit.here.publish(&kit.topic, event(1)).await?;
    same("at once", kit.take(&mut consumer, 2).await?, vec![0, 1])?;
    same("what can be read", kit.here.read(&kit.topic, Start::Oldest, 10).await?.len(), 2)?;
    same("later", kit.take(&mut consumer, 1).await?, vec![2])?;
    // Clocks of the day and of the machine are not the same to the millisecond.
    if begun.elapsed() + Duration::from_millis(100) < soon {
        return Err(wrong(format!("it came after {:?} already", begun.elapsed())));
    }
    let read = kit.here.read(&kit.topic, Start::Oldest, 10).await?;
    same(
        "the order",
        read.iter().map(|stored| number(&stored.envelope)).collect::<Result<_>>()?,
        vec![0, 1, 2],
    )
}

pub(super) async fn by_count(kit: &Kit) -> Result<()> {
    let offsets = kit.publish(0..10).await?;
    kit.here.set_retention(&kit.topic, Retention::unlimited().max_events(4)).await?;
    kit.kept(&offsets[6..]).await?;
    let more = kit.publish(10..12).await?;
    kit.kept(&[&offsets[8..], &more].concat()).await?;
    kit.here.set_retention(&kit.topic, Retention::unlimited()).await?;
    let last = kit.publish(12..14).await?;
    kit.kept(&[&offsets[8..], &more, &last].concat()).await
}

pub(super) async fn by_bytes(kit: &Kit) -> Result<()> {
    let large = || Envelope::new(vec![7; 100_000]);
    let mut last = 0;
    for _ in 0..10 {
        last = kit.here.publish(&kit.topic, large()).await?;
    }
    kit.here.set_retention(&kit.topic, Retention::unlimited().max_bytes(450_000)).await?;
    kit.kept(&(last - 3..=last).collect::<Vec<_>>()).await?;
    let last = kit.here.publish(&kit.topic, large()).await?;
    kit.kept(&(last - 3..=last).collect::<Vec<_>>()).await
}

pub(super) async fn by_age(kit: &Kit) -> Result<()> {
    let age = Duration::from_secs(1);
    kit.here.set_retention(&kit.topic, Retention::unlimited().max_age(age)).await?;
    kit.publish(0..3).await?;
    kit.kept(&[]).await?;
    let young = kit.publish([3]).await?;
    kit.kept(&young).await?;
    kit.kept(&[]).await
}

pub(super) async fn behind(kit: &Kit) -> Result<()> {
    let mut member = kit.here.consume(kit.group()).await?;
    member.end().await?;
    drop(member);
    kit.publish(0..10).await?;
    kit.here.set_retention(&kit.topic, Retention::unlimited().max_events(3)).await?;
    let mut member = kit.here.consume(kit.group()).await?;
    same("the oldest and what follows", kit.take(&mut member, 3).await?, vec![7, 8, 9])?;
    kit.nothing(&mut member).await?;
    let end = Instant::now() + kit.promises.notice;
    loop {
        let groups = kit.there.groups(&kit.topic).await?;
        let missed = if kit.promises.knows_missed { 7 } else { 0 };
        if groups.iter().any(|group| (group.missed, group.lag) == (missed, 0)) {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(wrong(format!("seven events were missed, and the groups are {groups:?}")));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

impl Kit {
    /// Waits until these are what is kept.
    async fn kept(&self, offsets: &[u64]) -> Result<()> {
        let end = Instant::now() + self.promises.notice;
        loop {
            let read = self.there.read(&self.topic, Start::Oldest, 100).await?;
            let found: Vec<_> = read.iter().map(|stored| stored.offset).collect();
            if found == offsets {
                return Ok(());
            }
            if Instant::now() > end {
                return same("what is kept", found.as_slice(), offsets);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}
