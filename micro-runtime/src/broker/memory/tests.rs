use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use tokio::time::timeout;

use super::Memory;
use crate::broker::conformance::{Fixture, Kit, Promises};
use crate::broker::{Broker, Delivery, Envelope, Guarantee, SubscribeOptions, Subscription, is_dead_letter};
use crate::error::{Code, Result};

#[derive(Debug)]
struct InMemory(Memory);

#[async_trait::async_trait]
impl Fixture for InMemory {
    async fn broker(&self) -> Result<Arc<dyn Broker>> {
        Ok(Arc::new(self.0.clone()))
    }

    fn promises(&self) -> Promises {
        Promises { quiet: Duration::from_millis(100), refuses: Some(5 * 1024 * 1024), ..Promises::default() }
    }
}

#[tokio::test]
async fn the_broker_in_memory_conforms() -> Result<()> {
    Kit::new(InMemory(Memory::new())).run().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_in_memory_conforms_on_several_threads_and_with_little_room() -> Result<()> {
    let memory = Memory::new().capacity(16);
    // A group that nobody reads has no more room than this.
    for scenario in ["burst", "slow", "many", "stops waiting", "one key", "lost", "dropped", "dead letter"] {
        Kit::new(InMemory(memory.clone())).only(scenario).run().await?;
    }
    Ok(())
}

fn named(name: impl ToString) -> Envelope {
    Envelope::new(name.to_string())
}

fn keyed(key: &str, name: &str) -> Envelope {
    named(name).with(Envelope::CE_KEY, key)
}

fn name(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.envelope.body).into_owned()
}

async fn next(subscription: &mut Box<dyn Subscription>) -> Delivery {
    timeout(Duration::from_secs(5), subscription.next()).await.expect("an event comes").expect("it goes on")
}

/// What is there at once.
fn now(subscription: &mut Box<dyn Subscription>) -> Option<Delivery> {
    subscription.next().now_or_never().flatten()
}

fn audit() -> SubscribeOptions {
    SubscribeOptions::new("greeted").group("audit")
}

#[tokio::test]
async fn a_publisher_waits_for_room_and_goes_on_when_there_is_some() -> Result<()> {
    let broker = Memory::new().capacity(2);
    let mut greeted = broker.subscribe(audit()).await?;
    for number in 0..2 {
        broker.publish("greeted", named(number)).await?;
    }
    let mut third = broker.publish("greeted", named(2));
    assert!((&mut third).now_or_never().is_none());
    let delivery = next(&mut greeted).await;
    timeout(Duration::from_secs(5), third).await.expect("there is room")?;
    delivery.ack().await?;
    assert_eq!((name(&next(&mut greeted).await), name(&next(&mut greeted).await)), ("1".into(), "2".into()));
    Ok(())
}

#[tokio::test]
async fn who_stops_waiting_for_room_has_published_to_nobody() -> Result<()> {
    let broker = Memory::new().capacity(1);
    let mut slow = broker.subscribe(audit()).await?;
    broker.publish("greeted", named("first")).await?;
    let mut quick = broker.subscribe(SubscribeOptions::new("greeted")).await?;
    assert!(broker.publish("greeted", named("given up")).now_or_never().is_none());
    assert!(now(&mut quick).is_none());
    next(&mut slow).await.ack().await?;
    assert!(now(&mut slow).is_none());
    broker.publish("greeted", named("second")).await?;
    assert_eq!(name(&next(&mut quick).await), "second");
    Ok(())
}

#[tokio::test]
async fn a_publisher_that_gives_up_passes_its_turn_on() -> Result<()> {
    let broker = Memory::new().capacity(1);
    let mut slow = broker.subscribe(audit()).await?;
    broker.publish("greeted", named(0)).await?;
    let mut first = broker.publish("greeted", named(1));
    let mut second = broker.publish("greeted", named(2));
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    let _held = next(&mut slow).await;
    // The first one was told that there is room, and is not there any more.
    drop(first);
    timeout(Duration::from_secs(5), second).await.expect("there is room")
}

#[tokio::test]
async fn a_full_group_without_members_fails_publishers_until_it_is_forgotten() -> Result<()> {
    let broker = Memory::new().capacity(2);
    let member = broker.subscribe(audit()).await?;
    broker.publish("greeted", named(0)).await?;
    broker.publish("greeted", named(1)).await?;
    let mut waiting = broker.publish("greeted", named(2));
    assert!((&mut waiting).now_or_never().is_none());
    assert!(!broker.forget_group("greeted", "audit"), "it has a member");
    drop(member);
    let error = timeout(Duration::from_secs(5), waiting).await.expect("it ends").unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(error.message().contains("`audit`") && error.message().contains("forget_group"), "{error}");
    assert!(broker.forget_group("greeted", "audit"));
    assert!(!broker.forget_group("greeted", "audit"));
    broker.publish("greeted", named(3)).await?;
    assert!(now(&mut broker.subscribe(audit()).await?).is_none());
    Ok(())
}

