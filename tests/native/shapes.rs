//! All four shapes, over everything that carries bytes.

use std::time::Duration;

use micro::client::ClientBuilder;
use micro::codec::Compression;
use micro::transport::Memory;
use micro::{Code, Context, Service, Streaming};

use crate::authority::Authority;
use crate::lab::{LabClient, Site, client};
use crate::soon::soon;

async fn all_shapes(lab: &LabClient) {
    let ctx = Context::new();
    let response = soon(lab.echo(&ctx, "hello".to_owned()).metadata("word", "tea").response()).await.unwrap();
    assert_eq!(response.get_ref(), "hello");
    assert_eq!((response.headers().get("head"), response.trailers().get("tail")), (Some("tea"), Some("tea")));
    assert_eq!(soon(lab.late(&ctx, "hello".to_owned()).send()).await.unwrap(), "hello");

    let error = soon(lab.refuse(&ctx, "not now".to_owned()).send()).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Aborted, "not now"));
    assert!(error.is_remote());
    assert_eq!(
        (error.details()[0].type_name(), &error.details()[0].value()[..]),
        ("lab.Why", &b"\x08\x01"[..])
    );
    assert_eq!(error.metadata().get("tail"), Some("tea"));

    for upto in [0, 1, 700] {
        let counted = soon(lab.count(&ctx, upto).send()).await.unwrap();
        assert_eq!(soon(counted.collect()).await.unwrap(), Vec::from_iter(1..=upto));
        let sum = soon(lab.sum(&ctx, Streaming::from_iter(1..=upto)).send()).await.unwrap();
        assert_eq!(sum, upto * (upto + 1) / 2);
        let doubled = soon(lab.double(&ctx, Streaming::from_iter(1..=upto)).send()).await.unwrap();
        assert_eq!(
            soon(doubled.collect()).await.unwrap(),
            Vec::from_iter((1..=upto).map(|number| 2 * number))
        );
    }

    // One after the other, each answered before the next is sent.
    let (mut numbers, asked) = Streaming::channel();
    let mut answers = soon(lab.double(&ctx, asked).send()).await.unwrap();
    for number in 1..=20 {
        soon(numbers.send(number)).await.unwrap();
        assert_eq!(soon(answers.next()).await.unwrap(), Some(2 * number));
    }
    drop(numbers);
    assert_eq!(soon(answers.next()).await.unwrap(), None);

    // The handler does not want them all.
    let endless = Streaming::from_stream(futures_util::stream::iter((7..).map(Ok)));
    assert_eq!(soon(lab.first_of(&ctx, endless).send()).await.unwrap(), 7);
}

async fn in_parallel(site: &Site, options: impl Fn(ClientBuilder) -> ClientBuilder) {
    let lab = client(site.address(), options);
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move { all_shapes(&lab).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    site.handlers(0).await;
}

#[tokio::test]
async fn over_tcp() {
    in_parallel(&Site::start().await, |client| client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn over_tcp_on_several_threads() {
    in_parallel(&Site::start().await, |client| client).await;
}

#[tokio::test]
async fn over_tls() {
    let authority = Authority::new();
    let site = Site::of(|service| service.tls(authority.server())).await;
    in_parallel(&site, |client| client.tls(authority.client())).await;
}

#[tokio::test]
async fn over_tls_with_certificates_of_clients() {
    let authority = Authority::new();
    let tls = authority.server().client_roots(authority.pem()).unwrap();
    let site = Site::of(|service| service.tls(tls)).await;
    let own = authority.issue();
    in_parallel(&site, |client| client.tls(authority.client().identity(&own.chain, &own.key).unwrap())).await;
    // Without one there is no connection.
    let stranger = client(site.address(), |client| client.tls(authority.client()));
    let error = soon(stranger.echo(&Context::new(), String::new()).send()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("TLS"), "{error}");
}

#[tokio::test]
async fn in_memory() {
    let memory = Memory::new();
    let transport = memory.clone();
    let site = Site::of(move |service: Service| service.transport(transport).address("lab")).await;
    in_parallel(&site, |client| client.transport(memory.clone())).await;
}

#[tokio::test]
async fn compressed() {
    let site = Site::of(|service| service.compress(1)).await;
    for compression in Compression::ALL {
        all_shapes(&client(site.address(), |client| client.compression(*compression))).await;
    }
    in_parallel(&site, |client| client).await;
}

#[tokio::test]
async fn a_deadline_ends_a_call_on_both_sides() {
    let site = Site::start().await;
    let (lab, ctx) = (site.client(), Context::new());
    let left =
        soon(lab.remaining(&ctx, String::new()).timeout(Duration::from_secs(50)).send()).await.unwrap();
    assert!((40_000..=50_000).contains(&left.unwrap()), "{left:?}");
    let short = Duration::from_millis(50);
    let error = soon(lab.hang(&ctx, String::new()).timeout(short).send()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains("50ms"), "{error}");
    let (_sender, numbers) = Streaming::channel();
    let error = soon(lab.stuck(&ctx, numbers).timeout(short).send()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    site.still_serves().await;
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_handler() {
    let site = Site::start().await;
    let (lab, ctx) = (site.client(), Context::new());
    let unary = tokio::spawn(lab.hang(&ctx, String::new()).send());
    let (_numbers, asked) = Streaming::channel();
    let sum = tokio::spawn(lab.sum(&ctx, asked).send());
    let (_more, asked) = Streaming::channel();
    let double = soon(lab.double(&ctx, asked).send()).await.unwrap();
    let mut texts = soon(lab.texts(&ctx, (10, 1_000_000)).send()).await.unwrap();
    soon(texts.next()).await.unwrap();
    site.handlers(4).await;
    unary.abort();
    site.handlers(3).await;
    sum.abort();
    site.handlers(2).await;
    drop(double);
    site.handlers(1).await;
    drop(texts);
    site.still_serves().await;
}

#[tokio::test]
async fn metadata_and_errors_beyond_what_the_other_side_takes() {
    let site = Site::start().await;
    let (lab, ctx) = (site.client(), Context::new());
    let call = lab.echo(&ctx, String::new()).metadata("word", "x".repeat(20_000));
    let error = soon(call.send()).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert!(error.message().contains("`max_header_size`"), "{error}");
    for sizes in [(1, 1), (1, 200_000), (200_000, 0), (5_000_000, 20_000_000)] {
        let error = soon(lab.complain(&ctx, sizes).send()).await.unwrap_err();
        assert_eq!(error.code(), Code::OutOfRange, "{sizes:?}");
        assert!(error.message().starts_with('e'), "{error}");
    }
    assert_eq!(soon(lab.echo(&ctx, "Ada".to_owned()).send()).await.unwrap(), "Ada");
}
