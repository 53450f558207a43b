//! A node as a process. It ends with the value, and with this program, however that ends.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::node;
use crate::registry::Choice;

/// Longer than anything here takes, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    input: ChildStdin,
}

/// A name that no other scenario and no other run of this program has.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

impl Process {
    /// Starts a node of this service, and waits until it is ready.
    pub(crate) async fn start(service: &str, registry: &Choice) -> Self {
        let name = (node::NAME, service.to_owned());
        Self::run(registry.variables().into_iter().chain([name])).await
    }

    /// Starts this program again with these variables, and waits until it is ready.
    pub(crate) async fn run(variables: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Taken, since waiting for a child closes what it still has of it.
        let input = child.stdin.take().unwrap();
        let mut process = Self { child, lines, input };
        process.says("ready").await;
        process
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Waits until it says this, and returns the number behind it, or 0.
    pub(crate) async fn says(&mut self, what: &str) -> u64 {
        let wait = async {
            loop {
                let line = self.lines.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("a node ended before it said `{what}`"));
                if let Some(rest) = line.strip_prefix(what) {
                    break rest.trim().parse().unwrap_or_default();
                }
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("a node never says `{what}`"))
    }

    /// Tells it something: see the end of `node.rs` and of `events/program.rs`.
    pub(crate) async fn tell(&mut self, word: &str) {
        self.input.write_all(format!("{word}\n").as_bytes()).await.unwrap();
    }

    /// SIGKILL: it has no say in it.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM.
    pub(crate) async fn terminate(&self) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    }

    /// Waits until it has ended, and says whether it ended well.
    pub(crate) async fn ends(&mut self) -> bool {
        timeout(PATIENCE, self.child.wait()).await.expect("a node does not end").unwrap().success()
    }
}
