//! A server that stops: what comes in the meantime is served or told to go elsewhere.

use std::net::{Shutdown, TcpStream as Blocking};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use micro::{Context, Result};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::lab::Site;
use crate::raw::{Raw, request};
use crate::soon::soon;
use crate::wire::{BOTH, JSON, Wire, full, post};

/// Connects without giving the server, which is on the same thread, a chance to accept.
fn connect_at_once(site: &Site) -> TcpStream {
    let stream = Blocking::connect(site.address()).unwrap();
    stream.set_nonblocking(true).unwrap();
    TcpStream::from_std(stream).unwrap()
}

#[tokio::test]
async fn calls_on_connections_that_were_not_accepted_yet_are_served() {
    let site = Site::start().await;
    let mut http1: Vec<_> = (0..5).map(|_| Raw::on(connect_at_once(&site))).collect();
    let http2: Vec<_> = (0..5).map(|_| connect_at_once(&site)).collect();
    let stop = tokio::spawn(site.running.stop());
    for raw in &mut http1 {
        raw.send(request("/Lab/Echo", r#""Ada""#)).await;
    }
    for stream in http2 {
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        let head = Request::post("http://lab/Lab/Echo").header("content-type", JSON).body(()).unwrap();
        let (response, mut body) = sender.send_request(head, false).unwrap();
        body.send_data(Bytes::from_static(b"\"Ada\""), true).unwrap();
        let connection = tokio::spawn(connection);
        assert_eq!(soon(response).await.unwrap().status(), 200);
        drop(sender);
        // It was told that the server goes away, and that is no error.
        soon(connection).await.unwrap().unwrap();
    }
    for mut raw in http1 {
        assert_eq!(raw.answer().await.1, r#""Ada""#);
        raw.closed().await;
    }
    soon(stop).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_head_that_is_on_its_way_is_waited_for() {
    let site = Site::start().await;
    let mut raw = Raw::open(&site).await;
    let request = request("/Lab/Echo", r#""Ada""#);
    raw.send(&request).await;
    assert_eq!(raw.answer().await.1, r#""Ada""#);
    let (begin, rest) = request.split_at(20);
    raw.send(begin).await;
    // By the time that this is answered, the beginning was read as well.
    let mut other = Wire::open(&site, Version::HTTP_2).await;
    assert_eq!(other.post("/Lab/Echo", JSON, r#""Ada""#).await.status, 200);
    let address = site.address().to_owned();
    let stop = tokio::spawn(site.running.stop());
    while TcpStream::connect(&address).await.is_ok() {}
    other.closed().await;
    raw.send(rest).await;
    let (head, body) = raw.answer().await;
    assert!(head.contains("\r\nconnection: close"), "{head}");
    assert_eq!(body, r#""Ada""#);
    raw.closed().await;
    soon(stop).await.unwrap().unwrap();
}

#[tokio::test]
async fn idle_and_silent_connections_do_not_hold_a_stop_up() {
    let site = Site::of(|service| service.drain_timeout(Duration::MAX)).await;
    let (silent, half_closed) = (Raw::open(&site).await, connect_at_once(&site).into_std().unwrap());
    half_closed.shutdown(Shutdown::Write).unwrap();
    let mut idle = Raw::open(&site).await;
    idle.send(request("/Lab/Echo", r#""""#)).await;
    idle.answer().await;
    let mut http2 = Wire::open(&site, Version::HTTP_2).await;
    assert_eq!(http2.post("/Lab/Echo", JSON, r#""""#).await.status, 200);
    soon(site.running.stop()).await.unwrap();
    assert_eq!(silent.closed().await, "");
    assert_eq!(idle.closed().await, "");
    http2.closed().await;
}

/// Takes long to be dropped.
#[derive(Clone, Default)]
struct Sticky {
    started: Arc<Notify>,
    dropped: Arc<AtomicUsize>,
}

struct Sticks(Arc<AtomicUsize>);

impl Drop for Sticks {
    fn drop(&mut self) {
        thread::sleep(Duration::from_millis(100));
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[micro::handler]
impl Sticky {
    pub async fn hold(&self, _ctx: &Context, _text: String) -> Result<()> {
        let _sticks = Sticks(self.dropped.clone());
        self.started.notify_one();
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_server_has_stopped_no_handler_is_left() {
    for version in BOTH {
        let sticky = Sticky::default();
        let handler = sticky.clone();
        let limit = Duration::from_millis(20);
        let site = Site::of(|service| service.drain_timeout(limit).handle(handler)).await;
        let mut wire = Wire::open(&site, version).await;
        let call =
            tokio::spawn(async move { wire.start(post("/Sticky/Hold", JSON, full("\"\""))).await.is_err() });
        soon(sticky.started.notified()).await;
        soon(site.running.stop()).await.unwrap();
        assert_eq!(sticky.dropped.load(Ordering::SeqCst), 1, "{version:?}");
        assert!(soon(call).await.unwrap());
    }
}
