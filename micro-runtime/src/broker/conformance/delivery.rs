//! What becomes of a delivery: it is acknowledged, dropped, or lost with its process.

use std::num::NonZeroUsize;
use std::thread;

use tokio::time::{sleep, timeout};

use super::Scenario;
use super::reader::id;
use super::scene::{Scene, event, events, expect};
use super::tally::Tally;
use crate::broker::{Broker, Guarantee};
use crate::error::{Code, Error, Result};

pub(super) const SCENARIOS: &[Scenario] = &[
    ("a delivery that is dropped comes again and says so", |scene| Box::pin(dropped(scene))),
    ("a delivery that is dropped outside of a runtime comes again", |scene| Box::pin(dropped_outside(scene))),
    ("a delivery that is dropped by one member can be taken by another", |scene| Box::pin(passed_on(scene))),
    ("of a delivery that is refused the publisher hears, or it comes again", |scene| {
        Box::pin(unhandled(scene))
    }),
    ("a delivery that takes long stays with who has it", |scene| Box::pin(extended(scene))),
    ("what was acknowledged is not delivered again", |scene| Box::pin(acknowledged(scene))),
    ("a delivery of a process that is lost goes to another member", |scene| Box::pin(lost(scene))),
    ("no more events are in hand than were asked for", |scene| Box::pin(in_hand(scene))),
    ("an event that is at most once is not delivered again", |scene| Box::pin(at_most_once(scene))),
    ("what a broker cannot give is refused", |scene| Box::pin(refused(scene))),
];

async fn dropped(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    for options in [scene.options(), scene.grouped("audit")] {
        let mut reader = scene.read(&there, options).await?;
        let publishing = scene.publish(&here, [event(1)]);
        let first = reader.next("the event").await?;
        expect("the attempts before the first one", 0, first.attempts_before)?;
        drop(first);
        for round in 1..=3 {
            let again = reader.next("the event that was dropped").await?;
            expect("the event", "1".to_owned(), id(&again))?;
            expect("its body", &b"body of 1"[..], &again.envelope.body)?;
            if !(1..=round).contains(&again.attempts_before) {
                return Err(Error::internal(format!(
                    "delivery {} of an event says that there were {} before",
                    round + 1,
                    again.attempts_before
                )));
            }
            if round < 3 {
                drop(again);
            } else {
                again.ack().await?;
            }
        }
        publishing.done().await?;
        reader.quiet().await?;
    }
    Ok(())
}

async fn dropped_outside(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    let broker = scene.broker().await?;
    let mut reader = scene.read(&broker, scene.grouped("audit")).await?;
    let publishing = scene.publish(&broker, [event(1)]);
    let first = reader.next("the event").await?;
    thread::spawn(move || drop(first)).join().map_err(|_| Error::internal("dropping a delivery panicked"))?;
    expect("the event", "1".to_owned(), reader.take("the event that was dropped").await?)?;
    publishing.done().await
}

async fn passed_on(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let tally = Tally::new();
    // One member gives everything back, and still everything is done.
    let _failing = scene.read(&here, scene.grouped("audit")).await?.collect_if(&[], |_| false);
    let _taking = scene.read(&there, scene.grouped("audit")).await?.collect(&tally);
    let publishing = scene.publish_in_lanes(&here, 4, events(20));
    tally.until(20, scene.promises.loss).await?;
    publishing.done().await?;
    tally.complete(20)
}

async fn unhandled(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut reader = scene.read(&there, scene.grouped("audit")).await?;
    let (broker, topic) = (here.clone(), scene.topic.clone());
    let mut publishing = tokio::spawn(async move { broker.publish(&topic, event(1)).await });
    let first = reader.next("the event").await?;
    first.refuse(&Error::internal("it cannot be handled, and not be kept either")).await;
    let mut published = None;
    loop {
        tokio::select! {
            end = &mut publishing, if published.is_none() => {
                let end = end.map_err(|error| Error::internal(error.to_string()))?;
                if end.is_err() {
                    return Ok(());
                }
                published = Some(());
            }
            again = reader.next_within(scene.promises.loss, "the event that was refused") => {
                let again = again?;
                expect("the event", "1".to_owned(), id(&again))?;
                again.ack().await?;
                break;
            }
        }
    }
    if published.is_none() {
        let end = timeout(scene.promises.arrival, publishing).await;
        let end = end.map_err(|_| Error::internal("publishing does not end"))?;
        end.map_err(|error| Error::internal(error.to_string()))??;
    }
    reader.quiet().await
}

