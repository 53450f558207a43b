//! What runs a connection: the task that alone reads and writes.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::Connection;
use tokio::task::yield_now;

use super::{Line, State, trouble};
use crate::client::connections::peer::Peer;
use crate::protocol::http2::{Cork, Corked, KeepAlive, PING_TIMEOUT};
use crate::transport::BoxIo;

/// How often a silent server is asked whether it is still there while calls wait for it.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Runs a connection to its end.
pub(super) fn run(
    mut connection: Connection<Corked<BoxIo>, Bytes>,
    cork: Cork,
    line: &Arc<Line>,
) -> impl Future<Output = ()> + Send + use<> {
    let keep_alive =
        connection.ping_pong().map(|pings| KeepAlive::new(pings, cork.clone(), PING_INTERVAL, PING_TIMEOUT));
    let (peer, state) = (line.peer.clone(), line.state.clone());
    let mut driver =
        Driver { connection, cork, keep_alive, line: Arc::downgrade(line), state, waited: false };
    async move {
        let ended = poll_fn(|task| driver.poll(task)).await;
        driver.state.close();
        if let Err(error) = ended {
            note(&error, &peer);
        }
    }
}

/// The calls that wait have heard of the end already, with the error that it was.
fn note(error: &h2::Error, peer: &Peer) {
    tracing::debug!(address = peer.address, %error, "a connection broke off");
    if let Some(reason) = trouble::reason(error, &peer.address) {
        peer.end(reason);
    }
}

struct Driver {
    connection: Connection<Corked<BoxIo>, Bytes>,
    cork: Cork,
    keep_alive: Option<KeepAlive>,
    /// Gone when nobody can make a call any more.
    line: Weak<Line>,
    state: Arc<State>,
    /// Whether what is to be written has waited for the requests of other tasks.
    waited: bool,
}

impl Driver {
    fn poll(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<(), h2::Error>> {
        let calls = self.state.in_flight();
        if let Some(keep_alive) = &mut self.keep_alive
            && keep_alive.poll_gone(task, calls > 0).is_ready()
        {
            tracing::debug!("a server did not answer that it is still there");
            return Poll::Ready(Ok(()));
        }
        if !self.waited && calls > 1 {
            // All tasks that are ready may send something as well, which is then written with this.
            self.cork.hold();
            if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(task) {
                return Poll::Ready(ended);
            }
            self.look();
            if self.cork.holds() {
                self.waited = true;
                let _ = pin!(yield_now()).poll(task);
                return Poll::Pending;
            }
        }
        self.waited = false;
        self.cork.release();
        let polled = Pin::new(&mut self.connection).poll(task);
        if polled.is_pending() {
            self.look();
        }
        polled
    }

    /// What was read may have been that the server leaves.
    fn look(&self) {
        if let Some(line) = self.line.upgrade() {
            line.look();
        }
    }
}
