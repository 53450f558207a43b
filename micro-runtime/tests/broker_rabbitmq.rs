//! The RabbitMQ driver, against a RabbitMQ server.

#![cfg(feature = "rabbitmq")]

mod servers;

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lapin::options::{
    BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use micro_runtime::broker::conformance::{Faults, Fixture, Kit, Promises};
use micro_runtime::broker::{Broker, Envelope, Guarantee, RabbitMq, SubscribeOptions, Subscription};
use micro_runtime::{Code, Error, Result};
use servers::{Kind, Server};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

/// Longer than anything takes, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

fn broker(address: &str) -> RabbitMq {
    RabbitMq::new(&format!("amqp://{address}")).expect("an address")
}

fn unique(name: &str) -> String {
    format!("{name}.{}", Uuid::new_v4().simple())
}

fn number(number: usize) -> Envelope {
    Envelope::new(number.to_string()).with(Envelope::CONTENT_TYPE, "text/plain")
}

async fn next(subscription: &mut Box<dyn Subscription>) -> micro_runtime::broker::Delivery {
    timeout(PATIENCE, subscription.next()).await.expect("an event in time").expect("an event")
}

/// The body of the next event, which is acknowledged.
async fn body(subscription: &mut Box<dyn Subscription>) -> String {
    let delivery = next(subscription).await;
    let body = String::from_utf8_lossy(&delivery.envelope.body).into_owned();
    delivery.ack().await.expect("it is acknowledged");
    body
}

/// The server for the driver kit, which breaks one of its own.
#[derive(Debug)]
struct Reached {
    address: String,
    quorum: bool,
    breakable: Option<Arc<Breaks>>,
}

#[async_trait]
impl Fixture for Reached {
    async fn broker(&self) -> Result<Arc<dyn Broker>> {
        let broker = broker(&self.address);
        Ok(Arc::new(if self.quorum { broker.quorum_queues() } else { broker }))
    }

    fn promises(&self) -> Promises {
        Promises { refuses: Some(17 * 1024 * 1024), ..Promises::default() }
    }

    fn faults(&self) -> Option<Arc<dyn Faults>> {
        self.breakable.clone().map(|breakable| breakable as _)
    }
}

#[derive(Debug)]
struct Breaks(Mutex<Server>);

#[async_trait]
impl Faults for Breaks {
    async fn kill(&self) -> Result<()> {
        self.0.lock().await.kill();
        Ok(())
    }

    async fn restart(&self) -> Result<()> {
        self.0.lock().await.restart().await;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rabbitmq_broker_conforms() -> Result<()> {
    let Some(server) = Server::start(Kind::RabbitMq).await else { return Ok(()) };
    let address = server.address();
    let breakable = Some(Arc::new(Breaks(Mutex::new(server))));
    Kit::new(Reached { address, quorum: false, breakable }).run().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rabbitmq_broker_conforms_with_quorum_queues() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    Kit::new(Reached { address, quorum: true, breakable: None }).run().await
}

/// A client that is not ours.
async fn foreigner(address: &str) -> (Connection, Channel) {
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(&format!("amqp://{address}"), properties).await.expect("the server");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

#[tokio::test]
async fn each_group_gets_an_event_once_and_whoever_has_no_group_gets_it_too() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    let (here, there, topic) = (broker(&address), broker(&address), unique("greeted"));
    let of = |group: &str| SubscribeOptions::new(&topic).group(group);
    let mut a = here.subscribe(of("a")).await?;
    let mut also_a = there.subscribe(of("a")).await?;
    let mut b = there.subscribe(of("b")).await?;
    let mut alone = there.subscribe(SubscribeOptions::new(&topic)).await?;
    let mut fleeting =
        there.subscribe(SubscribeOptions::new(&topic).guarantee(Guarantee::AtMostOnce)).await?;
    let event = Envelope::new("hello").with(Envelope::ID, "1").with("Tenant", "ä");
    here.publish(&topic, event.clone()).await?;

    for subscription in [&mut b, &mut alone, &mut fleeting] {
        let delivery = next(subscription).await;
        assert_eq!((&*delivery.envelope.body, delivery.attempts_before), (&b"hello"[..], 0));
        assert_eq!(delivery.envelope.headers.get(Envelope::TOPIC), Some(&*topic));
        for (name, value) in event.headers.iter() {
            assert_eq!(delivery.envelope.headers.get(name), Some(value));
        }
        delivery.ack().await?;
    }
    let first = tokio::select! {
        first = next(&mut a) => first,
        first = next(&mut also_a) => first,
    };
    first.ack().await?;
    here.publish(&topic, Envelope::new("last")).await?;
    let second = tokio::select! {
        second = next(&mut a) => second,
        second = next(&mut also_a) => second,
    };
    assert_eq!(second.envelope.body, "last");
    second.ack().await?;
    for mut subscription in [a, also_a, b, alone, fleeting] {
        subscription.end().await?;
        assert!(subscription.next().await.is_none());
    }
    here.close().await?;
    assert_eq!(here.publish(&topic, event).await.expect_err("closed").code(), Code::FailedPrecondition);
    there.close().await
}

#[tokio::test]
async fn a_group_gets_what_came_while_it_was_away() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    let (broker, topic) = (broker(&address), unique("greeted"));
    let of = || SubscribeOptions::new(&topic).group("a");
    let mut first = broker.subscribe(of()).await?;
    broker.publish(&topic, number(1)).await?;
    // It is fetched and not seen by anybody.
    sleep(Duration::from_millis(100)).await;
    first.end().await?;
    broker.publish(&topic, number(2)).await?;
    let mut second = broker.subscribe(of()).await?;
    assert_eq!((body(&mut second).await, body(&mut second).await), ("1".to_owned(), "2".to_owned()));
    broker.close().await
}

#[tokio::test]
async fn an_event_that_is_dropped_comes_again_at_once_with_a_count_and_in_its_place() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    for quorum in [false, true] {
        let (mut broker, topic) = (broker(&address), unique("greeted"));
        if quorum {
            broker = broker.quorum_queues();
        }
        let mut subscription = broker.subscribe(SubscribeOptions::new(&topic).group("a").ordered()).await?;
        for each in 0..5 {
            broker.publish(&topic, number(each)).await?;
        }
        for each in 0..5 {
            for attempt in 0..3 {
                let delivery = next(&mut subscription).await;
                assert_eq!(delivery.envelope.body, each.to_string(), "{quorum}");
                let counted = if quorum { attempt } else { attempt.min(1) };
                assert_eq!(delivery.attempts_before, counted, "{quorum}");
                if attempt == 2 {
                    delivery.ack().await?;
                }
            }
        }
        broker.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn no_more_is_in_hand_than_was_asked_for() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let (broker, topic) = (broker(&address), unique("greeted"));
        let two = const { NonZeroUsize::new(2).unwrap() };
        let asked = SubscribeOptions::new(&topic).guarantee(guarantee).in_hand(two);
        let mut subscription = broker.subscribe(asked).await?;
        for each in 0..4 {
            broker.publish(&topic, number(each)).await?;
        }
        let (first, second) = (next(&mut subscription).await, next(&mut subscription).await);
        assert!(timeout(Duration::from_millis(200), subscription.next()).await.is_err());
        first.ack().await?;
        assert_eq!(body(&mut subscription).await, "2");
        second.ack().await?;
        assert_eq!(body(&mut subscription).await, "3");
        broker.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn dead_letters_are_kept_until_somebody_takes_them() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    let (broker, topic) = (broker(&address), unique("greeted") + ".dead-letter");
    broker.keep(&topic, number(1)).await?;
    broker.publish(&topic, number(2)).await?;
    let mut all = broker.subscribe(SubscribeOptions::new(&topic)).await?;
    assert_eq!(body(&mut all).await, "1");
    let mut grouped = broker.subscribe(SubscribeOptions::new(&topic).group("operators")).await?;
    assert_eq!(body(&mut all).await, "2");
    all.end().await?;
    broker.keep(&topic, number(3)).await?;
    assert_eq!(body(&mut grouped).await, "3");
    broker.close().await
}

#[tokio::test]
async fn a_topic_that_would_be_a_pattern_is_refused() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    let broker = broker(&address);
    for topic in ["a.*", "#", ""] {
        let error = broker.publish(topic, number(1)).await.expect_err("refused");
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        let error = broker.subscribe(SubscribeOptions::new(topic)).await.err().expect("refused");
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    }
    let huge = Envelope::new(vec![0; 17 * 1024 * 1024]);
    let error = broker.publish("a", huge).await.expect_err("refused");
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    Ok(())
}

#[tokio::test]
async fn an_event_of_many_frames_arrives_and_one_without_a_body_too() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    let (broker, topic) = (broker(&address), unique("huge"));
    let mut subscription = broker.subscribe(SubscribeOptions::new(&topic)).await?;
    let huge: Vec<u8> = (0..10_000_000_u32).map(|byte| byte as u8).collect();
    for body in [huge, Vec::new()] {
        broker.publish(&topic, Envelope::new(body.clone())).await?;
        let delivery = next(&mut subscription).await;
        assert!(delivery.envelope.body == body);
        delivery.ack().await?;
    }
    broker.close().await
}

