//! Nodes in several processes find and lose each other over mDNS.
//!
//! The other process is this test program, running the test that is no test (`a_node`).

#![cfg(feature = "mdns")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use micro_runtime::registry::{Discovery, Mdns, Node, Registration, Registry, View};
use micro_runtime::{Error, Result};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

const SERVICE: &str = "MICRO_TEST_SERVICE";
const TTL: Duration = Duration::from_secs(90);

fn node(service: &str) -> Registration {
    Registration::new(service, Node::new("other", "127.0.0.1:7000"))
}

/// Registers, says so, and does as it is told: `leave` politely, or `return` and let the registry be
/// dropped.
#[tokio::test]
#[ignore = "a process that other tests start"]
async fn a_node() -> Result<()> {
    let Ok(service) = std::env::var(SERVICE) else { return Ok(()) };
    let registry = Mdns::new();
    registry.register(&node(&service), TTL).await?;
    println!("\nregistered");
    for line in std::io::stdin().lines().map_while(std::result::Result::ok) {
        match line.as_str() {
            "leave" => registry.deregister(&node(&service)).await?,
            _ => break,
        }
    }
    Ok(())
}

struct Other {
    process: Child,
    input: ChildStdin,
    /// Kept open, because the process says more later.
    _output: BufReader<ChildStdout>,
}

impl Other {
    /// Starts a process and returns when it has registered its node.
    fn start(service: &str) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe().map_err(broken)?)
            .args(["a_node", "--exact", "--ignored", "--nocapture"])
            .env(SERVICE, service)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(broken)?;
        let input = process.stdin.take().ok_or_else(|| Error::internal("no stdin"))?;
        let output = process.stdout.take().ok_or_else(|| Error::internal("no stdout"))?;
        let mut output = BufReader::new(output);
        let registered = output.by_ref().lines().any(|line| matches!(line.as_deref(), Ok("registered")));
        if registered {
            Ok(Self { process, input, _output: output })
        } else {
            Err(Error::internal("it did not register"))
        }
    }

    fn tell(&mut self, what: &str) -> Result<()> {
        writeln!(self.input, "{what}").map_err(broken)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn broken(error: std::io::Error) -> Error {
    Error::internal("the other process").with_source(error)
}

fn service() -> String {
    format!("processes.{}", Uuid::new_v4().simple())
}

fn view(service: &str) -> Result<(Discovery, Arc<View>)> {
    let discovery = Discovery::new(Arc::new(Mdns::new()));
    let view = discovery.view(service)?;
    Ok((discovery, view))
}

/// Waits for so many nodes and says how long that took.
async fn nodes(view: &View, count: usize, within: Duration) -> Result<Duration> {
    let begin = Instant::now();
    let there = timeout(within, view.until(|nodes| nodes.len() == count)).await;
    there.map_err(|_| Error::deadline_exceeded(format!("not {count} nodes within {within:?}")))?;
    Ok(begin.elapsed())
}

#[tokio::test]
async fn a_node_that_starts_later_is_found_at_once() -> Result<()> {
    let service = service();
    let (_discovery, view) = view(&service)?;
    view.ready(None).await?;
    assert!(view.nodes().is_empty());
    let _other = Other::start(&service)?;
    let time = nodes(&view, 1, Duration::from_millis(500)).await?;
    println!("found after {time:?}");
    assert_eq!(view.nodes()[0].node(), &node(&service).node);
    Ok(())
}

#[tokio::test]
async fn a_node_that_started_earlier_is_found_within_two_seconds() -> Result<()> {
    let service = service();
    let _other = Other::start(&service)?;
    // The worst moment is a little after the announcement: mDNS does not repeat itself within a
    // second.
    for wait in [0, 150, 600, 1200] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let (_discovery, view) = view(&service)?;
        let time = nodes(&view, 1, Duration::from_secs(2)).await?;
        println!("found after {time:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_node_that_leaves_is_lost_at_once_and_so_is_one_that_just_ends() -> Result<()> {
    let service = service();
    let (_discovery, view) = view(&service)?;
    for farewell in ["leave", "return"] {
        let mut other = Other::start(&service)?;
        nodes(&view, 1, Duration::from_secs(2)).await?;
        other.tell(farewell)?;
        let time = nodes(&view, 0, Duration::from_millis(800)).await?;
        println!("lost after {time:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_node_that_was_killed_is_lost_soon_after_it_is_suspected_and_a_living_one_is_not() -> Result<()> {
    let (killed, living) = (service(), service());
    let discovery = Discovery::new(Arc::new(Mdns::new()));
    let (killed_view, living_view) = (discovery.view(&killed)?, discovery.view(&living)?);
    let (other, _another) = (Other::start(&killed)?, Other::start(&living)?);
    for view in [&killed_view, &living_view] {
        nodes(view, 1, Duration::from_secs(2)).await?;
    }
    drop(other);
    for view in [&killed_view, &living_view] {
        view.suspect(&view.nodes()[0]);
    }
    let time = nodes(&killed_view, 0, Duration::from_secs(4)).await?;
    println!("lost after {time:?}");
    assert_eq!(living_view.nodes().len(), 1);

    // It comes back with the same name and address.
    let _again = Other::start(&killed)?;
    let time = nodes(&killed_view, 1, Duration::from_millis(500)).await?;
    println!("found again after {time:?}");
    Ok(())
}

#[tokio::test]
async fn a_killed_node_that_starts_again_is_the_same_node() -> Result<()> {
    let service = service();
    let (_discovery, view) = view(&service)?;
    let other = Other::start(&service)?;
    nodes(&view, 1, Duration::from_secs(2)).await?;
    drop(other);
    let mut again = Other::start(&service)?;
    assert_eq!(view.nodes().len(), 1);
    again.tell("leave")?;
    nodes(&view, 0, Duration::from_millis(800)).await?;
    Ok(())
}