async fn extended(scene: &Scene) -> Result<()> {
    let Some(holds) = scene.promises.holds.filter(|_| scene.abilities.at_least_once) else { return Ok(()) };
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut reader = scene.read(&there, scene.grouped("audit")).await?;
    let publishing = scene.publish(&here, [event(1)]);
    let delivery = reader.next("the event").await?;
    let mut other = scene.read(&here, scene.grouped("audit")).await?;
    for _ in 0..10 {
        sleep(holds / 5).await;
        delivery.extend().await;
        other.quiet().await?;
    }
    delivery.ack().await?;
    publishing.done().await?;
    reader.quiet().await?;
    other.quiet().await
}

async fn acknowledged(scene: &Scene) -> Result<()> {
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let mut reader = scene.read(&there, scene.grouped("audit")).await?;
    let publishing = scene.publish(&here, events(10));
    reader.take_numbers(10).await?;
    publishing.done().await?;
    drop(reader);
    // Neither to another member, nor to one of another process.
    for broker in [&there, &here] {
        scene.read(broker, scene.grouped("audit")).await?.quiet().await?;
    }
    Ok(())
}

async fn lost(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    let process = scene.process()?;
    let holding = process.hold(scene.grouped("audit").in_hand(few(2)), 2).await?;
    let here = scene.broker().await?;
    let publishing = scene.publish_in_lanes(&here, 2, events(2));
    expect("how many events the process has", 2, holding.ids().await?.len())?;
    let tally = Tally::new();
    let _other = scene.read(&here, scene.grouped("audit")).await?.collect(&tally);
    process.kill().await?;
    tally.until(2, scene.promises.loss).await?;
    publishing.done().await?;
    tally.complete(2)
}

async fn in_hand(scene: &Scene) -> Result<()> {
    if !scene.abilities.at_least_once {
        return Ok(());
    }
    let broker = scene.broker().await?;
    let mut reader = scene.read(&broker, scene.grouped("audit").in_hand(few(3))).await?;
    let publishing = scene.publish_in_lanes(&broker, 8, events(8));
    let mut hand = Vec::new();
    for number in 1..=3 {
        hand.push(reader.next(&format!("event {number}")).await?);
    }
    reader.quiet().await?;
    let mut taken = 0;
    while let Some(delivery) = hand.pop() {
        delivery.ack().await?;
        taken += 1;
        if taken + hand.len() < 8 {
            hand.push(reader.next("an event in place of one that was acknowledged").await?);
        }
    }
    expect("the events that came", 8, taken)?;
    publishing.done().await
}

async fn at_most_once(scene: &Scene) -> Result<()> {
    let (here, there) = (scene.broker().await?, scene.broker().await?);
    let tally = Tally::new();
    let options = scene.grouped("audit").guarantee(Guarantee::AtMostOnce);
    let dropped = tally.clone();
    let _failing = scene.read(&there, options.clone()).await?.collect_if(&[], move |delivery| {
        dropped.add(delivery);
        false
    });
    let _taking = scene.read(&here, options).await?.collect(&tally);
    scene.publish_in_lanes(&here, 4, events(50)).done().await?;
    tally.until(50, scene.promises.arrival).await?;
    // Nothing that was given back comes again, to neither of the two.
    sleep(scene.promises.quiet).await;
    tally.complete(50)?;
    tally.once()
}

async fn refused(scene: &Scene) -> Result<()> {
    let broker = scene.broker().await?;
    let asked = [
        (
            "delivery at least once",
            scene.abilities.at_least_once,
            scene.options().guarantee(Guarantee::AtLeastOnce),
        ),
        ("order by key", scene.abilities.ordered, scene.grouped("audit").ordered()),
    ];
    for (what, able, options) in asked {
        match broker.subscribe(options).await {
            Ok(_) if able => {}
            Ok(_) => return Err(Error::internal(format!("{what} was promised, and cannot be given"))),
            Err(error) if able => return Err(error.context(what)),
            Err(error) => expect(what, Code::FailedPrecondition, error.code())?,
        }
    }
    Ok(())
}

fn few(deliveries: usize) -> NonZeroUsize {
    NonZeroUsize::new(deliveries).unwrap_or(NonZeroUsize::MIN)
}