#[tokio::test]
async fn a_member_that_asks_for_something_else_is_told_what_to_do() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    let (broker, topic) = (broker(&address), unique("greeted"));
    let asked = SubscribeOptions::new(&topic).group("a");
    let _first = broker.subscribe(asked.clone()).await?;
    let error = broker.subscribe(asked.clone().ordered()).await.err().expect("it is different");
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    for part in [&*format!("a:{topic}"), "x-single-active-consumer", "rabbitmqctl delete_queue"] {
        assert!(error.message().contains(part), "{error}");
    }
    // One that delivers at most once takes what is there.
    let mut fleeting = broker.subscribe(asked.guarantee(Guarantee::AtMostOnce)).await?;
    drop(_first);
    broker.publish(&topic, number(1)).await?;
    assert_eq!(body(&mut fleeting).await, "1");
    broker.close().await
}

#[tokio::test]
async fn a_full_queue_is_felt_by_who_publishes() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    let (broker, topic) = (broker(&address).max_length(3), unique("greeted"));
    let one = const { NonZeroUsize::new(1).unwrap() };
    let mut slow = broker.subscribe(SubscribeOptions::new(&topic).group("slow").in_hand(one)).await?;
    let mut taken = Vec::new();
    let error = loop {
        match broker.publish(&topic, number(taken.len())).await {
            Ok(()) => taken.push(taken.len().to_string()),
            Err(error) => break error,
        }
        assert!(taken.len() < 1000, "it is never full");
    };
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    assert!(error.message().contains(&topic), "{error}");
    for each in taken {
        assert_eq!(body(&mut slow).await, each);
    }
    broker.publish(&topic, number(7)).await?;
    assert_eq!(body(&mut slow).await, "7");
    broker.close().await
}

