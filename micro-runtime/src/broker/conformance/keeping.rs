//! Dead letters: events that are kept until somebody takes them.

use super::Scenario;
use super::reader::Reader;
use super::scene::{Scene, event, expect};
use super::tally::Tally;
use crate::broker::{Broker, DEAD_LETTER, SubscribeOptions};
use crate::error::{Code, Error, Result};

pub(super) const SCENARIOS: &[Scenario] = &[
    ("a dead letter is kept until somebody subscribes", |scene| Box::pin(kept(scene))),
    ("all who subscribe to dead letters share them, whatever their groups", |scene| Box::pin(shared(scene))),
    ("a dead letter that is dropped comes again", |scene| Box::pin(dropped(scene))),
    ("a dead letter arrives where somebody subscribes", |scene| Box::pin(arrives(scene))),
    ("a broker that keeps nothing says so", |scene| Box::pin(refused(scene))),
];

async fn kept(scene: &Scene) -> Result<()> {
    if !scene.keeps() {
        return Ok(());
    }
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    for number in 0..5 {
        here.keep(&scene.dead_letters(), event(number)).await?;
    }
    here.close().await?;
    let mut reader = scene.read_dead_letters(&there, Some("repair")).await?;
    reader.take_numbers(5).await?;
    drop(reader);
    // They are taken, for others as well.
    let here = scene.broker().await?;
    scene.read_dead_letters(&here, None).await?.quiet().await?;
    scene.read_dead_letters(&here, Some("other")).await?.quiet().await
}

async fn shared(scene: &Scene) -> Result<()> {
    if !scene.keeps() {
        return Ok(());
    }
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    here.keep(&scene.dead_letters(), event(0)).await?;
    let tally = Tally::new();
    let mut collectors = Vec::new();
    for (broker, group) in [(&here, None), (&there, Some("repair")), (&there, Some("other"))] {
        collectors.push(scene.read_dead_letters(broker, group).await?.collect(&tally));
    }
    for number in 1..30 {
        here.keep(&scene.dead_letters(), event(number)).await?;
    }
    tally.until(30, scene.promises.arrival).await?;
    // Time for those that come once too often.
    tokio::time::sleep(scene.promises.quiet).await;
    tally.complete(30)?;
    tally.once()
}

async fn dropped(scene: &Scene) -> Result<()> {
    if !scene.keeps() {
        return Ok(());
    }
    let broker = scene.broker().await?;
    broker.keep(&scene.dead_letters(), event(0)).await?;
    let mut reader = scene.read_dead_letters(&broker, None).await?;
    drop(reader.next("a dead letter").await?);
    drop(reader.next("the dead letter that was dropped").await?);
    drop(reader);
    let mut reader = scene.read_dead_letters(&broker, Some("repair")).await?;
    expect("the dead letter", "0".to_owned(), reader.take("the dead letter that was left").await?)
}

async fn arrives(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut reader = scene.read_dead_letters(&there, Some("repair")).await?;
    let topic = scene.dead_letters();
    let (kept, taken) = tokio::join!(here.keep(&topic, event(7)), reader.take("a dead letter"));
    kept?;
    expect("the dead letter", "7".to_owned(), taken?)
}

async fn refused(scene: &Scene) -> Result<()> {
    if scene.abilities.keeps {
        return Ok(());
    }
    match scene.broker().await?.keep(&scene.dead_letters(), event(0)).await {
        Ok(()) => Err(Error::internal("it was to be kept, nobody has it, and that was no error")),
        Err(error) => expect("the refusal", Code::FailedPrecondition, error.code()),
    }
}

impl Scene {
    fn keeps(&self) -> bool {
        self.abilities.keeps && self.abilities.at_least_once
    }

    pub(super) fn dead_letters(&self) -> String {
        format!("{}{DEAD_LETTER}", self.topic)
    }

    pub(super) async fn read_dead_letters(
        &self,
        broker: &std::sync::Arc<dyn Broker>,
        group: Option<&str>,
    ) -> Result<Reader> {
        let mut options = SubscribeOptions::new(self.dead_letters());
        options.group = group.map(str::to_owned);
        self.read(broker, options).await
    }
}
