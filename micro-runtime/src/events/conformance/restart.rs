use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use super::{Kit, event, number, same, wrong};
use crate::error::{Code, Result};
use crate::events::{Retention, Start};

pub(super) async fn closed(kit: &Kit) -> Result<()> {
    let mut last = 0;
    for number in 0..10 {
        last = kit.third.publish(&kit.topic, event(number)).await?;
    }
    let mut member = kit.third.consume(kit.group()).await?;
    same("before", kit.take(&mut member, 4).await?, (0..4).collect())?;
    kit.third.close().await?;
    same("after the close", member.next().await.is_none(), true)?;
    match kit.third.publish(&kit.topic, event(10)).await {
        Err(error) if error.code() == Code::Unavailable => {}
        other => return Err(wrong(format!("publishing to what was closed ended with {other:?}"))),
    }
    let next = kit.here.publish(&kit.topic, event(10)).await?;
    same("the offsets go on", next, last + 1)?;
    let mut member = kit.here.consume(kit.group()).await?;
    same("afterwards", kit.take(&mut member, 7).await?, (4..11).collect())
}

pub(super) async fn in_hand(kit: &Kit) -> Result<()> {
    kit.publish(0..3).await?;
    let mut member = kit.third.consume(kit.group()).await?;
    let first = kit.next(&mut member).await?;
    let second = kit.next(&mut member).await?;
    first.ack().await?;
    sleep(kit.promises.saved).await;
    kit.third.close().await?;
    drop((second, member));
    let mut member = kit.here.consume(kit.group()).await?;
    let again = kit.next(&mut member).await?;
    same("what came again", number(&again.envelope)?, 1)?;
    same("the attempts before", again.attempts_before, 1)?;
    again.ack().await?;
    let last = kit.next(&mut member).await?;
    same("the last one", number(&last.envelope)?, 2)?;
    let most = u32::from(!kit.promises.counts_attempts_only);
    same("it was no attempt", last.attempts_before <= most, true)
}

pub(super) async fn settings(kit: &Kit) -> Result<()> {
    kit.third.set_retention(&kit.topic, Retention::unlimited().max_events(2)).await?;
    if kit.third.abilities().delays {
        let at = SystemTime::now() + Duration::from_millis(300);
        kit.third.publish_at(&kit.topic, event(4), at).await?;
    }
    kit.third.close().await?;
    let mut consumer = kit.here.consume(kit.options()).await?;
    if kit.here.abilities().delays {
        same("when it is due", kit.take(&mut consumer, 1).await?, vec![4])?;
    }
    kit.publish(0..5).await?;
    same("how many are kept", kit.here.read(&kit.topic, Start::Oldest, 10).await?.len(), 2)
}
