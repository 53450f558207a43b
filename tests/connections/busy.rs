//! How many connections there are to a node: one, and a few once that is busy.

use std::future::IntoFuture as _;

use micro::client::Protocol;
use micro::{Context, Streaming};
use tokio::task::JoinSet;

use crate::lab::{LabClient, Site, echoes};
use crate::soon::soon;
use crate::watched::Watched;

/// With so many calls a connection is busy.
const BUSY: usize = 16;

/// Both share connections between calls.
const PROTOCOLS: [Protocol; 2] = [Protocol::Native, Protocol::Grpc];

/// A client in this protocol that may have three connections.
fn client(site: &Site, protocol: Protocol, watched: &Watched) -> LabClient {
    site.client(|client| client.protocol(protocol).transport(watched.clone()).max_connections_per_node(3))
}

/// Calls that are not answered, and have reached their handlers.
async fn hang(calls: &mut JoinSet<micro::Result<String>>, site: &Site, lab: &LabClient, count: usize) {
    for _ in 0..count {
        calls.spawn(lab.hang(&Context::new(), String::new()).into_future());
        soon(site.lab.begun.notified()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_spread_over_a_few_and_no_more() {
    for protocol in PROTOCOLS {
        let (site, watched) = (Site::start().await, Watched::new());
        let lab = client(&site, protocol, &watched);
        let mut calls = JoinSet::new();
        hang(&mut calls, &site, &lab, BUSY).await;
        assert_eq!(watched.opened(), 1, "{protocol}");
        hang(&mut calls, &site, &lab, 1).await;
        soon(watched.attempts(2)).await;
        hang(&mut calls, &site, &lab, 5 * BUSY).await;
        soon(watched.attempts(3)).await;
        hang(&mut calls, &site, &lab, BUSY).await;
        assert_eq!(watched.opened(), 3, "{protocol}");
        echoes(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_streams_keep_one_busy() {
    for protocol in PROTOCOLS {
        let (site, watched) = (Site::start().await, Watched::new());
        let lab = client(&site, protocol, &watched);
        let mut streams: Vec<Streaming<u64>> = Vec::new();
        for opened in [1, 1, 2] {
            let mut stream = soon(lab.trickle(&Context::new(), 7).send()).await.unwrap();
            assert_eq!(soon(stream.next()).await.unwrap(), Some(7));
            streams.push(stream);
            soon(watched.attempts(opened)).await;
            assert_eq!(watched.opened(), opened, "{protocol}");
        }
        // Those that have ended count no more.
        drop(streams);
        for _ in 0..2 * BUSY {
            echoes(&lab).await;
        }
        assert_eq!(watched.opened(), 2, "{protocol}");
    }
}

#[tokio::test]
async fn a_runtime_with_one_thread_has_one() {
    for protocol in PROTOCOLS {
        let (site, watched) = (Site::start().await, Watched::new());
        let lab = client(&site, protocol, &watched);
        let mut calls = JoinSet::new();
        hang(&mut calls, &site, &lab, 3 * BUSY).await;
        echoes(&lab).await;
        assert_eq!(watched.opened(), 1, "{protocol}");
    }
}
