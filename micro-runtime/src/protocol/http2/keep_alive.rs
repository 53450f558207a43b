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
}

impl KeepAlive {
    /// Asks a peer of which nothing was heard for `interval`, or up to twice that, and waits for the answer
    /// for `timeout`.
    pub(crate) fn new(pings: PingPong, cork: Cork, interval: Duration, timeout: Duration) -> Self {
        Self { pings, cork, interval, timeout, sleep: Box::pin(sleep(interval)), asked: false }
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
                return Poll::Ready(());
            }
            let silent = !self.cork.heard();
            self.asked = silent && needed && self.pings.send_ping(Ping::opaque()).is_ok();
            self.again(if self.asked { self.timeout } else { self.interval });
        }
    }

    fn again(&mut self, time: Duration) {
        self.sleep.as_mut().reset(Instant::now() + time);
    }
}
