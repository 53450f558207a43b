//! The thread that answers Go programs and asks them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use simple_dns::Packet;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use super::super::nodes::Nodes;
use super::super::txt::Announcement;
use super::dialect::Command;
use super::followed::{Followed, WINDOW, full_name};
use super::packet::{self, Announced, Heard};
use super::sockets::{self, Reach, Sockets};
use crate::registry::Registration;

/// The pauses before the second and the third announcement of a node.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];

/// How often it is looked whether interfaces came or went.
const LOOK: Duration = Duration::from_secs(5);

/// The pause after a socket has failed.
const BROKEN: Duration = Duration::from_millis(10);

/// The most services that a list is taken to have.
const MOST_LISTED: usize = 256;

/// The most nodes of all of them together that are listed.
const MOST_FOUND: usize = 4096;

/// Nodes of Go programs come with no number for their announcements, so one that is known from our own dialect too goes by that.
const REVISION: u64 = 0;

/// What the thread knows.
pub(super) struct Speaker {
    sockets: Sockets,
    nodes: Arc<Nodes>,
    /// By service and id.
    own: BTreeMap<(String, String), Announced>,
    /// Announcements that are to be repeated.
    due: Vec<(Instant, (String, String))>,
    followed: HashMap<String, Followed>,
    lists: Vec<List>,
}

/// A list in the making: first the services, then their nodes.
struct List {
    services: HashSet<String>,
    /// By service and id.
    found: BTreeMap<(String, String), Registration>,
    /// Whether the nodes are asked for already.
    asked: bool,
    until: Instant,
    answer: oneshot::Sender<Vec<Registration>>,
}

impl Speaker {
    pub(super) fn new(sockets: Sockets, nodes: Arc<Nodes>) -> Self {
        Self {
            sockets,
            nodes,
            own: BTreeMap::new(),
            due: Vec::new(),
            followed: HashMap::new(),
            lists: Vec::new(),
        }
    }

