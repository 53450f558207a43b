//! A service that somebody follows, whose nodes are asked for again and again.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::nodes::Nodes;
use super::packet;
use super::sockets::Sockets;
use crate::registry::Registration;
use crate::registry::roll_call::{self, HURRY, MISSES, RollCall};

/// How long answers are waited for. Go programs answer at once and wait for 100 ms themselves.
pub(super) const WINDOW: Duration = Duration::from_millis(100);

/// The pause between the first two questions for a service.
const SECOND: Duration = Duration::from_secs(1);

/// A service that somebody follows.
pub(super) struct Followed {
    pub(super) roll: RollCall,
    pub(super) watchers: usize,
    /// The call that waits for answers, and until when.
    calling: Option<(u64, Instant)>,
    /// When the next one begins.
    next: Instant,
    calls: u32,
    hurried: u32,
    pub(super) waiting: Vec<oneshot::Sender<()>>,
}

impl Followed {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            roll: RollCall::default(),
            watchers: 0,
            calling: None,
            next: now,
            calls: 0,
            hurried: 0,
            waiting: Vec::new(),
        }
    }

    /// Whether there was time for the first answers.
    pub(super) fn is_answered(&self) -> bool {
        self.calls > 1 || (self.calls == 1 && self.calling.is_none())
    }

    /// Asks a few times now, unless it does so already: a node is suspected to be gone.
    pub(super) fn hurry(&mut self) {
        if self.hurried == 0 {
            (self.hurried, self.next) = (MISSES, Instant::now());
        }
    }

    /// When there is something to do again.
    pub(super) fn next(&self) -> Instant {
        self.calling.map_or(self.next, |(_, until)| until)
    }

    /// Does what is due: asks, or ends the time for answers.
    pub(super) fn go_on(&mut self, service: &str, now: Instant, sockets: &Sockets, nodes: &Nodes) {
        if let Some((call, until)) = self.calling
            && until <= now
        {
            self.calling = None;
            let before: Vec<_> = self.roll.nodes().cloned().collect();
            let gone = self.roll.end(call);
            for node in before.iter().filter(|node| gone.contains(&node.node.id)) {
                nodes.removed(&full_name(node));
            }
            // Who asked may have gone.
            for waiting in self.waiting.drain(..) {
                let _ = waiting.send(());
            }
            self.hurried = self.hurried.saturating_sub(1);
            self.next = now
                + match (self.hurried, self.calls) {
                    (1.., _) => HURRY,
                    (_, 0 | 1) => SECOND,
                    _ => roll_call::pause(),
                };
        }
        if self.calling.is_none() && self.next <= now {
            if let Some(question) = packet::ask(service) {
                sockets.ask(&question);
            }
            self.calls = self.calls.saturating_add(1);
            self.calling = Some((self.roll.begin(), now + WINDOW));
        }
    }
}

/// The name by which the nodes of both dialects are kept apart: ours have no space in theirs.
pub(super) fn full_name(registration: &Registration) -> String {
    format!("go {} {}", registration.service, registration.node.id)
}
