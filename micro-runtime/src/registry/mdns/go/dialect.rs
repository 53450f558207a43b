//! The handle on the thread that answers Go programs and asks them.

use std::sync::mpsc as sync;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

use super::super::network;
use super::super::nodes::Nodes;
use super::packet::Announced;
use super::sockets::Sockets;
use super::speaker::Speaker;
use crate::error::Result;
use crate::registry::Registration;

/// The handle on the thread. It says goodbye for its nodes when this is dropped.
#[derive(Debug)]
pub(in super::super) struct Dialect {
    commands: Option<mpsc::UnboundedSender<Command>>,
    ended: Mutex<sync::Receiver<()>>,
}

/// What the thread is told.
pub(super) enum Command {
    Announce(Box<Announced>),
    Withdraw { service: String, id: String, address: String },
    Follow(String, oneshot::Sender<()>),
    Unfollow(String),
    Suspect(String),
    List(oneshot::Sender<Vec<Registration>>),
}

impl Dialect {
    /// Opens the sockets, and starts the thread: a registry outlives the runtime that it was first used on.
    pub(in super::super) fn start(nodes: Arc<Nodes>) -> Result<Self> {
        let cannot =
            |error: std::io::Error| network::unavailable("speak to programs of go-micro").with_source(error);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let sockets = {
            let _inside = runtime.enter();
            Sockets::open().map_err(cannot)?
        };
        let (commands, given) = mpsc::unbounded_channel();
        let (end, ended) = sync::channel();
        let speaker = Speaker::new(sockets, nodes);
        let thread = thread::Builder::new().name("micro-mdns-go".to_owned());
        let run = move || {
            runtime.block_on(speaker.run(given));
            // Nobody may wait for it.
            let _ = end.send(());
        };
        thread.spawn(run).map_err(cannot)?;
        Ok(Self { commands: Some(commands), ended: Mutex::new(ended) })
    }

    /// Announces a node. One that Go programs could not find is not announced to them, and the log says why.
    pub(in super::super) fn announce(&self, registration: &Registration) {
        match Announced::new(registration) {
            Ok(announced) => self.command(Command::Announce(Box::new(announced))),
            Err(reason) => {
                let Registration { service, node, .. } = registration;
                tracing::warn!(service, id = node.id, "not announced to programs of go-micro: {reason}");
            }
        }
    }

    /// Takes a node back.
    pub(in super::super) fn withdraw(&self, registration: &Registration) {
        let Registration { service, node, .. } = registration.clone();
        self.command(Command::Withdraw { service, id: node.id, address: node.address });
    }

    /// Asks for the nodes of a service, until what is returned is dropped. Returns when there was time for the first answers.
    pub(in super::super) async fn follow(&self, service: &str) -> Option<Following> {
        // It does not keep the thread going.
        let commands = self.commands.as_ref()?.downgrade();
        let (answered, answer) = oneshot::channel();
        self.command(Command::Follow(service.to_owned(), answered));
        let following = Following { commands, service: service.to_owned() };
        // It fails when the thread has ended, and then nobody answers.
        let _ = answer.await;
        Some(following)
    }

    /// Somebody found that a node of this service does not answer.
    pub(in super::super) fn suspect(&self, service: &str) {
        self.command(Command::Suspect(service.to_owned()));
    }

    /// All nodes of Go programs.
    pub(in super::super) async fn list(&self) -> Vec<Registration> {
        let (listed, list) = oneshot::channel();
        self.command(Command::List(listed));
        list.await.unwrap_or_default()
    }

    fn command(&self, command: Command) {
        // It fails when the thread has ended.
        let _ = self.commands.as_ref().map(|commands| commands.send(command));
    }

    /// Says goodbye for all nodes, and waits for that for a moment.
    pub(in super::super) fn end(&mut self, patience: Duration) {
        self.commands = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(patience);
    }
}

/// Somebody wants to know of the nodes of a service.
#[derive(Debug)]
pub(in super::super) struct Following {
    commands: mpsc::WeakUnboundedSender<Command>,
    service: String,
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(commands) = self.commands.upgrade() {
            // It fails when the thread has ended.
            let _ = commands.send(Command::Unfollow(std::mem::take(&mut self.service)));
        }
    }
}
