//! Programs of their own, as users start and stop them: found over mDNS, told to stop by a signal,
//! killed.
//!
//! A test starts this very test binary again with `MICRO_TEST_NODE` set; the test [`node`] is then
//! the program.

#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Stdio;
use std::time::{Duration, Instant};

use micro::{Client, Context, Result, Service};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const NODE: &str = "MICRO_TEST_NODE";

struct Program;

#[micro::handler]
impl Program {
    pub async fn id(&self, _ctx: &Context, _request: ()) -> Result<u32> {
        Ok(std::process::id())
    }

    /// Says that it has begun, and is done when a second call comes.
    pub async fn slow(&self, _ctx: &Context, millis: u64) -> Result<u32> {
        println!("slow");
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok(std::process::id())
    }
}

/// Not a test in itself: the program that the tests start.
#[tokio::test]
async fn node() {
    let Ok(name) = std::env::var(NODE) else { return };
    let service = Service::new(name).handle(Program);
    let stopped = service
        .after_start(|| async {
            println!("started");
            Ok(())
        })
        .after_stop(|| async {
            println!("stopped");
            Ok(())
        })
        .run()
        .await;
    println!("{}", if stopped.is_ok() { "ok" } else { "failed" });
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    async fn start(name: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "node", "--nocapture"])
            .env(NODE, name)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut process = Self { child, lines };
        process.says("started").await;
        process
    }

    async fn says(&mut self, what: &str) {
        let wait = async { while self.lines.next_line().await.unwrap().unwrap() != what {} };
        timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("it never says `{what}`"));
    }

    async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().await.unwrap().success());
    }
}

/// A name that no other run of these tests on this machine has.
fn unique(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

#[tokio::test]
async fn a_program_finds_another_one_over_mdns_with_nothing_installed() {
    let name = unique("found");
    let process = Process::start(&name).await;
    let program = ProgramClient::with_name(&Client::new(), &name);
    let start = Instant::now();
    assert_eq!(program.id(&Context::new(), ()).await.unwrap(), process.child.id().unwrap());
    assert!(start.elapsed() < Duration::from_secs(4), "two seconds at worst, and some for a busy machine");
}

#[tokio::test]
async fn sigterm_and_ctrl_c_let_the_call_in_flight_finish() {
    for signal in ["-TERM", "-INT"] {
        let name = unique(&format!("stops{signal}"));
        let mut process = Process::start(&name).await;
        let program = ProgramClient::with_name(&Client::new(), &name);
        let pid = process.child.id().unwrap();
        let call = tokio::spawn(program.slow(&Context::new(), 300).into_future());
        process.says("slow").await;
        process.signal(signal).await;
        process.says("stopped").await;
        process.says("ok").await;
        assert_eq!(call.await.unwrap().unwrap(), pid);
        assert!(process.child.wait().await.unwrap().success());
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_program_at_once() {
    let name = unique("hurried");
    let mut process = Process::start(&name).await;
    let program = ProgramClient::with_name(&Client::new(), &name);
    let call =
        tokio::spawn(program.slow(&Context::new(), 60_000).timeout(Duration::from_secs(120)).into_future());
    process.says("slow").await;
    process.signal("-TERM").await;
    process.signal("-INT").await;
    process.says("failed").await;
    assert!(call.await.unwrap().is_err());
}

#[tokio::test]
async fn a_killed_node_is_out_of_use_as_soon_as_it_refuses_a_connection() {
    let name = unique("killed");
    let mut first = Process::start(&name).await;
    let second = Process::start(&name).await;
    let program = ProgramClient::with_name(&Client::new(), &name);
    let ctx = Context::new();
    let (first_id, second_id) = (first.child.id().unwrap(), second.child.id().unwrap());
    let mut seen = (false, false);
    while seen != (true, true) {
        let id = program.id(&ctx, ()).await.unwrap();
        seen = (seen.0 | (id == first_id), seen.1 | (id == second_id));
    }
    first.child.kill().await.unwrap();
    // A call that is under way when the node dies may fail; the process is gone now.
    for _ in 0..200 {
        assert_eq!(program.id(&ctx, ()).await.unwrap(), second_id);
    }
}