#[tokio::test]
async fn messages_of_others_are_events_and_events_are_messages_for_others() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    // As go-micro makes it.
    let (broker, topic, exchange) = (broker(&address), unique("greeted"), unique("go"));
    let (_connection, channel) = foreigner(&address).await;
    let (options, table) = (ExchangeDeclareOptions::default(), FieldTable::default());
    let declared = channel.exchange_declare((&*exchange).into(), ExchangeKind::Topic, options, table.clone());
    declared.await.expect("an exchange that does not last");
    let broker = broker.exchange(&exchange);
    let queue = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("go".into(), queue, table.clone()).await.expect("a queue");
    let bound = channel.queue_bind(
        "go".into(),
        (&*exchange).into(),
        (&*topic).into(),
        QueueBindOptions::default(),
        table,
    );
    bound.await.expect("a binding");

    let mut ours = broker.subscribe(SubscribeOptions::new(&topic).group("rust")).await?;
    let mut headers = FieldTable::default();
    headers.insert("Content-Type".into(), AMQPValue::LongString("application/json".into()));
    headers.insert("Number".into(), AMQPValue::LongLongInt(7));
    let properties = BasicProperties::default().with_headers(headers);
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish((&*exchange).into(), (&*topic).into(), options, b"{}", properties);
    sent.await.expect("it is sent");
    let delivery = next(&mut ours).await;
    assert_eq!(delivery.envelope.body, "{}");
    assert_eq!(delivery.envelope.headers.get("Content-Type"), Some("application/json"));
    assert_eq!(delivery.envelope.headers.get("Number"), Some("7"));
    assert_eq!(delivery.envelope.headers.get(Envelope::TOPIC), Some(&*topic));
    delivery.ack().await?;

    broker.publish(&topic, number(8)).await?;
    let end = Instant::now() + PATIENCE;
    // The first one is that of the foreigner itself.
    let mut theirs = Vec::new();
    while theirs.len() < 2 && Instant::now() < end {
        theirs.extend(channel.basic_get("go".into(), Default::default()).await.expect("the queue"));
    }
    assert_eq!(theirs[1].data, b"8");
    assert_eq!(
        theirs[1].properties.content_type().as_ref().map(ToString::to_string).as_deref(),
        Some("text/plain")
    );
    assert_eq!(theirs[1].properties.delivery_mode(), &Some(2));
    // A queue that is named like its group mixes the topics of the group.
    let group = unique("shared");
    let shared = broker.queue_names(|group, _| group.to_owned());
    let asked = |topic: &str| SubscribeOptions::new(topic).group(&group).guarantee(Guarantee::AtMostOnce);
    let mut one = shared.subscribe(asked(&topic)).await?;
    let _two = channel
        .queue_declare((&*group).into(), queue, FieldTable::default())
        .await
        .expect("as go-micro has it");
    shared.publish(&topic, number(9)).await?;
    assert_eq!(body(&mut one).await, "9");
    shared.close().await
}

