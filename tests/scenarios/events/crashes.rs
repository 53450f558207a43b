//! `kill -9` in the middle of ten thousand events, of whoever has to do with them.

use super::driver::Driver;
use super::ledger::Account;
use super::program::{EVENTS, PUBLISHER, SUBSCRIBER};
use super::stage::Stage;
use crate::process::Process;
use crate::report::Outcome;

/// After so many events somebody is killed, and after so many comes back.
const KILLED: u64 = 3_000;
const BACK: u64 = 4_000;

/// One of two subscribers of a group, while it has events in hand.
pub(crate) async fn of_a_subscriber(driver: Driver) -> Outcome {
    let stage = match driver.running() {
        Ok(address) => Stage::new("subscriber-dies", driver, address),
        Err(skipped) => return skipped,
    };
    let mut first = stage.start(SUBSCRIBER).await;
    let second = stage.start(SUBSCRIBER).await;
    let mut publisher = stage.start(PUBLISHER).await;
    reaches(&mut publisher, KILLED).await;
    let killed = first.id();
    first.kill().await;
    reaches(&mut publisher, BACK).await;
    let third = stage.start(SUBSCRIBER).await;
    let successor = third.id();
    let failed = publisher.says("done").await;
    let (text, account) = verdict(&stage, [second, third], failed).await;
    announced(&account);
    let [killed, successor] =
        [killed, successor].map(|process| account.by.get(&process).copied().unwrap_or_default());
    assert!(killed > 0, "the one that was killed had done nothing");
    Outcome::Ours(format!("{text}; {killed} by the one that is killed, {successor} by its successor"))
}

/// The publisher, while events are on their way. Another one goes on with what this one did not see taken.
pub(crate) async fn of_the_publisher(driver: Driver) -> Outcome {
    let stage = match driver.running() {
        Ok(address) => Stage::new("publisher-dies", driver, address),
        Err(skipped) => return skipped,
    };
    let subscribers = [stage.start(SUBSCRIBER).await, stage.start(SUBSCRIBER).await];
    let mut publisher = stage.start(PUBLISHER).await;
    reaches(&mut publisher, KILLED).await;
    publisher.kill().await;
    stage.settles().await;
    let lost = stage.account().lost();
    assert_eq!(lost, 0, "events that were taken before the publisher was killed are not handled");
    let mut publisher = stage.start(PUBLISHER).await;
    let failed = publisher.says("done").await;
    let (text, account) = verdict(&stage, subscribers, failed).await;
    announced(&account);
    Outcome::Ours(text)
}

/// The server, which comes back with its data. It may have forgotten which events it had delivered, NATS what it did in
/// the last moments: then a redelivery is not marked as one.
pub(crate) async fn of_the_server(driver: Driver) -> Outcome {
    let mut server = match driver.server().await {
        Ok(server) => server,
        Err(skipped) => return skipped,
    };
    let stage = Stage::new("server-dies", driver, Some(server.address()));
    let subscribers = [stage.start(SUBSCRIBER).await, stage.start(SUBSCRIBER).await];
    let mut publisher = stage.start(PUBLISHER).await;
    reaches(&mut publisher, KILLED).await;
    server.kill();
    server.restart().await;
    let failed = publisher.says("done").await;
    Outcome::Ours(verdict(&stage, subscribers, failed).await.0)
}

/// Waits until so many events were taken.
async fn reaches(publisher: &mut Process, events: u64) {
    while publisher.says("taken").await < events {}
}

/// Waits until all were handled, lets the subscribers stop, and looks at what they have done.
async fn verdict(stage: &Stage, subscribers: [Process; 2], failed: u64) -> (String, Account) {
    stage.settles().await;
    for mut subscriber in subscribers {
        subscriber.tell("stop").await;
        assert_eq!(subscriber.says("left").await, 0, "a subscriber that stops finishes what is in hand");
        assert!(subscriber.ends().await, "and ends well");
    }
    let account = stage.account();
    let handled = account.handled.len() as u64;
    assert_eq!(account.lost(), 0, "events were taken and never handled, of {handled}");
    assert_eq!(account.taken.len() as u64, EVENTS, "the publisher did not get rid of all");
    assert_eq!(account.invented(), 0, "events were handled that nobody published");
    let mut text =
        format!("{handled} of {EVENTS} handled, {} again, {} marked so", account.again(), account.marked());
    let twice = account.begun.values().filter(|times| **times > 1).count();
    if twice > 0 {
        text += &format!("; {twice} were published again");
    }
    if failed > 0 {
        text += ", after errors";
    }
    (text, account)
}

/// Who delivers an event again says so. One that was published twice is two events.
fn announced(account: &Account) {
    let again = account.again();
    assert_eq!(account.unannounced(), 0, "of {again} that were handled again, so many were said to be new");
}
