use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{Kit, event, number, same, wrong};
use crate::broker::{Delivery, Envelope, Subscription};
use crate::error::{Code, Result};
use crate::events::Start;

pub(super) async fn share(kit: &Kit) -> Result<()> {
    let mut first = kit.here.consume(kit.group().in_hand(NonZeroUsize::MIN)).await?;
    let mut second = kit.here.consume(kit.group().in_hand(NonZeroUsize::MIN)).await?;
    let third = kit.there.consume(kit.group().in_hand(NonZeroUsize::MIN)).await?;
    kit.publish(0..60).await?;
    // Each holds what it has until the other one of its handle has something too.
    let (one, other) = tokio::try_join!(kit.next(&mut first), kit.next(&mut second))?;
    let mut taken = vec![number(&one.envelope)?, number(&other.envelope)?];
    one.ack().await?;
    other.ack().await?;
    let mut members = [first, second, third];
    let end = Instant::now() + kit.promises.notice;
    while taken.len() < 60 && Instant::now() < end {
        for member in &mut members {
            if let Ok(Some(delivery)) = timeout(Duration::from_millis(5), member.next()).await {
                taken.push(number(&delivery.envelope)?);
                delivery.ack().await?;
            }
        }
    }
    taken.sort_unstable();
    same("what came to all of them", taken, (0..60).collect())?;
    for member in &mut members {
        kit.nothing(member).await?;
    }
    Ok(())
}

