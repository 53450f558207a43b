//! Streams that are opened and dropped leave nothing behind.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::join_all;
use micro::client::Protocol;
use micro::{Context, Metrics};
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;

use crate::lab::{LabClient, Site};
use crate::watched::Watched;

const AT_A_TIME: usize = 100;

/// Opens so many streams, reads the first message of each, and drops it.
async fn open_and_drop(lab: &LabClient, streams: usize) {
    for _ in 0..streams / AT_A_TIME {
        let opened = join_all((0..AT_A_TIME).map(|_| async {
            let mut stream = lab.trickle(&Context::new(), 7).send().await.unwrap();
            assert_eq!(stream.next().await.unwrap(), Some(7));
            stream
        }));
        drop(opened.await);
    }
}

/// Waits until no handler runs any more.
async fn quiet(metrics: &Metrics) {
    let quiet = async {
        while metrics.snapshot().value("micro_server_calls_in_flight", &[]) != Some(0.0) {
            tokio::task::yield_now().await;
        }
        // What is on its way between the two sides arrives, and tasks end.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), quiet).await.unwrap();
}

/// What is left behind by 10,000 streams, after as many as warm everything up: connections, tasks, and bytes.
fn left_behind(protocol: Protocol) -> (usize, isize, i64) {
    // One thread, so that the bytes of both sides can be counted.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (site, watched, lab) = runtime.block_on(async {
        let (site, watched) = (Site::start().await, Watched::new());
        let lab = site.client(|client| client.protocol(protocol).transport(watched.clone()));
        open_and_drop(&lab, 2000).await;
        quiet(&site.running.metrics()).await;
        (site, watched, lab)
    });
    let tasks = Cell::new(0);
    let alive = || Handle::current().metrics().num_alive_tasks() as isize;
    let measured = allocation_counter::measure(|| {
        runtime.block_on(async {
            let before = alive();
            open_and_drop(&lab, 10_000).await;
            quiet(&site.running.metrics()).await;
            tasks.set(alive() - before);
        });
    });
    runtime.block_on(site.running.stop()).unwrap();
    (watched.opened(), tasks.get(), measured.bytes_current)
}

#[test]
fn ten_thousand_streams_that_were_opened_and_dropped_leave_nothing_behind() {
    for protocol in [Protocol::Native, Protocol::Grpc, Protocol::Connect] {
        let (connections, tasks, bytes) = left_behind(protocol);
        // There are a hundred at a time, and a node has four connections at the most.
        assert!(connections <= 4, "{protocol}: {connections} connections");
        assert!(tasks <= 2, "{protocol}: {tasks} tasks more");
        // What a stream left behind would be more than this; tables and buffers grow a little.
        assert!(bytes < 10_000 * 16, "{protocol}: {bytes} bytes more");
    }
}
