//! The order in which events come.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::Scenario;
use super::reader::Reader;
use super::scene::{Scene, events, expect, ids, keyed};
use super::tally::Tally;
use crate::error::{Error, Result};

pub(super) const SCENARIOS: &[Scenario] = &[
    ("events come to one reader in the order in which they were published", |scene| {
        Box::pin(as_published(scene))
    }),
    ("events of one key come in order and one at a time, whichever member has them", |scene| {
        Box::pin(by_key(scene))
    }),
    ("events of one key wait for one whose process is lost", |scene| Box::pin(lost(scene))),
];

async fn as_published(scene: &Scene) -> Result<()> {
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut reader = scene.read(&there, scene.options().in_hand(NonZeroUsize::MIN)).await?;
    let publishing = scene.publish(&here, events(200));
    expect("the order of the events", ids(200), reader.take_all(200).await?)?;
    publishing.done().await
}

/// Both members fail now and then, and work for a moment each time.
async fn by_key(scene: &Scene) -> Result<()> {
    if !(scene.abilities.ordered && scene.abilities.at_least_once) {
        return Ok(());
    }
    const KEYS: usize = 5;
    const EVENTS: usize = 30;
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let (tally, at_work) = (Tally::new(), AtWork::default());
    let mut members = Vec::new();
    for (broker, in_hand) in [(&here, 1), (&there, 8)] {
        let in_hand = NonZeroUsize::new(in_hand).unwrap_or(NonZeroUsize::MIN);
        let options = scene.grouped("audit").ordered().in_hand(in_hand);
        let reader = scene.read(broker, options).await?;
        members.push(tokio::spawn(work(reader, tally.clone(), at_work.clone())));
    }
    let all = (0..KEYS * EVENTS).map(|number| keyed(format!("key {}", number % KEYS), number));
    let publishing = scene.publish(&here, all);
    let arrived = tally.until(KEYS * EVENTS, scene.promises.loss).await;
    members.iter().for_each(|member| member.abort());
    arrived?;
    publishing.done().await?;
    if let Some(key) = at_work.broken() {
        return Err(Error::internal(format!("two events of {key} were in hand at the same time")));
    }
    for key in 0..KEYS {
        let name = format!("key {key}");
        let wanted: Vec<_> = (0..EVENTS).map(|number| (number * KEYS + key).to_string()).collect();
        expect(&format!("the order of {name}"), wanted, tally.of_key(&name))?;
    }
    Ok(())
}

/// The keys that are in somebody's hand, and one that was twice.
#[derive(Clone, Default)]
struct AtWork(Arc<Mutex<(HashSet<String>, Option<String>)>>);

impl AtWork {
    fn begin(&self, key: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.0.insert(key.to_owned()) {
            state.1 = Some(key.to_owned());
        }
    }

    fn end(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.remove(key);
    }

    fn broken(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// Takes the events that are in hand together to their ends.
async fn work(mut reader: Reader, tally: Tally, at_work: AtWork) {
    let mut number = 0;
    while let Some(delivery) = reader.any().await {
        number += 1;
        // One of seven is given back.
        let (fails, tally, at_work) = (number % 7 == 0, tally.clone(), at_work.clone());
        tokio::spawn(async move {
            let key = delivery.envelope.key().unwrap_or_default().to_owned();
            at_work.begin(&key);
            sleep(Duration::from_millis(1)).await;
            at_work.end(&key);
            if !fails {
                tally.add(&delivery);
                let _ = delivery.ack().await;
            }
        });
    }
}

async fn lost(scene: &Scene) -> Result<()> {
    if !(scene.abilities.ordered && scene.abilities.at_least_once) {
        return Ok(());
    }
    let process = scene.process()?;
    let holding = process.hold(scene.grouped("audit").ordered(), 1).await?;
    let here = scene.broker().await?;
    let publishing = scene.publish(&here, (0..5).map(|number| keyed("key", number)));
    expect("what the process has", vec!["0".to_owned()], holding.ids().await?)?;
    let mut reader = scene.read(&here, scene.grouped("audit").ordered()).await?;
    reader.quiet().await?;
    process.kill().await?;
    let first = reader.next_within(scene.promises.loss, "the event of the process that is lost").await?;
    let mut order = vec![super::reader::id(&first)];
    first.ack().await?;
    order.extend(reader.take_all(4).await?);
    expect("the order of the events", ids(5), order)?;
    publishing.done().await
}
