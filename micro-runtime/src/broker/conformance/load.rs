//! Many events, slow subscribers, and processes that are lost in the middle of it.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Scenario;
use super::scene::{Scene, event, events};
use super::tally::Tally;
use crate::error::{Error, Result};

pub(super) const SCENARIOS: &[Scenario] = &[
    ("of a burst of 10,000 events nothing is lost and nothing invented", |scene| Box::pin(burst(scene))),
    ("a slow subscriber loses nothing, and takes nothing from others", |scene| Box::pin(slow(scene))),
    ("many publish and subscribe at the same time", |scene| Box::pin(many(scene))),
    ("a reader that stops waiting and begins again loses nothing", |scene| Box::pin(impatient(scene))),
    ("a subscriber that is lost in the middle of many events loses none", |scene| Box::pin(lost(scene))),
    ("what a publisher was told is published arrives though it is lost", |scene| {
        Box::pin(publisher_lost(scene))
    }),
];

const BURST: usize = 10_000;

async fn burst(scene: &Scene) -> Result<()> {
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let (group, alone) = (Tally::new(), Tally::new());
    let _collectors = [
        scene.read(&here, scene.grouped("audit")).await?.collect(&group),
        scene.read(&there, scene.grouped("audit")).await?.collect(&group),
        scene.read(&there, scene.options()).await?.collect(&alone),
    ];
    scene.publish_in_lanes(&here, 64, events(BURST)).done().await?;
    for tally in [group, alone] {
        let arrived = tally.until(BURST, scene.promises.arrival).await;
        if scene.abilities.at_least_once {
            arrived?;
            tally.complete(BURST)?;
            tally.marked()?;
        } else {
            tally.not_invented(BURST)?;
            tally.once()?;
        }
    }
    Ok(())
}

/// The publisher waits for the slow one, or is told that there is no room, or the broker has enough room.
async fn slow(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    const EVENTS: usize = 3000;
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let (quick, slow) = (Tally::new(), Tally::new());
    let _quick = scene.read(&here, scene.grouped("quick")).await?.collect(&quick);
    let mut reader = scene.read(&there, scene.grouped("slow").in_hand(NonZeroUsize::MIN)).await?;
    let publishing = scene.publish_stubbornly(&here, 8, events(EVENTS));
    let first = reader.next("an event for the slow one").await?;
    // It does nothing for a while, until the publisher is done or cannot go on.
    let mut before = usize::MAX;
    while !publishing.is_done() && quick.len() != before {
        before = quick.len();
        sleep(scene.promises.quiet).await;
    }
    slow.add(&first);
    first.ack().await?;
    let _slow = reader.collect(&slow);
    publishing.done().await?;
    for tally in [quick, slow] {
        tally.until(EVENTS, scene.promises.arrival).await?;
        tally.complete(EVENTS)?;
        tally.marked()?;
    }
    Ok(())
}

async fn many(scene: &Scene) -> Result<()> {
    const EACH: usize = 250;
    let mut brokers = Vec::new();
    for _ in 0..4 {
        brokers.push(scene.broker().await?);
    }
    let (audit, mail, alone) = (Tally::new(), Tally::new(), Tally::new());
    let mut collectors = Vec::new();
    for (number, broker) in brokers.iter().enumerate() {
        let (group, tally) = if number % 2 == 0 { ("audit", &audit) } else { ("mail", &mail) };
        collectors.push(scene.read(broker, scene.grouped(group)).await?.collect(tally));
    }
    collectors.push(scene.read(&brokers[0], scene.options()).await?.collect(&alone));
    let publishing: Vec<_> = brokers
        .iter()
        .enumerate()
        .map(|(part, broker)| scene.publish_in_lanes(broker, 4, (part * EACH..(part + 1) * EACH).map(event)))
        .collect();
    // Members come and go meanwhile, and what one of them had fetched is not lost.
    for _ in 0..5 {
        if !scene.abilities.at_least_once {
            break;
        }
        let mut passing = scene.read(&brokers[3], scene.grouped("audit")).await?;
        if let Ok(Some(delivery)) = timeout(Duration::from_millis(50), passing.any()).await {
            drop(delivery);
        }
        passing.end().await?;
    }
    for publishing in publishing {
        publishing.done().await?;
    }
    for tally in [audit, mail, alone] {
        tally.until(4 * EACH, scene.promises.loss).await?;
        tally.complete(4 * EACH)?;
    }
    Ok(())
}

async fn impatient(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    const EVENTS: usize = 200;
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut reader = scene.read(&there, scene.grouped("audit")).await?;
    let publishing = scene.publish(&here, events(EVENTS));
    let tally = Tally::new();
    let reading = async {
        let mut round: u64 = 0;
        while tally.len() < EVENTS {
            round += 1;
            // From not waiting at all to some milliseconds.
            let patience = Duration::from_micros(round % 8 * 400);
            if let Ok(Some(delivery)) = timeout(patience, reader.any()).await {
                tally.add(&delivery);
                delivery.ack().await?;
            }
        }
        Ok(())
    };
    let within = scene.promises.loss;
    timeout(within, reading).await.unwrap_or_else(|_| {
        Err(Error::internal(format!("{} of {EVENTS} events came in {within:?}", tally.len())))
    })?;
    publishing.done().await?;
    tally.complete(EVENTS)?;
    tally.marked()
}

async fn lost(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    const EVENTS: usize = 500;
    let process = scene.process()?;
    let in_hand = NonZeroUsize::new(8).unwrap_or(NonZeroUsize::MIN);
    let holding = process.hold(scene.grouped("audit").in_hand(in_hand), 8).await?;
    let (here, tally) = (scene.broker().await?, Tally::new());
    let _other = scene.read(&here, scene.grouped("audit")).await?.collect(&tally);
    let publishing = scene.publish_stubbornly(&scene.broker().await?, 32, events(EVENTS));
    holding.ids().await?;
    process.kill().await?;
    tally.until(EVENTS, scene.promises.loss).await?;
    publishing.done().await?;
    tally.complete(EVENTS)
}

async fn publisher_lost(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    let (here, tally) = (scene.broker().await?, Tally::new());
    let _collector = scene.read(&here, scene.grouped("audit")).await?.collect(&tally);
    let process = scene.process()?;
    let mut published = process.publish(&scene.topic)?;
    let mut told = Vec::new();
    while told.len() < 300 {
        match timeout(scene.promises.arrival, published.recv()).await {
            Ok(Some(id)) => told.push(id),
            Ok(None) => return Err(Error::internal("publishing failed in another process")),
            Err(_) => return Err(Error::internal("publishing takes too long in another process")),
        }
    }
    process.kill().await?;
    while let Ok(id) = published.try_recv() {
        told.push(id);
    }
    let lost = || {
        let seen = tally.seen();
        told.iter().find(|id| !seen.counts.contains_key(*id)).cloned()
    };
    // There may be more than it was told.
    let wait = async {
        while lost().is_some() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let _ = timeout(scene.promises.loss, wait).await;
    match lost() {
        Some(id) => Err(Error::internal(format!("event {id} was published, and did not come"))),
        None => Ok(()),
    }
}