#[tokio::test]
async fn a_full_subscription_that_is_at_most_once_drops_the_newest_and_counts_it() -> Result<()> {
    let broker = Memory::new().capacity(2);
    let mut reader = broker.subscribe(audit().guarantee(Guarantee::AtMostOnce)).await?;
    for number in 0..5 {
        broker.publish("greeted", named(number)).await?;
    }
    assert_eq!(broker.dropped(), 3);
    drop(next(&mut reader).await);
    assert_eq!(name(&next(&mut reader).await), "1");
    assert!(now(&mut reader).is_none());
    Ok(())
}

#[tokio::test]
async fn members_take_turns() -> Result<()> {
    let broker = Memory::new();
    let mut first = broker.subscribe(audit()).await?;
    let mut second = broker.subscribe(audit()).await?;
    let mut seen = Vec::new();
    for round in 0..3 {
        let (mut one, mut other) = (first.next(), second.next());
        // Both wait, the first one for longer.
        assert!((&mut one).now_or_never().is_none());
        assert!((&mut other).now_or_never().is_none());
        broker.publish("greeted", named(format!("{round} a"))).await?;
        broker.publish("greeted", named(format!("{round} b"))).await?;
        for reader in [one, other] {
            let delivery = reader.await.expect("it goes on");
            seen.push(name(&delivery));
            delivery.ack().await?;
        }
    }
    assert_eq!(seen, ["0 a", "0 b", "1 a", "1 b", "2 a", "2 b"]);
    Ok(())
}

#[tokio::test]
async fn what_is_dropped_comes_first_and_to_another_member_that_waits() -> Result<()> {
    let broker = Memory::new();
    let mut first = broker.subscribe(audit()).await?;
    for number in 0..3 {
        broker.publish("greeted", named(number)).await?;
    }
    let delivery = next(&mut first).await;
    let mut second = broker.subscribe(audit().in_hand(NonZeroUsize::MIN)).await?;
    let taken = next(&mut second).await;
    assert_eq!((name(&delivery), name(&taken)), ("0".into(), "1".into()));
    taken.ack().await?;
    next(&mut second).await.ack().await?;
    let mut wait_first = first.next();
    let mut wait_second = second.next();
    assert!((&mut wait_first).now_or_never().is_none());
    assert!((&mut wait_second).now_or_never().is_none());
    drop(delivery);
    assert!((&mut wait_first).now_or_never().is_none());
    let again = wait_second.await.expect("it goes on");
    assert_eq!((name(&again), again.attempts_before), ("0".into(), 1));
    Ok(())
}

#[tokio::test]
async fn events_of_other_keys_and_without_one_go_on_while_one_is_in_hand() -> Result<()> {
    let broker = Memory::new();
    let mut reader = broker.subscribe(audit().ordered()).await?;
    for event in [keyed("a", "a1"), keyed("a", "a2"), keyed("b", "b1"), named("c"), named("d")] {
        broker.publish("greeted", event).await?;
    }
    let first = next(&mut reader).await;
    for wanted in ["b1", "c", "d"] {
        assert_eq!(name(&next(&mut reader).await), wanted);
        // Dropping it here brings it back, so it is asked for once more.
        next(&mut reader).await.ack().await?;
    }
    assert!(now(&mut reader).is_none());
    drop(first);
    for wanted in ["a1", "a2"] {
        let delivery = next(&mut reader).await;
        assert_eq!(name(&delivery), wanted);
        delivery.ack().await?;
    }
    Ok(())
}

#[tokio::test]
async fn of_a_dead_letter_topic_a_thousand_events_are_kept() -> Result<()> {
    let broker = Memory::new();
    assert!(is_dead_letter("greeted.dead-letter"));
    for topic in ["greeted.dead-letter", "greeted"] {
        for number in 0..1000 {
            broker.keep(topic, named(number)).await?;
        }
        let error = broker.keep(topic, named("more")).await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
        let mut reader = broker.subscribe(SubscribeOptions::new(topic)).await?;
        for number in 0..1000 {
            let delivery = next(&mut reader).await;
            assert_eq!(name(&delivery), number.to_string());
            delivery.ack().await?;
        }
        assert!(now(&mut reader).is_none());
    }
    Ok(())
}

#[tokio::test]
async fn members_that_ask_for_different_things_are_refused() -> Result<()> {
    let broker = Memory::new();
    let member = broker.subscribe(audit()).await?;
    for other in [audit().ordered(), audit().guarantee(Guarantee::AtMostOnce)] {
        let error = broker.subscribe(other).await.err().expect("it is refused");
        assert_eq!(error.code(), Code::FailedPrecondition);
        assert!(error.message().contains("`audit`"), "{error}");
    }
    drop(member);
    broker.subscribe(audit().ordered()).await?;
    Ok(())
}