#[tokio::test]
async fn a_queue_that_somebody_deletes_is_made_again() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    let (broker, topic) = (broker(&address), unique("greeted"));
    let mut subscription = broker.subscribe(SubscribeOptions::new(&topic).group("a")).await?;
    let (_connection, channel) = foreigner(&address).await;
    let queue = format!("a:{topic}");
    channel.queue_delete((&*queue).into(), QueueDeleteOptions::default()).await.expect("it is deleted");
    // What comes before it is there again is lost with it.
    let taken = async {
        loop {
            broker.publish(&topic, number(1)).await?;
            if let Ok(Some(delivery)) = timeout(Duration::from_millis(100), subscription.next()).await {
                return delivery.ack().await;
            }
        }
    };
    timeout(PATIENCE, taken).await.map_err(|_| Error::internal("it is never made again"))??;
    broker.close().await
}

#[tokio::test]
async fn who_is_not_let_in_is_told_so_without_the_password() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    let stranger = RabbitMq::new(&format!("amqp://ada:s3cret@{address}"))?;
    let elsewhere = RabbitMq::new(&format!("amqp://{address}/nowhere"))?;
    let unused = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let unused = unused.expect("a port").to_string();
    let nobody = RabbitMq::new(&format!("amqp://ada:s3cret@{unused}"))?;
    for (broker, code, part) in [
        (stranger, Code::Unauthenticated, "MICRO_BROKER_ADDRESS"),
        (elsewhere, Code::FailedPrecondition, "nowhere"),
        (nobody, Code::Unavailable, &*unused),
    ] {
        assert!(!format!("{broker:?}").contains("s3cret"));
        for error in [
            broker.publish("a", number(1)).await.expect_err("refused"),
            broker.keep("a.dead-letter", number(1)).await.expect_err("refused"),
            broker.subscribe(SubscribeOptions::new("a")).await.err().expect("refused"),
        ] {
            assert_eq!(error.code(), code, "{error}");
            assert!(error.message().contains(part), "{error}");
            assert!(error.was_never_processed(), "{error}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_takes_connections_and_says_nothing_is_given_up() -> Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let broker = broker(&listener.local_addr().expect("an address").to_string());
    let error =
        timeout(PATIENCE, broker.publish("a", number(1))).await.expect("an end").expect_err("no server");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.message().contains("says nothing"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_hangs_is_noticed_and_events_come_again_when_there_is_one() -> Result<()> {
    let Some(mut server) = Server::start(Kind::RabbitMq).await else { return Ok(()) };
    let (broker, topic) = (RabbitMq::new(&format!("{}?heartbeat=1", server.address()))?, unique("greeted"));
    let mut subscription = broker.subscribe(SubscribeOptions::new(&topic).group("a").ordered()).await?;
    broker.publish(&topic, number(1)).await?;
    let in_hand = next(&mut subscription).await;
    server.freeze();
    let error = timeout(PATIENCE, broker.publish(&topic, number(2))).await.expect("an end");
    assert_eq!(error.expect_err("it hangs").code(), Code::Unavailable);
    server.kill();
    server.restart().await;
    timeout(PATIENCE, publish_through(&broker, &topic, 3..4)).await.expect("an end")?;
    // The connection that it came on is gone, and nothing else comes before it.
    let early = timeout(Duration::from_secs(1), subscription.next()).await;
    assert!(early.is_err(), "one is in hand");
    in_hand.ack().await.expect_err("it comes again");
    let again = next(&mut subscription).await;
    assert_eq!((&*again.envelope.body, again.attempts_before), (&b"1"[..], 1));
    again.ack().await?;
    assert_eq!(body(&mut subscription).await, "3");
    broker.close().await
}

#[tokio::test]
async fn who_publishes_waits_while_the_server_is_short_of_memory_and_who_subscribes_goes_on() -> Result<()> {
    let Some(server) = Server::start(Kind::RabbitMq).await else { return Ok(()) };
    let (broker, topic) = (broker(&server.address()), unique("greeted"));
    let one = const { NonZeroUsize::new(1).unwrap() };
    let asked = SubscribeOptions::new(&topic).group("a").in_hand(one);
    let mut subscription = broker.subscribe(asked).await?;
    for each in 0..3 {
        broker.publish(&topic, number(each)).await?;
    }
    server.rabbitmqctl(&["set_vm_memory_high_watermark", "0"]).await;
    let waiting = tokio::spawn({
        let (broker, topic) = (broker.clone(), topic.clone());
        async move { broker.publish(&topic, number(3)).await }
    });
    for each in 0..3 {
        assert_eq!(body(&mut subscription).await, each.to_string());
    }
    assert!(!waiting.is_finished(), "it waits");
    server.rabbitmqctl(&["set_vm_memory_high_watermark", "0.6"]).await;
    assert_eq!(body(&mut subscription).await, "3");
    timeout(PATIENCE, waiting).await.expect("it ends").expect("it runs")?;
    broker.close().await
}

#[tokio::test]
async fn publishing_that_nobody_waits_for_any_more_holds_nobody_up() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    let (broker, topic) = (broker(&address), unique("greeted"));
    let mut subscription = broker.subscribe(SubscribeOptions::new(&topic)).await?;
    broker.publish(&topic, number(0)).await?;
    // More than may be on its way at once.
    for _ in 0..200 {
        let _ = timeout(Duration::ZERO, broker.publish(&topic, Envelope::new(vec![0; 1024 * 1024]))).await;
    }
    timeout(PATIENCE, broker.publish(&topic, number(1))).await.expect("there is room")?;
    assert_eq!(body(&mut subscription).await, "0");
    while body(&mut subscription).await != "1" {}
    broker.close().await
}

/// A way to the server with TLS, and the certificate that it shows.
#[cfg(feature = "tls")]
async fn way_with_tls(server: String) -> (u16, String) {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key.into())
        .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                let mut from = acceptor.accept(stream).await?;
                let mut to = tokio::net::TcpStream::connect(server).await?;
                tokio::io::copy_bidirectional(&mut from, &mut to).await
            });
        }
    });
    (port, issued.cert.pem())
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_server_is_reached_with_tls_and_must_have_a_certificate_that_is_trusted() -> Result<()> {
    let Some(address) = servers::running(Kind::RabbitMq) else { return Ok(()) };
    let (port, certificate) = way_with_tls(address).await;
    let folder = tempfile::tempdir().expect("a folder");
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, certificate).expect("it is written");
    let (broker, topic) = (RabbitMq::new(&format!("amqps://127.0.0.1:{port}"))?, unique("greeted"));
    let error = broker.publish(&topic, number(1)).await.expect_err("nobody vouches for it");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.message().contains("certificate"), "{error}");
    let trusting = broker.root_certificates(roots);
    let mut subscription = trusting.subscribe(SubscribeOptions::new(&topic)).await?;
    trusting.publish(&topic, number(1)).await?;
    assert_eq!(body(&mut subscription).await, "1");
    trusting.close().await
}

