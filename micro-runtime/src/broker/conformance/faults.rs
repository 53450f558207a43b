//! What every broker has to do when its server is broken.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;

use super::Scenario;
use super::scene::{Scene, event, events, expect};
use super::tally::Tally;
use crate::broker::Broker;
use crate::error::{Code, Error, Result};

/// Breaks the server of a broker, and mends it. The test of a driver has one for a server of its own.
#[async_trait]
pub trait Faults: fmt::Debug + Send + Sync + 'static {
    /// Ends the server as a crash does, with `kill -9`.
    async fn kill(&self) -> Result<()>;

    /// Starts the server that was killed again, at the same address and with the data that it had on its disk, and
    /// returns when it serves.
    async fn restart(&self) -> Result<()>;
}

pub(super) const SCENARIOS: &[Scenario] = &[
    ("a subscription goes on when the server was away", |scene| Box::pin(goes_on(scene))),
    ("many events go through a restart of the server, and none is lost", |scene| Box::pin(stream(scene))),
    ("what was published before the server was killed is there after it", |scene| Box::pin(durable(scene))),
    ("publishing while the server is away fails in time or arrives", |scene| Box::pin(away(scene))),
];

/// How long a publisher waits without a server that does not answer.
const FAILS_WITHIN: Duration = Duration::from_secs(30);

async fn goes_on(scene: &Scene) -> Result<()> {
    let Some(faults) = scene.fixture.faults() else { return Ok(()) };
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let (group, alone) = (Tally::new(), Tally::new());
    let _collectors = [
        scene.read(&there, scene.grouped("audit")).await?.collect(&group),
        scene.read(&there, scene.options()).await?.collect(&alone),
    ];
    scene.publish(&here, [event(0)]).done().await?;
    for tally in [&group, &alone] {
        tally.until(1, scene.promises.arrival).await?;
    }
    faults.kill().await?;
    faults.restart().await?;
    // Where delivery is at most once, what is published before it has subscribed again is not for it.
    let mut number = 1;
    let both = async {
        while group.len() < 2 || alone.len() < 2 {
            scene.publish_stubbornly(&here, 1, [event(number)]).done().await?;
            number += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    let recovery = scene.promises.recovery;
    let late = Error::internal(format!("no event came in {recovery:?} after the server was back"));
    timeout(recovery, both).await.unwrap_or(Err(late))
}

async fn stream(scene: &Scene) -> Result<()> {
    let Some(faults) = scene.faults_of_a_durable_one() else { return Ok(()) };
    const EVENTS: usize = 2000;
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let (group, alone) = (Tally::new(), Tally::new());
    let _collectors = [
        scene.read(&here, scene.grouped("audit")).await?.collect(&group),
        scene.read(&there, scene.grouped("audit")).await?.collect(&group),
        scene.read(&there, scene.options()).await?.collect(&alone),
    ];
    let before = scene.publish_stubbornly(&here, 16, events(EVENTS / 2));
    group.until(EVENTS / 4, scene.promises.arrival).await?;
    // Some of these are on their way when the server is killed, whatever became of the others.
    let meanwhile = scene.publish_stubbornly(&here, 16, (EVENTS / 2..EVENTS).map(event));
    group.until(EVENTS / 2, scene.promises.arrival).await?;
    faults.kill().await?;
    faults.restart().await?;
    before.done().await?;
    meanwhile.done().await?;
    for tally in [group, alone] {
        tally.until(EVENTS, scene.promises.recovery).await?;
        tally.complete(EVENTS)?;
    }
    Ok(())
}

async fn durable(scene: &Scene) -> Result<()> {
    let Some(faults) = scene.faults_of_a_durable_one() else { return Ok(()) };
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut reader = scene.read(&there, scene.grouped("audit")).await?;
    reader.end().await?;
    drop(reader);
    scene.publish(&here, events(20)).done().await?;
    if scene.abilities.keeps {
        here.keep(&scene.dead_letters(), event(0)).await?;
    }
    faults.kill().await?;
    faults.restart().await?;
    // Another process, which never saw the server before.
    let late = scene.broker().await?;
    let tally = Tally::new();
    let _reading = scene.read(&late, scene.grouped("audit")).await?.collect(&tally);
    tally.until(20, scene.promises.recovery).await?;
    tally.complete(20)?;
    if scene.abilities.keeps {
        let mut reader = scene.read_dead_letters(&late, None).await?;
        expect("the dead letter", "0".to_owned(), reader.take("the dead letter").await?)?;
    }
    Ok(())
}

async fn away(scene: &Scene) -> Result<()> {
    let Some(faults) = scene.fixture.faults() else { return Ok(()) };
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let tally = Tally::new();
    let _reading = scene.read(&there, scene.grouped("audit")).await?.collect(&tally);
    scene.publish(&here, [event(0)]).done().await?;
    tally.until(1, scene.promises.arrival).await?;
    faults.kill().await?;
    let (topic, broker) = (scene.topic.clone(), here.clone());
    let mut publishing = tokio::spawn(async move { broker.publish(&topic, event(1)).await });
    let ended = timeout(FAILS_WITHIN, &mut publishing).await;
    faults.restart().await?;
    let ended = match ended {
        Ok(ended) => ended,
        // It waits for the server.
        Err(_) => match timeout(scene.promises.recovery, publishing).await {
            Ok(ended) => ended,
            Err(_) => return Err(Error::internal("publishing still waits when the server is back")),
        },
    };
    match ended.map_err(|error| Error::internal(error.to_string()))? {
        Ok(()) if scene.abilities.at_least_once => tally.until(2, scene.promises.recovery).await,
        Ok(()) => Ok(()),
        Err(error) => expect("the error without a server", Code::Unavailable, error.code()),
    }
}

impl Scene {
    fn faults_of_a_durable_one(&self) -> Option<Arc<dyn Faults>> {
        self.fixture.faults().filter(|_| self.abilities.at_least_once && self.abilities.durable)
    }
}
