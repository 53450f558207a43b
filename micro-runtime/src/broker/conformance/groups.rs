//! Who is given an event: every subscription without a group, and one member of every group.

use super::Scenario;
use super::scene::{Scene, event, events, expect};
use super::tally::Tally;
use crate::error::Result;

pub(super) const SCENARIOS: &[Scenario] = &[
    ("every subscription without a group is given every event", |scene| Box::pin(fan_out(scene))),
    ("the members of a group share its events", |scene| Box::pin(shared(scene))),
    ("every group and every subscription without one is given each event", |scene| Box::pin(mixed(scene))),
    ("that nobody subscribes is no error", |scene| Box::pin(nobody(scene))),
    ("topics do not mix, however alike their names", |scene| Box::pin(apart(scene))),
];

async fn fan_out(scene: &Scene) -> Result<()> {
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut readers = Vec::new();
    // Two of them live in one process.
    for broker in [&here, &there, &there] {
        readers.push(scene.read(broker, scene.options()).await?);
    }
    let publishing = scene.publish(&here, events(20));
    let tallies: Vec<_> = readers.iter().map(|_| Tally::new()).collect();
    let _collectors: Vec<_> =
        readers.into_iter().zip(&tallies).map(|(reader, tally)| reader.collect(tally)).collect();
    publishing.done().await?;
    for tally in &tallies {
        tally.until(20, scene.promises.arrival).await?;
        tally.complete(20)?;
        tally.once()?;
    }
    Ok(())
}

async fn shared(scene: &Scene) -> Result<()> {
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let (all, first, second) = (Tally::new(), Tally::new(), Tally::new());
    let _collectors = [
        scene.read(&here, scene.grouped("audit")).await?.collect_in(&[&all, &first]),
        scene.read(&there, scene.grouped("audit")).await?.collect_in(&[&all, &second]),
    ];
    scene.publish_in_lanes(&here, 4, events(200)).done().await?;
    all.until(200, scene.promises.arrival).await?;
    all.complete(200)?;
    all.once()?;
    expect("whether both members had some", [true; 2], [first, second].map(|tally| !tally.is_empty()))
}

async fn mixed(scene: &Scene) -> Result<()> {
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut tallies = Vec::new();
    let mut collectors = Vec::new();
    for (group, members) in [(None, 1), (None, 1), (Some("audit"), 2), (Some("mail"), 1)] {
        let tally = Tally::new();
        for member in 0..members {
            let broker = if member == 0 { &here } else { &there };
            let options = group.map_or_else(|| scene.options(), |group| scene.grouped(group));
            collectors.push(scene.read(broker, options).await?.collect(&tally));
        }
        tallies.push(tally);
    }
    scene.publish(&there, events(30)).done().await?;
    for tally in &tallies {
        tally.until(30, scene.promises.arrival).await?;
        tally.complete(30)?;
        tally.once()?;
    }
    Ok(())
}

async fn nobody(scene: &Scene) -> Result<()> {
    let here = scene.broker().await?;
    scene.publish(&here, events(3)).done().await?;
    // Who comes later is given what is published from then on.
    let mut late = scene.read(&scene.broker().await?, scene.options()).await?;
    let publishing = scene.publish(&here, [event("new")]);
    expect("the first event of a late subscriber", "new".to_owned(), late.take("an event").await?)?;
    publishing.done().await?;
    late.quiet().await
}

async fn apart(scene: &Scene) -> Result<()> {
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let base = &scene.topic;
    let topics = [
        base.clone(),
        base.to_uppercase(),
        format!("{base}.more"),
        format!("{base}.more.still"),
        format!("{base}-more"),
        format!("{base}_more"),
        format!("{base}more"),
    ];
    let mut readers = Vec::new();
    for topic in &topics {
        let mut options = scene.options();
        options.topic.clone_from(topic);
        readers.push((topic, scene.read(&there, options).await?));
    }
    for (topic, reader) in &mut readers {
        let published = here.publish(topic, event(*topic));
        let (published, taken) = tokio::join!(published, reader.take("the event of the topic"));
        published?;
        expect("the event of the topic", (*topic).clone(), taken?)?;
    }
    for (_, reader) in &mut readers {
        reader.quiet().await?;
    }
    Ok(())
}
