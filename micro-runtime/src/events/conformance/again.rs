use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Kit, number, same, wrong};
use crate::error::{Error, Result};

pub(super) async fn dropped(kit: &Kit) -> Result<()> {
    let mut first = kit.here.consume(kit.group()).await?;
    kit.publish([1]).await?;
    let delivery = kit.next(&mut first).await?;
    let mut second = kit.here.consume(kit.group()).await?;
    let again = {
        let waiting = kit.next(&mut second);
        tokio::pin!(waiting);
        // It waits before the event goes back.
        tokio::select! {
            biased;
            delivery = &mut waiting => return Err(wrong(format!("{:?} came twice", delivery?))),
            () = sleep(kit.promises.quiet) => {}
        }
        drop(delivery);
        tokio::select! {
            again = waiting => again?,
            again = kit.next(&mut first) => {
                let again = again?;
                if kit.promises.others_first {
                    return Err(wrong(format!("{again:?} came to the one that dropped it")));
                }
                again
            }
        }
    };
    same("the attempts before", again.attempts_before, 1)?;
    again.ack().await?;
    kit.nothing(&mut first).await?;
    // Where there is no other one, it comes back to the same.
    drop(second);
    kit.publish([2]).await?;
    drop(kit.next(&mut first).await?);
    same("what came back", kit.take(&mut first, 1).await?, vec![2])
}

pub(super) async fn too_long(kit: &Kit) -> Result<()> {
    let wait = kit.promises.ack_wait;
    let mut member = kit.here.consume(kit.group().ack_wait(wait)).await?;
    kit.publish([1]).await?;
    let held = kit.next(&mut member).await?;
    // Extended for longer than the time there is.
    let end = Instant::now() + wait * 3;
    while Instant::now() < end {
        tokio::select! {
            again = member.next() => return Err(wrong(format!("{again:?} came while it was extended"))),
            () = sleep(wait / 4) => held.extend().await,
        }
    }
    let again = kit.next(&mut member).await?;
    same("what came again", number(&again.envelope)?, 1)?;
    if again.attempts_before == 0 {
        return Err(wrong("what was delivered before does not say so"));
    }
    // The one that was too slow changes nothing any more.
    drop(held);
    again.ack().await?;
    sleep(wait).await;
    kit.nothing(&mut member).await
}

pub(super) async fn given_back(kit: &Kit) -> Result<()> {
    let wait = Duration::from_secs(1);
    let mut member = kit.here.consume(kit.group()).await?;
    kit.publish([1, 2]).await?;
    let begun = Instant::now();
    kit.next(&mut member).await?.give_back(wait).await;
    same("the other one comes meanwhile", kit.take(&mut member, 1).await?, vec![2])?;
    let again = kit.next(&mut member).await?;
    same("what came again", number(&again.envelope)?, 1)?;
    same("the attempts before", again.attempts_before, 1)?;
    if begun.elapsed() < wait {
        return Err(wrong(format!("it came after {:?} already, and not after {wait:?}", begun.elapsed())));
    }
    again.ack().await
}

pub(super) async fn refused(kit: &Kit) -> Result<()> {
    let mut member = kit.here.consume(kit.group()).await?;
    kit.publish([1]).await?;
    kit.next(&mut member).await?.refuse(&Error::internal("the kit refuses it")).await;
    kit.nothing(&mut member).await?;
    let again = kit.next(&mut member).await?;
    same("the attempts before", again.attempts_before, 1)?;
    again.ack().await
}

pub(super) async fn counted(kit: &Kit) -> Result<()> {
    let mut member = kit.here.consume(kit.group()).await?;
    let mut alone = kit.here.consume(kit.options()).await?;
    kit.publish([1]).await?;
    for consumer in [&mut member, &mut alone] {
        for attempts in 0..5 {
            let delivery = kit.next(consumer).await?;
            same("the attempts before", delivery.attempts_before, attempts)?;
        }
        kit.take(consumer, 1).await?;
        kit.nothing(consumer).await?;
    }
    Ok(())
}