#[tokio::test]
async fn a_clone_that_is_closed_takes_nothing_more() -> Result<()> {
    let (open, closed) = (Memory::new(), Memory::new());
    let clone = open.clone();
    drop(closed);
    let mut reader = clone.subscribe(audit()).await?;
    let held = {
        open.publish("greeted", named(0)).await?;
        next(&mut reader).await
    };
    clone.close().await?;
    assert!(reader.next().await.is_none());
    assert_eq!(clone.publish("greeted", named(1)).await.unwrap_err().code(), Code::FailedPrecondition);
    assert!(clone.subscribe(audit()).await.is_err());
    held.ack().await?;
    open.publish("greeted", named(2)).await?;
    assert_eq!(name(&next(&mut open.subscribe(audit()).await?).await), "2");
    Ok(())
}

#[tokio::test]
async fn nothing_is_left_behind_by_subscriptions_that_are_over() -> Result<()> {
    let broker = Memory::new();
    for number in 0..10 {
        let topic = format!("topic {number}");
        let mut reader = broker.subscribe(SubscribeOptions::new(&topic)).await?;
        let _other = broker.subscribe(audit().guarantee(Guarantee::AtMostOnce)).await?;
        broker.publish(&topic, named(number)).await?;
        let held = next(&mut reader).await;
        drop(reader);
        drop(held);
    }
    assert!(broker.shared.lock().is_empty());
    Ok(())
}

/// What happens to a broker, to try it out.
#[derive(Clone, Debug)]
enum Step {
    Publish(Option<u8>),
    Join,
    Leave(usize),
    Take(usize),
    Ack(usize),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::option::of(0..3u8).prop_map(Step::Publish),
        1 => Just(Step::Join),
        1 => any::<usize>().prop_map(Step::Leave),
        4 => any::<usize>().prop_map(Step::Take),
        3 => any::<usize>().prop_map(Step::Ack),
        1 => any::<usize>().prop_map(Step::Drop),
    ]
}

proptest! {
    /// Whatever members do: what was published is acknowledged once, and events of one key in their order.
    #[test]
    fn whatever_members_do_nothing_is_lost(steps in proptest::collection::vec(step(), 1..120)) {
        let broker = Memory::new().capacity(8);
        let options = || audit().ordered().in_hand(NonZeroUsize::new(3).unwrap());
        let join = || broker.subscribe(options()).now_or_never().unwrap().unwrap();
        let (mut members, mut held) = (vec![join()], Vec::<Delivery>::new());
        let (mut published, mut done) = (Vec::new(), Vec::new());
        let mut handle = |delivery: Delivery| {
            let key = delivery.envelope.key().map(str::to_owned);
            done.push((key, name(&delivery)));
            delivery.ack().now_or_never().unwrap().unwrap();
        };
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Publish(key) => {
                    let key = key.map(|key| key.to_string());
                    let mut event = named(number);
                    if let Some(key) = &key {
                        event.headers.set(Envelope::CE_KEY, key);
                    }
                    if let Some(Ok(())) = broker.publish("greeted", event).now_or_never() {
                        published.push((key, number.to_string()));
                    }
                }
                Step::Join => members.push(join()),
                Step::Leave(which) if !members.is_empty() => {
                    drop(members.remove(which % members.len()));
                }
                Step::Take(which) if !members.is_empty() => {
                    let which = which % members.len();
                    held.extend(now(&mut members[which]));
                }
                Step::Ack(which) if !held.is_empty() => handle(held.remove(which % held.len())),
                Step::Drop(which) if !held.is_empty() => drop(held.remove(which % held.len())),
                _ => {}
            }
            let mut keys: Vec<_> = held.iter().filter_map(|delivery| delivery.envelope.key()).collect();
            keys.sort_unstable();
            prop_assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "one of each key: {keys:?}");
        }
        held.clear();
        members.push(join());
        for mut member in members.into_iter().rev() {
            while let Some(delivery) = now(&mut member) {
                handle(delivery);
            }
        }
        let of = |all: &[(Option<String>, String)], wanted: Option<&str>| {
            let of = all.iter().filter(|(key, _)| key.as_deref() == wanted);
            of.map(|(_, name)| name.clone()).collect::<Vec<_>>()
        };
        for key in ["0", "1", "2"] {
            prop_assert_eq!(of(&published, Some(key)), of(&done, Some(key)));
        }
        let (mut all, mut seen) = (of(&published, None), of(&done, None));
        all.sort();
        seen.sort();
        prop_assert_eq!(all, seen);
    }
}
