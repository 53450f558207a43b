//! The connections of an HTTP/1.1 client.

use micro::client::{ClientBuilder, HttpVersion};
use micro::server::Limits;
use micro::transport::{Listener, Memory, Transport as _};
use micro::{Code, Context, Result, Streaming};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

use crate::lab::{LabClient, Site, client, echoes};
use crate::raw::{Raw, answer, request};
use crate::soon::soon;
use crate::watched::Watched;

fn http1(watched: &Watched) -> impl FnOnce(ClientBuilder) -> ClientBuilder {
    let transport = watched.clone();
    |client| client.http_version(HttpVersion::Http1).transport(transport)
}

async fn echo(lab: &LabClient) -> Result<String> {
    soon(lab.echo(&Context::new(), "x".to_owned()).send()).await
}

#[tokio::test]
async fn calls_at_the_same_time_have_a_connection_each_and_leave_them_to_later_calls() {
    let site = Site::start().await;
    let watched = Watched::new();
    let lab = site.client(http1(&watched));
    let (head, tail) = (Context::new(), Context::new());
    let (mut one, mut other) = (
        soon(lab.count(&head, 1000).send()).await.unwrap(),
        soon(lab.count(&tail, 1000).send()).await.unwrap(),
    );
    assert_eq!(watched.opened(), 2);
    assert_eq!((one.next().await.unwrap(), other.next().await.unwrap()), (Some(1), Some(1)));
    assert_eq!(soon(one.collect()).await.unwrap().len(), 999);
    assert_eq!(soon(other.collect()).await.unwrap().len(), 999);
    let together = (0..2).map(|_| echoes(&lab));
    futures_util::future::join_all(together).await;
    for _ in 0..10 {
        echoes(&lab).await;
    }
    assert_eq!(watched.opened(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_one_after_the_other_share_a_connection() {
    let site = Site::start().await;
    let watched = Watched::new();
    let lab = site.client(http1(&watched));
    for _ in 0..500 {
        echoes(&lab).await;
    }
    assert_eq!(watched.opened(), 1);
}

#[tokio::test]
async fn an_idle_connection_that_the_server_closed_is_replaced() {
    let site = Site::with(Limits::new().idle_timeout(Duration::from_millis(20))).await;
    let watched = Watched::new();
    let lab = site.client(http1(&watched));
    echoes(&lab).await;
    watched.ended_by_server(1).await;
    echoes(&lab).await;
    assert_eq!(watched.opened(), 2);
}

#[tokio::test]
async fn a_call_that_meets_the_end_of_an_idle_connection_goes_out_on_a_new_one() {
    let memory = Memory::new();
    let mut server = memory.listen("raw").await.unwrap();
    let watched = Watched::over(memory);
    let lab = client("raw", http1(&watched));
    let serve = async |server: &mut Box<dyn Listener>| {
        let (mut stream, _) = soon(server.accept()).await.unwrap();
        request(&mut stream).await;
        answer(&mut stream, "").await;
        stream
    };
    let (first, answered) = tokio::join!(serve(&mut server), echo(&lab));
    answered.unwrap();
    // All is in one thread and in memory: the client's side of the connection has had no chance to
    // run when the next call takes it.
    drop(first);
    assert_eq!(watched.seen_ended_by_server(), 0);
    let (answered, _second) = tokio::join!(echo(&lab), serve(&mut server));
    assert_eq!(answered.unwrap(), "x");
    assert_eq!(watched.opened(), 2);
}

#[tokio::test]
async fn a_request_that_was_sent_is_not_sent_again() {
    let (server, address) = Raw::listen().await;
    let watched = Watched::new();
    let lab = client(&address, http1(&watched));
    let served = async {
        let mut stream = server.accept().await;
        request(&mut stream).await;
        answer(&mut stream, "").await;
        request(&mut stream).await;
    };
    let calls = async {
        echo(&lab).await.unwrap();
        echo(&lab).await.unwrap_err()
    };
    let ((), error) = tokio::join!(served, calls);
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(!error.was_never_processed(), "it may have been processed: {error}");
    assert_eq!(watched.opened(), 1);
}

#[tokio::test]
async fn an_answer_that_closes_its_connection_does_so() {
    let (server, address) = Raw::listen().await;
    let watched = Watched::new();
    let lab = client(&address, http1(&watched));
    let served = async {
        for _ in 0..2 {
            let mut stream = server.accept().await;
            request(&mut stream).await;
            answer(&mut stream, "connection: close\r\n").await;
            assert_eq!(soon(stream.read(&mut [0])).await.unwrap(), 0);
        }
    };
    let calls = async {
        for number in 1..=2 {
            echo(&lab).await.unwrap();
            watched.closed(number).await;
        }
    };
    tokio::join!(served, calls);
}

#[tokio::test]
async fn an_answer_that_is_not_read_on_ends_its_connection_and_its_handler() {
    let site = Site::start().await;
    let watched = Watched::new();
    let lab = site.client(http1(&watched));
    let mut numbers = soon(lab.trickle(&Context::new(), 7).send()).await.unwrap();
    assert_eq!(soon(numbers.next()).await.unwrap(), Some(7));
    drop(numbers);
    watched.closed(1).await;
    soon(site.lab.dropped.notified()).await;
    echoes(&lab).await;
}

#[tokio::test]
async fn a_call_that_is_given_up_ends_its_connection_and_its_handler() {
    let site = Site::start().await;
    let watched = Watched::new();
    let lab = site.client(http1(&watched));
    let hanging = tokio::spawn(lab.hang(&Context::new(), String::new()).send());
    soon(site.lab.begun.notified()).await;
    hanging.abort();
    watched.closed(1).await;
    soon(site.lab.dropped.notified()).await;
    echoes(&lab).await;
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_an_answer() {
    let site = Site::start().await;
    let lab = site.client(http1(&Watched::new()));
    let (mut sender, endless) = Streaming::channel();
    let first = tokio::spawn(lab.first_of(&Context::new(), endless).send());
    sender.send(3).await.unwrap();
    assert_eq!(soon(first).await.unwrap().unwrap(), 3);
    drop(sender);
    echoes(&lab).await;
}

#[tokio::test]
async fn of_the_attempts_to_connect_that_were_given_up_one_goes_on() {
    // It accepts nothing, so connections are made by the system, and the TLS handshake hangs.
    let (server, address) = Raw::listen().await;
    let authority = crate::authority::Authority::new();
    let watched = Watched::new();
    let options = http1(&watched);
    let lab = client(&address, |client| options(client.tls(authority.client())));
    for number in 1..=3 {
        let call = tokio::spawn(lab.echo(&Context::new(), "x".to_owned()).send());
        watched.attempts(number).await;
        call.abort();
        // The first one goes on for whoever comes.
        watched.closed(number - 1).await;
    }
    let mut first = server.accept().await;
    assert!(soon(first.read(&mut [0])).await.unwrap() > 0, "the first attempt is still there");
}

#[tokio::test]
async fn what_is_no_http_is_an_error_of_the_call() {
    let (server, address) = Raw::listen().await;
    let lab = client(&address, http1(&Watched::new()));
    let served = async {
        let mut stream = server.accept().await;
        request(&mut stream).await;
        soon(tokio::io::AsyncWriteExt::write_all(&mut stream, b"\0\0\0\0nonsense\r\n\r\n")).await.unwrap();
    };
    let ((), error) = tokio::join!(served, async { echo(&lab).await.unwrap_err() });
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(!error.was_never_processed(), "{error}");
}
