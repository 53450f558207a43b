use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::{Kit, event, number, same, wrong};
use crate::broker::Envelope;
use crate::error::Result;
use crate::events::Start;

const BURST: usize = 10_000;

pub(super) async fn burst(kit: &Kit) -> Result<()> {
    let mut members = [kit.here.consume(kit.group()).await?, kit.here.consume(kit.group()).await?];
    let publishers = (0..100).map(|publisher| async move {
        for index in 0..BURST / 100 {
            kit.here.publish(&kit.topic, event(publisher * (BURST / 100) + index)).await?;
        }
        Ok::<_, crate::Error>(())
    });
    let [first, second] = &mut members;
    let consuming = async {
        let mut taken = Vec::with_capacity(BURST);
        while taken.len() < BURST {
            let delivery = tokio::select! {
                delivery = kit.next(first) => delivery?,
                delivery = kit.next(second) => delivery?,
            };
            same("the attempts before", delivery.attempts_before, 0)?;
            taken.push(number(&delivery.envelope)?);
            delivery.ack().await?;
        }
        Ok(taken)
    };
    let (_, mut taken) = tokio::try_join!(try_join_all(publishers), consuming)?;
    taken.sort_unstable();
    same("every event came once", taken == (0..BURST).collect::<Vec<_>>(), true)?;
    for member in &mut members {
        kit.nothing(member).await?;
    }
    Ok(())
}

pub(super) async fn writers(kit: &Kit) -> Result<()> {
    let writer = |writer: usize| async move {
        let log = if writer < 4 { &kit.here } else { &kit.there };
        let mut offsets = Vec::new();
        for index in 0..25 {
            let envelope = event(index).with("writer", writer.to_string());
            offsets.push(log.publish(&kit.topic, envelope).await?);
        }
        same("the offsets of one writer", offsets.is_sorted(), true)?;
        let expected = offsets.into_iter().enumerate().map(|(index, offset)| (offset, (writer, index)));
        Ok::<_, crate::Error>(expected.collect::<Vec<_>>())
    };
    let expected: BTreeMap<_, _> = try_join_all((0..8).map(writer)).await?.into_iter().flatten().collect();
    same("how many offsets", expected.len(), 200)?;
    let mut found = BTreeMap::new();
    for stored in kit.there.read(&kit.topic, Start::Oldest, 1000).await? {
        let writer = stored.envelope.headers.get("writer").and_then(|writer| writer.parse().ok());
        let writer: usize = writer.ok_or_else(|| wrong("an event without its writer"))?;
        found.insert(stored.offset, (writer, number(&Envelope::new(stored.envelope.body))?));
    }
    same("what is at the offsets", found, expected)
}
