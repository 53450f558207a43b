//! How connections end without a call being lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use micro::client::{ClientBuilder, Protocol};
use micro::server::Limits;
use micro::{Client, Context, Environment, Error};
use tokio::task::JoinHandle;

use crate::lab::{LabClient, Site, Tasks};
use crate::soon::soon;
use crate::wire::{DATA, DONE, GO_AWAY, LAST, MESSAGE, RESET, Wire, ask, frame, go_away, open};

#[tokio::test]
async fn a_server_that_stops_lets_the_calls_in_flight_end_and_refuses_others() {
    let Site { running, .. } = Site::start().await;
    let mut wire = Wire::on(tokio::net::TcpStream::connect(running.address()).await.unwrap());
    wire.send(crate::wire::hello(&[1], &[])).await;
    wire.opening().await;
    wire.send([ask(1, "Echo", r#""a""#), open(2, MESSAGE, "Sum", "1")].concat()).await;
    wire.next_of(DATA).await;
    let stopping = tokio::spawn(running.stop());
    let away = wire.next().await;
    assert_eq!((away.kind, &away.payload[..]), (GO_AWAY, &[0, 0, 0, 2, DONE][..]));
    wire.send(ask(3, "Echo", r#""a""#)).await;
    let refused = wire.next().await;
    assert_eq!((refused.kind, refused.call, &refused.payload[..]), (RESET, 3, &[1][..]));
    wire.send(frame(DATA, LAST, 2, "2")).await;
    let answer = wire.next().await;
    assert_eq!((answer.kind, answer.call, &answer.payload[..]), (DATA, 2, &b"3"[..]));
    assert_eq!(wire.try_next().await, None);
    drop(wire);
    soon(stopping).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_gets_the_answers_it_still_waits_for() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    wire.send([open(1, MESSAGE, "Sum", "1"), go_away(0, DONE, ""), frame(DATA, LAST, 1, "2")].concat()).await;
    assert_eq!(wire.next_of(DATA).await.payload, b"3");
    wire.closed().await;
}

/// Calls that follow each other until they are to end; how many there were, or the first that failed.
struct Load {
    stops: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<Result<(), Error>>>,
}

impl Load {
    fn begin(lab: &LabClient) -> Self {
        let (stops, made) = (Arc::new(AtomicBool::default()), Arc::new(AtomicUsize::default()));
        let tasks = (0..8)
            .map(|at| {
                let (lab, stops, made) = (lab.clone(), stops.clone(), made.clone());
                tokio::spawn(async move {
                    let ctx = Context::new();
                    while !stops.load(Ordering::Relaxed) {
                        match at % 4 {
                            0 => drop(lab.sum(&ctx, micro::Streaming::from_iter([1])).await),
                            1 => assert_eq!(lab.length(&ctx, "x".repeat(300_000)).await?, 300_000),
                            2 => assert_eq!(lab.late(&ctx, "Ada".to_owned()).await?, "Ada"),
                            _ => assert_eq!(lab.echo(&ctx, "Ada".to_owned()).await?, "Ada"),
                        }
                        made.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                    Ok(())
                })
            })
            .collect();
        Self { stops, made, tasks }
    }

    /// Waits until so many more were made.
    async fn more(&self, count: usize) {
        let until = self.made.load(Ordering::Relaxed) + count;
        soon(async {
            while self.made.load(Ordering::Relaxed) < until
                && self.tasks.iter().all(|task| !task.is_finished())
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    async fn end(self) {
        self.stops.store(true, Ordering::Relaxed);
        for task in self.tasks {
            soon(task).await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn no_call_is_lost_while_a_node_under_load_stops() {
    let (first, second) = (Site::start().await, Site::start().await);
    let client =
        |options: ClientBuilder| options.environment(Environment::empty()).protocol(Protocol::Native);
    let both = client(Client::builder()).address(first.address()).address(second.address());
    let load = Load::begin(&LabClient::new(&both.build()));
    load.more(100).await;
    soon(first.running.stop()).await.unwrap();
    load.more(100).await;
    load.end().await;
    second.still_serves().await;
}

#[tokio::test]
async fn no_call_is_lost_where_connections_are_not_to_become_old() {
    let site = Site::with(Limits::new().max_connection_age(Duration::from_millis(20))).await;
    let load = Load::begin(&site.client());
    load.more(2000).await;
    load.end().await;
    site.still_serves().await;
}

#[tokio::test]
async fn a_connection_without_calls_is_closed_after_a_while() {
    let site = Site::with(Limits::new().idle_timeout(Duration::from_millis(50))).await;
    let tasks = Tasks::now();
    let mut wire = Wire::open(&site).await;
    wire.works(1).await;
    assert_eq!(wire.ends().await, (1, DONE, String::new()));
    tasks.again().await;
    // A call that is open keeps it.
    let mut wire = Wire::open(&site).await;
    wire.send(open(1, MESSAGE, "Sum", "1")).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    wire.send(frame(DATA, LAST, 1, "2")).await;
    assert_eq!(wire.next_of(DATA).await.payload, b"3");
}

#[tokio::test]
async fn a_client_that_is_dropped_leaves_no_connection_behind() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    let lab = site.client();
    soon(lab.echo(&Context::new(), String::new()).send()).await.unwrap();
    drop(lab);
    tasks.again().await;
}