    /// Does as it is told, answers and asks, until nobody tells it anything any more; then it says goodbye.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let (mut said, mut answered) = (sockets::buffer(), sockets::buffer());
        let mut look = Instant::now() + LOOK;
        loop {
            let next = self.next().map_or(look, |next| next.min(look));
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                received = self.sockets.shared.recv_from(&mut said) => {
                    match received {
                        Ok((length, from)) => self.hear(said.get(..length).unwrap_or_default(), from),
                        // It may be that of a packet before, which nobody took, or not go away soon.
                        Err(_) => sleep(BROKEN).await,
                    }
                }
                received = self.sockets.own.recv_from(&mut answered) => {
                    match received {
                        Ok((length, _)) => self.take_answer(answered.get(..length).unwrap_or_default()),
                        Err(_) => sleep(BROKEN).await,
                    }
                }
                () = sleep_until(next) => {}
            }
            if Instant::now() >= look {
                self.sockets.join();
                look = Instant::now() + LOOK;
            }
            self.go_on();
        }
        for own in self.own.values() {
            self.send(own, true);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Announce(announced) => {
                let key = (announced.service.clone(), announced.id.clone());
                self.send(&announced, false);
                self.own.insert(key.clone(), *announced);
                self.due.retain(|(_, due)| *due != key);
                let now = Instant::now();
                let mut at = now;
                for pause in AGAIN {
                    at += pause;
                    self.due.push((at, key.clone()));
                }
            }
            Command::Withdraw { service, id, address } => {
                let key = (service, id);
                if self.own.get(&key).is_some_and(|own| own.address.to_string() == address)
                    && let Some(own) = self.own.remove(&key)
                {
                    self.due.retain(|(_, due)| *due != key);
                    self.send(&own, true);
                }
            }
            Command::Follow(service, answered) => {
                let now = Instant::now();
                let followed = self.followed.entry(service).or_insert_with(|| Followed::new(now));
                followed.watchers += 1;
                if followed.is_answered() {
                    // Who asked may have gone.
                    let _ = answered.send(());
                } else {
                    followed.waiting.push(answered);
                }
            }
            Command::Unfollow(service) => {
                let Some(followed) = self.followed.get_mut(&service) else { return };
                followed.watchers -= 1;
                if followed.watchers == 0
                    && let Some(followed) = self.followed.remove(&service)
                {
                    followed.roll.nodes().for_each(|node| self.nodes.removed(&full_name(node)));
                }
            }
            Command::Suspect(service) => {
                if let Some(followed) = self.followed.get_mut(&service) {
                    followed.hurry();
                }
            }
            Command::List(answer) => {
                if let Some(question) = packet::ask_for_list() {
                    self.sockets.ask(&question);
                }
                let until = Instant::now() + WINDOW;
                self.lists.push(List {
                    services: HashSet::new(),
                    found: BTreeMap::new(),
                    asked: false,
                    until,
                    answer,
                });
            }
        }
    }

    /// Announces a node, or says goodbye for it: to this machine only where nobody else could call it.
    fn send(&self, node: &Announced, gone: bool) {
        let reach = if node.address.ip().is_loopback() { Reach::Machine } else { Reach::Network };
        if let Some(packet) = node.announcement(gone) {
            self.sockets.announce(&packet, reach);
        }
        if !self.sockets.any() {
            tracing::debug!(service = node.service, "no interface to announce it on to programs of go-micro");
        }
    }

    /// Takes in what was said to all: a question, or an announcement.
    fn hear(&mut self, bytes: &[u8], from: SocketAddr) {
        let Ok(packet) = Packet::parse(bytes) else { return };
        // Others than neighbours have no business here, and who seems to ask may be the one who is to be flooded with the
        // answers (RFC 6762, 11).
        let is_asked = !self.own.is_empty() && self.sockets.is_near(from.ip());
        let questions = if is_asked { packet::questions(&packet) } else { Vec::new() };
        if !questions.is_empty() {
            let near = self.sockets.is_ours(from.ip());
            // A loopback address is right for those on this machine only.
            let fits = |node: &&Announced| near || !node.address.ip().is_loopback();
            for asked in &questions {
                for answer in asked.answers(self.own.values().filter(fits)) {
                    self.sockets.answer(&answer, from);
                }
            }
        }
        for Heard { registration, gone } in
            packet::nodes(&packet, |service| self.followed.contains_key(service))
        {
            if self.is_own(&registration) {
                continue;
            }
            let Some(followed) = self.followed.get_mut(&registration.service) else { continue };
            if gone {
                if followed.roll.left(&registration.node.id, &registration.node.address) {
                    self.nodes.removed(&full_name(&registration));
                }
            } else if !registration.version.is_empty() && followed.roll.spoke_up(registration.clone()) {
                self.put(&registration);
            }
        }
    }

    /// Takes in an answer to a question of ours.
    fn take_answer(&mut self, bytes: &[u8]) {
        let Ok(packet) = Packet::parse(bytes) else { return };
        for list in &mut self.lists {
            let room = MOST_LISTED.saturating_sub(list.services.len());
            list.services.extend(packet::listed(&packet).into_iter().take(room));
        }
        let wanted = |service: &str| {
            self.followed.contains_key(service)
                || self.lists.iter().any(|list| list.services.contains(service))
        };
        for Heard { registration, gone } in packet::nodes(&packet, wanted) {
            if gone || self.is_own(&registration) {
                continue;
            }
            for list in self.lists.iter_mut().filter(|list| list.services.contains(&registration.service)) {
                let key = (registration.service.clone(), registration.node.id.clone());
                if list.found.len() < MOST_FOUND || list.found.contains_key(&key) {
                    list.found.insert(key, registration.clone());
                }
            }
            if let Some(followed) = self.followed.get_mut(&registration.service)
                && followed.roll.answered(registration.clone())
            {
                self.put(&registration);
            }
        }
    }

    /// Passes on what is remembered of a node.
    fn put(&self, registration: &Registration) {
        let name = full_name(registration);
        let roll = self.followed.get(&registration.service).map(|followed| &followed.roll);
        let Some(registration) = roll.and_then(|roll| roll.node(&registration.node.id)) else { return };
        let registration = Registration::clone(registration);
        self.nodes.resolved(&name, Announcement { registration, revision: REVISION, gone: false }, u64::MAX);
    }

    fn is_own(&self, node: &Registration) -> bool {
        let own = self.own.get(&(node.service.clone(), node.node.id.clone()));
        own.is_some_and(|own| own.address.to_string() == node.node.address)
    }

    /// When there is something to do again.
    fn next(&self) -> Option<Instant> {
        let calls = self.followed.values().map(|followed| followed.next());
        let due = self.due.iter().map(|(at, _)| *at);
        calls.chain(due).chain(self.lists.iter().map(|list| list.until)).min()
    }

    /// Does what is due.
    fn go_on(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self.due.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, key) in due {
            if let Some(own) = self.own.get(&key) {
                self.send(own, false);
            }
        }
        for (service, followed) in &mut self.followed {
            followed.go_on(service, now, &self.sockets, &self.nodes);
        }
        let over: Vec<_> = self.lists.extract_if(.., |list| list.until <= now).collect();
        for mut list in over {
            if list.asked {
                // Who asked may have gone.
                let _ = list.answer.send(list.found.into_values().collect());
                continue;
            }
            for question in list.services.iter().filter_map(|service| packet::ask(service)) {
                self.sockets.ask(&question);
            }
            (list.asked, list.until) = (true, now + WINDOW);
            self.lists.push(list);
        }
    }
}
