//! The nodes: processes that are started, killed, told to stop, and replaced.

use std::process::Stdio;
use std::time::Duration;

use micro::{Error, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// How long the place of a node that was killed is empty.
const AWAY: Duration = Duration::from_secs(1);

pub(crate) struct Fleet {
    service: String,
    nodes: Vec<Node>,
    /// How many there have been: each has an id of its own.
    started: usize,
}

struct Node {
    id: String,
    process: Child,
    /// While this is open, the node goes on.
    _input: Option<ChildStdin>,
}

impl Fleet {
    pub(crate) async fn start(service: &str, nodes: usize) -> Result<Self> {
        let mut fleet = Self { service: service.to_owned(), nodes: Vec::new(), started: 0 };
        for _ in 0..nodes {
            let node = fleet.node().await?;
            fleet.nodes.push(node);
        }
        Ok(fleet)
    }

    /// Replaces one node after the other, and tells of it. Every other one is killed in the middle of what it does.
    pub(crate) async fn trouble(mut self, every: Duration, tell: mpsc::Sender<String>) -> Result<()> {
        for turn in 0.. {
            sleep(every).await;
            let place = turn % self.nodes.len();
            let node = &mut self.nodes[place];
            if turn % 2 == 0 {
                let _ = tell.try_send(format!("killed node {}", node.id));
                node.process.kill().await.map_err(broken)?;
                sleep(AWAY).await;
            } else {
                let _ = tell.try_send(format!("told node {} to stop", node.id));
                node.stop().await?;
            }
            self.nodes[place] = self.node().await?;
            let _ = tell.try_send(format!("started node {}", self.nodes[place].id));
        }
        Ok(())
    }

    /// Starts this program once more, as a node, and waits until it is ready.
    async fn node(&mut self) -> Result<Node> {
        self.started += 1;
        let id = self.started.to_string();
        let mut command = Command::new(std::env::current_exe().map_err(broken)?);
        // The other end of its input tells the node that this program has ended; Ctrl-C is for this one alone.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut process = command.args(["node", &self.service, &id]).spawn().map_err(broken)?;
        let output = process.stdout.take().ok_or_else(|| Error::internal("the node has no output"))?;
        let said = BufReader::new(output).lines().next_line().await.map_err(broken)?;
        match said.as_deref() {
            Some("ready") => {
                let _input = process.stdin.take();
                Ok(Node { id, process, _input })
            }
            _ => Err(Error::unavailable(format!("node {id} did not start: see what it says above"))),
        }
    }
}

impl Node {
    /// SIGTERM: the node leaves the registry, finishes the calls that it has, and ends.
    #[cfg(unix)]
    async fn stop(&mut self) -> Result<()> {
        let id = self.process.id().unwrap_or_default().to_string();
        Command::new("kill").args(["-TERM", &id]).status().await.map_err(broken)?;
        let status = self.process.wait().await.map_err(broken)?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::internal(format!("node {} did not end well: {status}", self.id)))
        }
    }

    /// There is no such signal here.
    #[cfg(not(unix))]
    async fn stop(&mut self) -> Result<()> {
        self.process.kill().await.map_err(broken)
    }
}

fn broken(error: std::io::Error) -> Error {
    Error::internal("a process cannot be started, or not be ended").with_source(error)
}
