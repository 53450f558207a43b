//! Subscriptions that end and come back, and brokers that are closed.

use super::Scenario;
use super::reader::id;
use super::scene::{Scene, event, events, expect};
use super::tally::Tally;
use crate::broker::Broker;
use crate::error::Result;

pub(super) const SCENARIOS: &[Scenario] = &[
    ("a subscription that ended has no more, and its group loses nothing", |scene| Box::pin(ended(scene))),
    ("a subscription without a group is over when it ended", |scene| Box::pin(ended_alone(scene))),
    ("a member that returns has what came for its group meanwhile", |scene| Box::pin(returned(scene))),
    ("what the last member of a group had when it was lost comes to the next one", |scene| {
        Box::pin(last_member_lost(scene))
    }),
    ("a handle that is closed ends its own subscriptions", |scene| Box::pin(closed(scene))),
];

async fn ended(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut leaving = scene.read(&there, scene.grouped("audit")).await?;
    let publishing = scene.publish_in_lanes(&here, 40, events(40));
    let mut hand = Vec::new();
    for _ in 0..3 {
        hand.push(leaving.next("an event").await?);
    }
    let tally = Tally::new();
    let _staying = scene.read(&here, scene.grouped("audit")).await?.collect(&tally);
    leaving.end().await?;
    leaving.over().await?;
    leaving.end().await?;
    // What it has in hand can still be acknowledged, and what it drops goes to others.
    if let Some(delivery) = hand.pop() {
        tally.add(&delivery);
        delivery.ack().await?;
    }
    drop(hand);
    tally.until(40, scene.promises.loss).await?;
    publishing.done().await?;
    leaving.over().await?;
    tally.complete(40)?;
    tally.marked()
}

async fn ended_alone(scene: &Scene) -> Result<()> {
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut reader = scene.read(&there, scene.options()).await?;
    let publishing = scene.publish(&here, [event(1)]);
    reader.take("an event").await?;
    publishing.done().await?;
    reader.end().await?;
    scene.publish(&here, [event(2)]).done().await?;
    reader.over().await?;
    drop(reader);
    // Another one begins anew.
    let mut reader = scene.read(&there, scene.options()).await?;
    let publishing = scene.publish(&here, [event(3)]);
    expect("the first event of another subscription", "3".to_owned(), reader.take("an event").await?)?;
    publishing.done().await
}

async fn returned(scene: &Scene) -> Result<()> {
    if !(scene.abilities.at_least_once && scene.abilities.keeps) {
        return Ok(());
    }
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut reader = scene.read(&there, scene.grouped("audit")).await?;
    reader.end().await?;
    drop(reader);
    scene.publish(&here, (0..5).map(event)).done().await?;
    // Nor does it matter that its process is gone.
    there.close().await?;
    scene.publish(&here, (5..10).map(event)).done().await?;
    let mut reader = scene.read(&here, scene.grouped("audit")).await?;
    reader.take_numbers(10).await?;
    // Another group begins with what is published from now on.
    scene.read(&here, scene.grouped("mail")).await?.quiet().await
}

async fn last_member_lost(scene: &Scene) -> Result<()> {
    if !(scene.abilities.at_least_once && scene.abilities.keeps) {
        return Ok(());
    }
    let process = scene.process()?;
    let holding = process.hold(scene.grouped("audit"), 3).await?;
    let here = scene.broker().await?;
    let publishing = scene.publish(&here, events(3));
    expect("how many events the process has", 3, holding.ids().await?.len())?;
    publishing.done().await?;
    process.kill().await?;
    scene.publish(&here, [event(3)]).done().await?;
    let tally = Tally::new();
    let _next = scene.read(&here, scene.grouped("audit")).await?.collect(&tally);
    tally.until(4, scene.promises.loss).await?;
    tally.complete(4)
}

async fn closed(scene: &Scene) -> Result<()> {
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut over = scene.read(&there, scene.options()).await?;
    let mut open = scene.read(&here, scene.options()).await?;
    let waiting = tokio::spawn(async move { over.over().await.map(|()| over) });
    there.close().await?;
    let mut over = waiting.await.map_err(|error| crate::Error::internal(error.to_string()))??;
    there.close().await?;
    over.over().await?;
    drop(over);
    let publishing = scene.publish(&here, [event(1)]);
    let delivery = open.next("an event on the handle that is open").await?;
    expect("the event", "1".to_owned(), id(&delivery))?;
    delivery.ack().await?;
    publishing.done().await
}
