use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt as _, poll};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::wire::{self, SERVICE};
use super::*;
use crate::broker::conformance::{Fixture, Kit, Promises};
use crate::broker::{Delivery, Guarantee};
use crate::error::Code;
use crate::registry::{Memory, Registration};

#[derive(Debug)]
struct OverMemory(Memory);

#[async_trait]
impl Fixture for OverMemory {
    async fn broker(&self) -> Result<Arc<dyn Broker>> {
        Ok(Arc::new(Http::new(self.0.clone())))
    }

    fn promises(&self) -> Promises {
        let largest = Settings::default().largest_event.get();
        // The registry tells other publishers of a subscription, which takes a moment on a machine that has much to do.
        let notice = Duration::from_millis(50);
        Promises { notice, carries: largest, refuses: Some(largest + 1), ..Promises::default() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_over_http_conforms() -> Result<()> {
    Kit::new(OverMemory(Memory::new())).run().await
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn at(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("in time")
}

async fn pull(subscription: &mut Box<dyn Subscription>) -> Delivery {
    soon(subscription.next()).await.expect("an event")
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.envelope.body.to_vec()).unwrap()
}

/// Waits until a broker knows so many subscriptions.
async fn knows(broker: &Http, subscriptions: usize) {
    let view = broker.0.targets.ready().await.unwrap();
    soon(view.until(|nodes| nodes.len() == subscriptions)).await;
}

/// The registrations there are.
async fn registered(registry: &Memory) -> Vec<Registration> {
    let all = registry.services().await.unwrap();
    all.into_iter().filter(|service| service.name == SERVICE).flat_map(Registration::from_record).collect()
}

/// A subscriber that runs apart, and can be killed with all that it has.
struct Victim {
    runtime: Option<tokio::runtime::Runtime>,
    /// Says what comes, and does nothing about it.
    got: mpsc::UnboundedReceiver<String>,
}

impl Victim {
    async fn subscribe(registry: &Memory, options: SubscribeOptions) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (tell, mut got) = mpsc::unbounded_channel();
        let broker = Http::new(registry.clone());
        runtime.spawn(async move {
            let mut subscription = broker.subscribe(options).await.unwrap();
            tell.send(String::new()).unwrap();
            let mut held = Vec::new();
            while let Some(delivery) = subscription.next().await {
                tell.send(text(&delivery)).unwrap();
                held.push(delivery);
            }
        });
        soon(got.recv()).await.unwrap();
        Self { runtime: Some(runtime), got }
    }

    fn kill(mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[tokio::test]
async fn every_group_and_everybody_without_one_gets_each_event_once() -> Result<()> {
    let registry = Memory::new();
    let (here, there, publisher) =
        (Http::new(registry.clone()), Http::new(registry.clone()), Http::new(registry.clone()));
    let (tell, mut got) = mpsc::unbounded_channel();
    for (who, broker, group) in [
        ("all-1", &here, None),
        ("all-2", &there, None),
        ("audit", &here, Some("audit")),
        ("audit", &there, Some("audit")),
        ("audit", &there, Some("audit")),
        ("mail", &there, Some("mail")),
    ] {
        let options = SubscribeOptions::new("greeted").group(group.unwrap_or_default());
        let (mut subscription, tell) = (broker.subscribe(options).await?, tell.clone());
        tokio::spawn(async move {
            while let Some(delivery) = subscription.next().await {
                tell.send((who, text(&delivery))).unwrap();
                delivery.ack().await.unwrap();
            }
        });
    }
    here.subscribe(SubscribeOptions::new("other")).await?;
    knows(&publisher, 6).await;
    let published = (0..100).map(|n| {
        let publisher = publisher.clone();
        async move {
            publisher.publish("greeted", Envelope::new(n.to_string()).with(Envelope::ID, n.to_string())).await
        }
    });
    soon(join_all(published)).await.into_iter().collect::<Result<Vec<_>>>()?;
    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    while let Ok(got) = got.try_recv() {
        *counts.entry(got).or_default() += 1;
    }
    assert_eq!(counts.len(), 400);
    assert!(counts.values().all(|times| *times == 1), "{counts:?}");
    Ok(())
}

#[tokio::test]
async fn publishing_waits_until_the_event_is_acknowledged_and_carries_its_headers() -> Result<()> {
    let broker = Http::new(Memory::new());
    let mut subscription = broker.subscribe(SubscribeOptions::new("a")).await?;
    let envelope =
        Envelope::new("x").with(Envelope::CE_ID, "1").with(Envelope::CONTENT_TYPE, "application/json");
    let mut publishing = broker.publish("a", envelope.clone());
    let delivery = tokio::select! {
        published = &mut publishing => panic!("{published:?}"),
        delivery = pull(&mut subscription) => delivery,
    };
    assert_eq!(delivery.envelope, envelope.with(Envelope::TOPIC, "a"));
    assert_eq!(delivery.attempts_before, 0);
    assert!(poll!(&mut publishing).is_pending());
    delivery.ack().await?;
    soon(publishing).await
}

#[tokio::test]
async fn no_more_is_in_hand_than_was_asked_for() -> Result<()> {
    let broker = Http::new(Memory::new());
    let mut subscription = broker.subscribe(SubscribeOptions::new("a").in_hand(at(2))).await?;
    let publisher = broker.clone();
    let published =
        tokio::spawn(
            async move { join_all((0..5).map(|_| publisher.publish("a", Envelope::new("x")))).await },
        );
    let (first, _second) = (pull(&mut subscription).await, pull(&mut subscription).await);
    assert!(timeout(Duration::from_millis(50), subscription.next()).await.is_err());
    first.ack().await?;
    pull(&mut subscription).await.ack().await?;
    drop(_second);
    for _ in 0..3 {
        pull(&mut subscription).await.ack().await?;
    }
    assert!(soon(published).await.unwrap().into_iter().all(|published| published.is_ok()));
    Ok(())
}

#[tokio::test]
async fn what_is_given_back_goes_to_another_member_and_says_that_there_was_an_attempt() -> Result<()> {
    let broker = Http::new(Memory::new());
    let options = SubscribeOptions::new("a").group("g");
    let mut members = [broker.subscribe(options.clone()).await?, broker.subscribe(options).await?];
    let publisher = broker.clone();
    let published = tokio::spawn(async move { publisher.publish("a", Envelope::new("x")).await });
    let [one, other] = &mut members;
    let (first, is_one) = tokio::select! {
        delivery = pull(one) => (delivery, true),
        delivery = pull(other) => (delivery, false),
    };
    drop(first);
    let again = pull(if is_one { other } else { one }).await;
    assert_eq!(again.attempts_before, 1);
    drop(again);
    let third = tokio::select! {
        delivery = pull(one) => delivery,
        delivery = pull(other) => delivery,
    };
    assert_eq!(third.attempts_before, 2);
    third.ack().await?;
    soon(published).await.unwrap()
}

#[tokio::test]
async fn the_only_member_gets_back_what_it_gave_back() -> Result<()> {
    for group in ["", "g"] {
        let broker = Http::new(Memory::new());
        let mut only = broker.subscribe(SubscribeOptions::new("a").group(group)).await?;
        let publisher = broker.clone();
        let published = tokio::spawn(async move { publisher.publish("a", Envelope::new("x")).await });
        for attempts in 0..4 {
            let delivery = pull(&mut only).await;
            assert_eq!(delivery.attempts_before, attempts);
            if attempts == 3 {
                delivery.ack().await?;
            }
        }
        soon(published).await.unwrap()?;
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_event_is_an_error_where_it_was_published_and_others_get_it_all_the_same() -> Result<()> {
    let broker = Http::new(Memory::new());
    let mut refusing = broker.subscribe(SubscribeOptions::new("a").group("strict")).await?;
    let mut taking = broker.subscribe(SubscribeOptions::new("a")).await?;
    let publisher = broker.clone();
    let published = tokio::spawn(async move { publisher.publish("a", Envelope::new("x")).await });
    pull(&mut refusing).await.refuse(&Error::invalid_argument("no such currency")).await;
    pull(&mut taking).await.ack().await?;
    let error = soon(published).await.unwrap().expect_err("refused");
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("`strict`") && error.message().contains("no such currency"), "{error}");
    Ok(())
}

#[tokio::test]
async fn what_a_killed_member_had_goes_to_another_one() -> Result<()> {
    let registry = Memory::new();
    let options = SubscribeOptions::new("a").group("g");
    let mut victim = Victim::subscribe(&registry, options.clone()).await;
    let broker = Http::new(registry);
    let publisher = broker.clone();
    let published = tokio::spawn(async move { publisher.publish("a", Envelope::new("x")).await });
    assert_eq!(soon(victim.got.recv()).await.as_deref(), Some("x"));
    let mut other = broker.subscribe(options).await?;
    victim.kill();
    let again = pull(&mut other).await;
    assert_eq!((text(&again).as_str(), again.attempts_before), ("x", 1));
    again.ack().await?;
    soon(published).await.unwrap()?;
    // The killed one is in the registry for a while, and disturbs nobody.
    let publisher = broker.clone();
    let published = tokio::spawn(async move { publisher.publish("a", Envelope::new("y")).await });
    let delivery = pull(&mut other).await;
    assert_eq!(delivery.attempts_before, 0);
    delivery.ack().await?;
    soon(published).await.unwrap()
}

#[tokio::test]
async fn a_group_that_was_killed_gets_its_events_when_it_is_back_and_else_their_publisher_is_told()
-> Result<()> {
    let registry = Memory::new();
    let options = SubscribeOptions::new("a").group("g");
    let mut victim = Victim::subscribe(&registry, options.clone()).await;
    let broker = Http::new(registry.clone()).patience(PATIENCE);
    let hasty = Http::new(registry.clone()).patience(Duration::from_millis(300));
    let publisher = broker.clone();
    let published = tokio::spawn(async move { publisher.publish("a", Envelope::new("x")).await });
    soon(victim.got.recv()).await.unwrap();
    victim.kill();
    let error = soon(hasty.publish("a", Envelope::new("y"))).await.expect_err("nobody is there");
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("`g`") && error.message().contains("300ms"), "{error}");

    // The registry forgets it, and it is expected all the same.
    for gone in registered(&registry).await {
        registry.deregister(&gone).await?;
    }
    knows(&hasty, 0).await;
    let error = soon(hasty.publish("a", Envelope::new("z"))).await.expect_err("nobody is there");
    assert_eq!(error.code(), Code::Unavailable);

    let mut back = broker.subscribe(options).await?;
    let again = pull(&mut back).await;
    assert_eq!((text(&again).as_str(), again.attempts_before), ("x", 1));
    again.ack().await?;
    soon(published).await.unwrap()
}

#[tokio::test]
async fn a_killed_subscriber_without_a_group_is_over_after_a_moment() -> Result<()> {
    let registry = Memory::new();
    let victim = Victim::subscribe(&registry, SubscribeOptions::new("a")).await;
    let broker = Http::new(registry);
    knows(&broker, 1).await;
    victim.kill();
    soon(broker.publish("a", Envelope::new("x"))).await?;
    // By now that is known.
    soon(broker.publish("a", Envelope::new("y"))).await
}

#[tokio::test]
async fn a_subscription_that_ended_gets_nothing_and_holds_nobody_up() -> Result<()> {
    let registry = Memory::new();
    for group in ["", "g"] {
        let (broker, publisher) = (Http::new(registry.clone()), Http::new(registry.clone()));
        let mut subscription = broker.subscribe(SubscribeOptions::new("a").group(group)).await?;
        knows(&publisher, 1).await;
        let ended = registered(&registry).await;
        subscription.end().await?;
        assert!(subscription.next().await.is_none());
        // Publishers that do not know it yet are told.
        registry.register(&ended[0], Duration::ZERO).await?;
        knows(&publisher, 1).await;
        // There may be another one that the registry does not know yet, for a moment.
        soon(publisher.publish("a", Envelope::new("x"))).await?;
        timeout(Duration::from_secs(1), publisher.publish("a", Envelope::new("y")))
            .await
            .expect("at once")?;
        registry.deregister(&ended[0]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_waits_where_a_subscription_ends_goes_to_others_and_what_is_in_hand_is_acknowledged()
-> Result<()> {
    let broker = Http::new(Memory::new());
    let options = SubscribeOptions::new("a").group("g").in_hand(at(1));
    let mut ending = broker.subscribe(options.clone()).await?;
    let publisher = broker.clone();
    let published = tokio::spawn(async move {
        join_all((0..3).map(|n| publisher.publish("a", Envelope::new(n.to_string())))).await
    });
    let in_hand = pull(&mut ending).await;
    let mut other = broker.subscribe(options).await?;
    soon(ending.end()).await?;
    for _ in 0..2 {
        let delivery = pull(&mut other).await;
        assert_eq!(delivery.attempts_before, 0);
        delivery.ack().await?;
    }
    drop(ending);
    in_hand.ack().await?;
    assert!(soon(published).await.unwrap().into_iter().all(|published| published.is_ok()));
    Ok(())
}

#[tokio::test]
async fn an_event_whose_publisher_gave_up_is_not_delivered_where_it_still_waits() -> Result<()> {
    let broker = Http::new(Memory::new());
    let mut subscription = broker.subscribe(SubscribeOptions::new("a").in_hand(at(1))).await?;
    let publisher = broker.clone();
    let first = tokio::spawn(async move { publisher.publish("a", Envelope::new("first")).await });
    let in_hand = pull(&mut subscription).await;
    let given_up = timeout(Duration::from_millis(100), broker.publish("a", Envelope::new("second"))).await;
    assert!(given_up.is_err());
    in_hand.ack().await?;
    soon(first).await.unwrap()?;
    let publisher = broker.clone();
    let third = tokio::spawn(async move { publisher.publish("a", Envelope::new("third")).await });
    let delivery = pull(&mut subscription).await;
    assert_eq!(text(&delivery), "third");
    delivery.ack().await?;
    soon(third).await.unwrap()
}

#[tokio::test]
async fn publishers_come_again_where_there_is_no_room() -> Result<()> {
    let broker = Http::new(Memory::new()).waiting(at(1));
    let mut subscription = broker.subscribe(SubscribeOptions::new("a").in_hand(at(1))).await?;
    let publisher = broker.clone();
    let published = tokio::spawn(async move {
        join_all((0..20).map(|n| publisher.publish("a", Envelope::new(n.to_string())))).await
    });
    for _ in 0..20 {
        let delivery = pull(&mut subscription).await;
        assert_eq!(delivery.attempts_before, 0);
        delivery.ack().await?;
    }
    assert!(soon(published).await.unwrap().into_iter().all(|published| published.is_ok()));
    Ok(())
}

#[tokio::test]
async fn at_most_once_nobody_waits_and_what_finds_no_room_is_counted() -> Result<()> {
    let registry = Memory::new();
    let (broker, publisher) = (Http::new(registry.clone()).waiting(at(3)), Http::new(registry));
    let options = SubscribeOptions::new("a").guarantee(Guarantee::AtMostOnce);
    let mut subscription = broker.subscribe(options).await?;
    for n in 0..5 {
        soon(publisher.publish("a", Envelope::new(n.to_string()))).await?;
    }
    assert_eq!((broker.dropped(), publisher.dropped()), (2, 2));
    for n in 0..3 {
        let delivery = pull(&mut subscription).await;
        assert_eq!(text(&delivery), n.to_string());
        // Dropping it is fine as well.
    }
    assert!(timeout(Duration::from_millis(20), subscription.next()).await.is_err());
    Ok(())
}

#[tokio::test]
async fn events_of_a_key_come_one_after_the_other_whichever_member_has_it() -> Result<()> {
    let registry = Memory::new();
    let publisher = Http::new(registry.clone());
    let (tell, mut got) = mpsc::unbounded_channel();
    for _ in 0..3 {
        let broker = Http::new(registry.clone());
        let options = SubscribeOptions::new("a").group("g").ordered();
        let (mut subscription, tell) = (broker.subscribe(options).await?, tell.clone());
        tokio::spawn(async move {
            while let Some(delivery) = subscription.next().await {
                let tell = tell.clone();
                tokio::spawn(async move {
                    let key = delivery.envelope.key().unwrap().to_owned();
                    tell.send((key.clone(), format!("begin {}", text(&delivery)))).unwrap();
                    tokio::task::yield_now().await;
                    tell.send((key, format!("end {}", text(&delivery)))).unwrap();
                    delivery.ack().await.unwrap();
                });
            }
        });
    }
    knows(&publisher, 3).await;
    let all = (0..60).map(|n| {
        let envelope = Envelope::new(n.to_string()).with(Envelope::CE_KEY, (n % 4).to_string());
        publisher.publish("a", envelope)
    });
    soon(join_all(all)).await.into_iter().collect::<Result<Vec<_>>>()?;
    let mut by_key: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Ok((key, what)) = got.try_recv() {
        by_key.entry(key).or_default().push(what);
    }
    for (key, seen) in by_key {
        let wanted: Vec<_> = (0..60)
            .filter(|n| (n % 4).to_string() == key)
            .flat_map(|n| [format!("begin {n}"), format!("end {n}")])
            .collect();
        assert_eq!(seen, wanted);
    }
    Ok(())
}

#[tokio::test]
async fn dead_letters_are_one_queue_and_need_somebody_who_takes_them() -> Result<()> {
    let broker = Http::new(Memory::new());
    let error = broker.keep("a.dead-letter", Envelope::new("x")).await.expect_err("nobody is there");
    assert_eq!(error.code(), Code::FailedPrecondition);
    let mut one = broker.subscribe(SubscribeOptions::new("a.dead-letter")).await?;
    let mut other = broker.subscribe(SubscribeOptions::new("a.dead-letter").group("x")).await?;
    let publisher = broker.clone();
    let kept = tokio::spawn(async move { publisher.keep("a.dead-letter", Envelope::new("x")).await });
    let delivery = tokio::select! {
        delivery = pull(&mut one) => delivery,
        delivery = pull(&mut other) => delivery,
    };
    delivery.ack().await?;
    soon(kept).await.unwrap()?;
    for nobody in [&mut one, &mut other] {
        assert!(nobody.next().now_or_never().is_none());
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_carried_is_refused_with_the_reason() -> Result<()> {
    let broker = Http::new(Memory::new()).largest_event(at(1000));
    for (topic, envelope, reason) in [
        ("a\nb", Envelope::new("x"), "control character"),
        ("a", Envelope::new(vec![0; 1001]), "1001 bytes"),
        ("a", Envelope::new("x").with("big", "x".repeat(64 << 10)), "65539 bytes"),
    ] {
        let error = broker.publish(topic, envelope).await.expect_err(reason);
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains(reason), "{error}");
    }
    let error = broker.subscribe(SubscribeOptions::new("a").group("a b")).await.err().expect("refused");
    assert_eq!(error.code(), Code::InvalidArgument);
    broker.publish("a", Envelope::new("nobody subscribes")).await
}

#[tokio::test]
async fn a_closed_broker_ends_its_subscriptions_and_takes_nothing() -> Result<()> {
    let registry = Memory::new();
    let broker = Http::new(registry.clone());
    let mut subscription = broker.subscribe(SubscribeOptions::new("a")).await?;
    soon(broker.close()).await?;
    assert!(subscription.next().await.is_none());
    assert!(registered(&registry).await.is_empty());
    let error = broker.publish("a", Envelope::new("x")).await.expect_err("closed");
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(broker.subscribe(SubscribeOptions::new("a")).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_dropped_subscription_leaves_the_registry() -> Result<()> {
    let registry = Memory::new();
    let (broker, other) = (Http::new(registry.clone()), Http::new(registry.clone()));
    let subscription = broker.subscribe(SubscribeOptions::new("a")).await?;
    knows(&other, 1).await;
    drop(subscription);
    knows(&other, 0).await;
    Ok(())
}

#[tokio::test]
async fn whoever_else_has_the_port_by_now_has_not_taken_the_event() -> Result<()> {
    let registry = Memory::new();
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = stranger.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = stranger.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await.unwrap();
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    });
    let options = SubscribeOptions::new("a").group("g");
    registry.register(&wire::registration(&options, address)?, Duration::ZERO).await?;
    let broker = Http::new(registry).patience(Duration::from_millis(200));
    let error = soon(broker.publish("a", Envelope::new("x"))).await.expect_err("nobody took it");
    assert_eq!(error.code(), Code::Unavailable);
    Ok(())
}

/// What a listener answers to a request, as it is on the wire.
async fn ask(address: &str, request: String) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(socket.read_to_string(&mut answer)).await.unwrap();
    answer
}

fn post(id: &str, header: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /?id={id} HTTP/1.1\r\nhost: x\r\n{header}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

const EVENT: &str = r#"{"Header":{"Micro-Topic":"a","Content-Type":"application/json"},"Body":"eA=="}"#;

#[tokio::test]
async fn bad_requests_are_answered_as_go_micro_answers_them() -> Result<()> {
    let registry = Memory::new();
    let broker = Http::new(registry.clone()).largest_event(at(1000));
    let mut subscription = broker.subscribe(SubscribeOptions::new("a").group("g")).await?;
    let known = registered(&registry).await.remove(0).node;
    let (address, id) = (known.address.as_str(), known.id.as_str());
    let ours = "micro-broker: 1\r\n";
    for (request, status, says) in [
        ("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(), 405, "Method not allowed"),
        (post(id, "", "{"), 500, "Error parsing request body"),
        (post(id, "", r#"{"Header":null}"#), 500, "Topic not found"),
        (post(id, "", &format!(r#"{{"Body":"{}"}}"#, "A".repeat(1500))), 413, "1000 bytes"),
        (post(id, "", &"x".repeat(1 << 20)), 413, "1000 bytes"),
        (post("a-unknown", "", EVENT), 200, ""),
        (post("a-unknown", ours, EVENT), 404, ""),
        (post(id, ours, &EVENT.replace("\"a\"", "\"b\"")), 404, ""),
        (
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
                .to_owned(),
            200,
            "",
        ),
        ("rubbish\r\n\r\n".to_owned(), 400, ""),
    ] {
        let answer = ask(address, request.clone()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains(says), "{answer}");
        assert!(says.is_empty() || answer.contains(r#""id":"go.micro.broker""#), "{answer}");
    }
    subscription.end().await?;
    assert!(ask(address, post(id, ours, EVENT)).await.starts_with("HTTP/1.1 410 "));
    Ok(())
}

#[tokio::test]
async fn what_a_program_of_go_micro_sends_once_is_delivered_until_it_is_acknowledged() -> Result<()> {
    let registry = Memory::new();
    let broker = Http::new(registry.clone()).waiting(at(1));
    let mut subscription = broker.subscribe(SubscribeOptions::new("a").group("g").in_hand(at(1))).await?;
    let known = registered(&registry).await.remove(0).node;
    let of = |n: usize| {
        let (address, request) = (known.address.clone(), post(&known.id, "", EVENT));
        tokio::spawn(async move { (n, ask(&address, request).await) })
    };
    let mut asked: Vec<_> = (0..5).map(of).collect();
    for _ in 0..4 {
        assert_eq!(pull(&mut subscription).await.attempts_before, 0);
        let again = pull(&mut subscription).await;
        assert_eq!(again.attempts_before, 1);
        again.ack().await?;
    }
    pull(&mut subscription).await.refuse(&Error::invalid_argument("no such currency")).await;
    let answers = join_all(asked.drain(..)).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().1).collect();
    assert_eq!(answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 200 ")).count(), 4);
    assert!(answers.iter().any(|answer| answer.contains("no such currency")), "{answers:?}");
    Ok(())
}

#[tokio::test]
async fn five_hundred_at_once_all_arrive() -> Result<()> {
    let registry = Memory::new();
    let publisher = Http::new(registry.clone());
    let (tell, mut got) = mpsc::unbounded_channel();
    for _ in 0..2 {
        let options = SubscribeOptions::new("a").group("g");
        let (mut subscription, tell) = (Http::new(registry.clone()).subscribe(options).await?, tell.clone());
        tokio::spawn(async move {
            while let Some(delivery) = subscription.next().await {
                // One in ten fails once.
                if delivery.attempts_before == 0 && text(&delivery).ends_with('7') {
                    continue;
                }
                tell.send(text(&delivery).parse::<usize>().unwrap()).unwrap();
                delivery.ack().await.unwrap();
            }
        });
    }
    knows(&publisher, 2).await;
    let all = (0..500).map(|n| publisher.publish("a", Envelope::new(n.to_string())));
    soon(join_all(all)).await.into_iter().collect::<Result<Vec<_>>>()?;
    let mut seen: Vec<_> = std::iter::from_fn(|| got.try_recv().ok()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..500).collect::<Vec<_>>());
    Ok(())
}