pub(super) async fn independent(kit: &Kit) -> Result<()> {
    let mut one = kit.here.consume(kit.options().group("one")).await?;
    let mut other = kit.there.consume(kit.options().group("other")).await?;
    let mut alone = kit.there.consume(kit.options()).await?;
    kit.publish(0..5).await?;
    for consumer in [&mut one, &mut other, &mut alone] {
        same("each gets all", kit.take(consumer, 5).await?, (0..5).collect())?;
    }
    let end = Instant::now() + kit.promises.notice;
    loop {
        let groups = kit.here.groups(&kit.topic).await?;
        let seen: Vec<_> = groups.iter().map(|group| (group.name.as_str(), group.lag)).collect();
        if seen == [("one", 0), ("other", 0)] {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(wrong(format!("the groups are {groups:?}")));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn resumes(kit: &Kit) -> Result<()> {
    kit.publish(0..10).await?;
    let mut member = kit.here.consume(kit.group()).await?;
    same("at first", kit.take(&mut member, 4).await?, (0..4).collect())?;
    member.end().await?;
    same("after the end", member.next().await.is_none(), true)?;
    drop(member);
    for (start, log, from) in [(Start::Oldest, &kit.there, 4), (Start::New, &kit.here, 7)] {
        let mut member = log.consume(kit.group().start(start)).await?;
        same("afterwards", kit.take(&mut member, 3).await?, (from..from + 3).collect())?;
        member.end().await?;
    }
    kit.publish([10]).await?;
    let mut member = kit.there.consume(kit.group().start(Start::Oldest)).await?;
    same("what came meanwhile", kit.take(&mut member, 1).await?, vec![10])?;
    kit.nothing(&mut member).await
}

pub(super) async fn out_of_order(kit: &Kit) -> Result<()> {
    kit.publish(0..6).await?;
    let mut member = kit.here.consume(kit.group()).await?;
    let mut deliveries = Vec::new();
    for _ in 0..6 {
        deliveries.push(kit.next(&mut member).await?);
    }
    // 0, 2 and 5 are not acknowledged.
    for (index, delivery) in deliveries.into_iter().enumerate().rev() {
        if [1, 3, 4].contains(&index) {
            delivery.ack().await?;
        }
    }
    member.end().await?;
    drop(member);
    let mut member = kit.there.consume(kit.group()).await?;
    let mut again = Vec::new();
    for _ in 0..3 {
        let delivery = kit.next(&mut member).await?;
        if delivery.attempts_before == 0 {
            return Err(wrong("what was delivered before does not say so"));
        }
        again.push(number(&delivery.envelope)?);
        delivery.ack().await?;
    }
    again.sort_unstable();
    same("what came again", again, vec![0, 2, 5])?;
    kit.nothing(&mut member).await
}

pub(super) async fn in_hand(kit: &Kit) -> Result<()> {
    kit.publish(0..10).await?;
    let three = NonZeroUsize::MIN.saturating_add(2);
    let mut member = kit.here.consume(kit.group().in_hand(three)).await?;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(kit.next(&mut member).await?);
    }
    kit.nothing(&mut member).await?;
    if let Some(delivery) = held.pop() {
        delivery.ack().await?;
    }
    held.push(kit.next(&mut member).await?);
    kit.nothing(&mut member).await
}

pub(super) async fn ends(kit: &Kit) -> Result<()> {
    let mut first = kit.here.consume(kit.group()).await?;
    let mut second = kit.here.consume(kit.group()).await?;
    kit.publish(0..20).await?;
    let in_hand = kit.next(&mut first).await?;
    let mut taken = vec![number(&in_hand.envelope)?];
    first.end().await?;
    same("after the end", first.next().await.is_none(), true)?;
    // What is out can still be acknowledged.
    in_hand.ack().await?;
    taken.extend(kit.take(&mut second, 19).await?);
    taken.sort_unstable();
    same("what came to both", taken, (0..20).collect())?;
    drop(first);
    kit.nothing(&mut second).await
}

pub(super) async fn deleted(kit: &Kit) -> Result<()> {
    kit.here.delete_group(&kit.topic, "kit").await?;
    kit.publish(0..3).await?;
    let mut member = kit.here.consume(kit.group()).await?;
    kit.take(&mut member, 3).await?;
    kit.here.delete_group(&kit.topic, "kit").await?;
    match timeout(kit.promises.notice, member.next()).await {
        Ok(None) => {}
        other => return Err(wrong(format!("a member of a group that was deleted got {other:?}"))),
    }
    same("the groups", kit.here.groups(&kit.topic).await?.len(), 0)?;
    let mut member = kit.here.consume(kit.group()).await?;
    same("from the start", kit.take(&mut member, 3).await?, (0..3).collect())
}

pub(super) async fn ordered(kit: &Kit) -> Result<()> {
    if !kit.here.abilities().ordered {
        return match kit.here.consume(kit.group().ordered()).await {
            Err(error) if error.code() == Code::FailedPrecondition => Ok(()),
            other => Err(wrong(format!("order that it cannot keep ended with {:?}", other.map(drop)))),
        };
    }
    let keyed = |number: usize| event(number).with(Envelope::CE_KEY, ["red", "green", "blue"][number % 3]);
    for number in 0..30 {
        kit.here.publish(&kit.topic, keyed(number)).await?;
    }
    let mut first = kit.here.consume(kit.group().ordered()).await?;
    let mut second = kit.here.consume(kit.group().ordered()).await?;
    // One of each key is out, whoever has it, and no second one.
    let mut held = vec![kit.next_of(&mut first, &mut second).await?];
    if kit.promises.keys_apart {
        held.push(kit.next(&mut second).await?);
        held.push(kit.next(&mut first).await?);
    }
    kit.nothing(&mut first).await?;
    kit.nothing(&mut second).await?;
    // One that is given back does not let its successor pass.
    if let Some(delivery) = held.pop() {
        let offset = delivery.position;
        drop(delivery);
        let again = kit.next_of(&mut second, &mut first).await?;
        same("what is delivered again", again.position, offset)?;
        held.push(again);
    }
    let mut taken: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut count = 0;
    loop {
        for delivery in held.drain(..) {
            let key = delivery.envelope.key().unwrap_or_default().to_owned();
            taken.entry(key).or_default().push(number(&delivery.envelope)?);
            delivery.ack().await?;
            count += 1;
        }
        if count == 30 {
            break;
        }
        held.push(match count % 2 {
            0 => kit.next_of(&mut first, &mut second).await?,
            _ => kit.next_of(&mut second, &mut first).await?,
        });
    }
    for (key, numbers) in taken {
        same(&format!("ten of {key}"), numbers.len(), 10)?;
        same(&format!("the order of {key}"), numbers.is_sorted(), true)?;
    }
    Ok(())
}

impl Kit {
    /// The next one of either, and of the first where it does not matter.
    async fn next_of(
        &self,
        one: &mut Box<dyn Subscription>,
        other: &mut Box<dyn Subscription>,
    ) -> Result<Delivery> {
        if self.promises.keys_apart {
            return self.next(one).await;
        }
        tokio::select! {
            delivery = self.next(one) => delivery,
            delivery = self.next(other) => delivery,
        }
    }
}
