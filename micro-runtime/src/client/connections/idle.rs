use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::http1::Line;

/// How long a connection may wait for its next call. Servers and what stands in front of them close
/// idle connections as well, few of them before a minute; a call that meets that moment fails.
pub(super) const IDLE_AGE: Duration = Duration::from_secs(50);

/// How many connections to one address may wait.
const MOST: usize = 64;

/// The HTTP/1.1 connections to one address that wait for calls. The one that was used last is used
/// first, so that those which are too many grow old.
#[derive(Default)]
pub(super) struct Idle(VecDeque<(Instant, Line)>);

impl Idle {
    pub(super) fn take(&mut self) -> Option<Line> {
        while let Some((since, line)) = self.0.pop_back() {
            if since.elapsed() >= IDLE_AGE {
                // The others are older.
                self.0.clear();
            } else if !line.is_closed() {
                return Some(line);
            }
        }
        None
    }

    pub(super) fn put(&mut self, line: Line) {
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back((Instant::now(), line));
    }

    /// Closes those that are too old, and forgets those that are closed.
    pub(super) fn prune(&mut self) {
        self.0.retain(|(since, line)| since.elapsed() < IDLE_AGE && !line.is_closed());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().filter(|(_, line)| !line.is_closed()).count()
    }

    /// Closes all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
    use tokio::time::{advance, sleep};

    use super::*;
    use crate::client::connections::http1;
    use crate::client::connections::peer::Peer;

    async fn line(name: &str) -> (Line, DuplexStream) {
        let (ours, theirs) = duplex(64);
        let peer = Peer::plain(name).unwrap();
        (http1::open(Box::new(ours), Arc::new(peer), &Arc::default()).await.unwrap(), theirs)
    }

    fn name(line: Option<Line>) -> Option<String> {
        line.map(|line| line.peer().address.clone())
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_one_is_the_first_and_the_old_ones_are_closed() {
        let mut idle = Idle::default();
        let (old, mut old_server) = line("old:1").await;
        idle.put(old);
        advance(IDLE_AGE / 2).await;
        let (young, _young_server) = line("young:1").await;
        idle.put(young);
        let (youngest, _youngest_server) = line("youngest:1").await;
        idle.put(youngest);
        assert_eq!(name(idle.take()).unwrap(), "youngest:1");
        advance(IDLE_AGE / 2).await;
        idle.prune();
        assert_eq!(old_server.read(&mut [0]).await.unwrap(), 0, "it was closed");
        assert_eq!(name(idle.take()).unwrap(), "young:1");
        assert!(idle.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_the_server_closed_is_not_used_again() {
        let mut idle = Idle::default();
        let (closed, server) = line("closed:1").await;
        idle.put(closed);
        drop(server);
        // Time passes only when every task has done what it can.
        sleep(Duration::from_millis(1)).await;
        assert!(idle.take().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_never_more_than_the_limit() {
        let mut idle = Idle::default();
        let mut servers = Vec::new();
        for number in 0..=MOST {
            let (line, server) = line(&format!("line:{number}")).await;
            idle.put(line);
            servers.push(server);
        }
        assert_eq!(servers[0].read(&mut [0]).await.unwrap(), 0, "the oldest was closed");
        let names: Vec<_> = std::iter::from_fn(|| name(idle.take())).collect();
        assert_eq!(names.len(), MOST);
        assert_eq!(names[0], format!("line:{MOST}"));
    }
}