/// Publishes these events, each as often as it takes, and says how many may be there twice.
async fn publish_through(broker: &RabbitMq, topic: &str, events: Range<usize>) -> Result<usize> {
    let mut twice = 0;
    for each in events {
        loop {
            match broker.publish(topic, number(each)).await {
                Ok(()) => break,
                Err(error) if error.code() == Code::Unavailable => {
                    twice += usize::from(!error.was_never_processed());
                    sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(twice)
}

/// Takes events until all have come, and says how many came again without being marked.
async fn receive_all(mut subscription: Box<dyn Subscription>, events: usize) -> usize {
    let (mut seen, mut marked, mut unmarked) = (HashSet::new(), 0, 0);
    while seen.len() < events {
        let delivery = next(&mut subscription).await;
        if !seen.insert(delivery.envelope.body.clone()) {
            match delivery.attempts_before {
                0 => unmarked += 1,
                _ => marked += 1,
            }
        }
        // It fails where it came before the connection was lost: then it comes again.
        let _ = delivery.ack().await;
    }
    let expected = (0..events).map(|each| Bytes::from(each.to_string())).collect();
    assert!(seen == expected, "something was invented");
    println!("{marked} were delivered again");
    unmarked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_server_is_killed_in_the_middle() -> Result<()> {
    const EVENTS: usize = 10_000;
    const PUBLISHERS: usize = 8;
    let Some(mut server) = Server::start(Kind::RabbitMq).await else { return Ok(()) };
    let (broker, topic) = (broker(&server.address()), unique("greeted"));
    let grouped = broker.subscribe(SubscribeOptions::new(&topic).group("a")).await?;
    let alone = broker.subscribe(SubscribeOptions::new(&topic)).await?;
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let (broker, topic) = (broker.clone(), topic.clone());
            let events = EVENTS / PUBLISHERS * publisher..EVENTS / PUBLISHERS * (publisher + 1);
            tokio::spawn(async move { publish_through(&broker, &topic, events).await })
        })
        .collect();
    let subscribers = [grouped, alone].map(|subscription| tokio::spawn(receive_all(subscription, EVENTS)));
    sleep(Duration::from_millis(300)).await;
    server.kill();
    server.restart().await;
    let mut twice = 0;
    for publisher in publishers {
        twice += timeout(PATIENCE, publisher).await.expect("it ends").expect("it runs")?;
    }
    println!("{twice} were published again");
    for subscriber in subscribers {
        let unmarked = timeout(PATIENCE, subscriber).await.expect("all arrive").expect("they are complete");
        assert!(
            unmarked <= twice,
            "{unmarked} came again and were not marked, and {twice} were published again"
        );
    }
    timeout(PATIENCE, broker.close()).await.expect("it ends")
}
