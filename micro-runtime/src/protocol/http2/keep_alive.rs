use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Instant, Sleep, sleep};

use super::Cork;

/// Asks a silent peer whether it is still there.
pub(crate) struct KeepAlive {
    pings: PingPong,
    cork: Cork,
    interval: Duration,
    timeout: Duration,
    /// Until it is asked or, once it was, until it is taken for gone.
    sleep: Pin<Box<Sleep>>,
    asked: bool,
    /// Whether the time for the answer is over, and what has arrived is looked at for the last time.
    last_look: bool,
}

impl KeepAlive {
    /// Asks a peer of which nothing was heard for `interval`, or up to twice that, and waits for the answer
    /// for `timeout`.
    pub(crate) fn new(pings: PingPong, cork: Cork, interval: Duration, timeout: Duration) -> Self {
        Self {
            pings,
            cork,
            interval,
            timeout,
            sleep: Box::pin(sleep(interval)),
            asked: false,
            last_look: false,
        }
    }

    /// Is ready once the peer is gone. Where it is not `needed`, nobody is asked. This is to be polled
    /// before the connection is, which sends the question.
    pub(crate) fn poll_gone(&mut self, task: &mut TaskContext<'_>, needed: bool) -> Poll<()> {
        loop {
            if self.asked && self.pings.poll_pong(task).is_ready() {
                self.asked = false;
                self.again(self.interval);
            }
            ready!(self.sleep.as_mut().poll(task));
            if self.asked {
                if std::mem::replace(&mut self.last_look, true) {
                    return Poll::Ready(());
                }
                // This process may have been paused, and the answer may be here and not be read yet: the
                // connection is polled next.
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
            let silent = !self.cork.heard();
            self.asked = silent && needed && self.pings.send_ping(Ping::opaque()).is_ok();
            self.again(if self.asked { self.timeout } else { self.interval });
        }
    }

    fn again(&mut self, time: Duration) {
        self.last_look = false;
        self.sleep.as_mut().reset(Instant::now() + time);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::duplex;
    use tokio::task::yield_now;
    use tokio::time::advance;

    use super::super::Corked;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answered_while_this_process_was_paused_is_there() {
        let (here, there) = duplex(64 * 1024);
        let peer = tokio::spawn(async move {
            let mut connection = h2::server::handshake(there).await.unwrap();
            while connection.accept().await.is_some() {}
        });
        let (io, cork) = Corked::new(here);
        let (_sender, mut connection) = h2::client::handshake(io).await.unwrap();
        let pings = connection.ping_pong().unwrap();
        let mut keep_alive = KeepAlive::new(pings, cork, SECOND, SECOND);
        // One turn of the task that has the connection, as both sides of it do.
        let mut turn = async || {
            poll_fn(|task| {
                let gone = keep_alive.poll_gone(task, true).is_ready();
                let _ = Pin::new(&mut connection).poll(task);
                Poll::Ready(gone)
            })
            .await
        };
        let others = async || {
            for _ in 0..10 {
                yield_now().await;
            }
        };
        for _ in 0..3 {
            assert!(!turn().await);
            others().await;
        }
        for _ in 0..5 {
            // It is asked, answers at once, and nobody reads that before the time for it is over.
            advance(2 * SECOND).await;
            assert!(!turn().await);
            others().await;
            advance(2 * SECOND).await;
            assert!(!turn().await);
            assert!(!turn().await);
        }
        peer.abort();
        others().await;
        let mut turns = 0;
        while !turn().await {
            advance(SECOND).await;
            turns += 1;
            assert!(turns < 10, "a peer that is gone is found to be so");
        }
    }
}
