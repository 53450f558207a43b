//! Programs of their own, as users start and stop them: found over mDNS, told to stop by a signal,
//! killed.
//!
//! A test starts this very test binary again with `MICRO_TEST_NODE` set; the test [`node`] is then
//! the program.

#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Stdio;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use micro::registry::{Memory, Registration, Registry, ServiceRecord, Watch};
use micro::{Client, Context, Result, Service};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

const NODE: &str = "MICRO_TEST_NODE";

/// Where the program is stuck, and says so: see [`node`].
const STUCK: &str = "MICRO_TEST_STUCK";

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
    let stuck = std::env::var(STUCK).unwrap_or_default();
    let mut service = Service::new(name).handle(Program);
    if stuck.contains("register") {
        service = service.registry(Stuck(Memory::new()));
    }
    if stuck.contains("before_start") {
        service = service.before_start(|| says_and_waits("before_start"));
    }
    if stuck.contains("after_stop") {
        service = service.after_stop(|| says_and_waits("after_stop"));
    }
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

async fn says_and_waits(what: &str) -> Result<()> {
    println!("{what}");
    std::future::pending().await
}

/// A registry that gets what it is told and does not answer.
#[derive(Debug)]
struct Stuck(Memory);

#[async_trait]
impl Registry for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
        self.0.register(registration, ttl).await?;
        says_and_waits("register").await
    }

    async fn deregister(&self, registration: &Registration) -> Result<()> {
        self.0.deregister(registration).await?;
        println!("left, and there are {}", self.0.services().await?.len());
        Ok(())
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        self.0.watch(service).await
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        self.0.services().await
    }
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    async fn start(name: &str) -> Self {
        let mut process = Self::spawn(name, "");
        process.says("started").await;
        process
    }

    /// A program that is stuck there.
    fn spawn(name: &str, stuck: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "node", "--nocapture"])
            .env(NODE, name)
            .env(STUCK, stuck)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
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
async fn two_services_of_one_program_are_found_and_stopped_one_by_one() {
    let (stays, goes) = (unique("stays"), unique("goes"));
    let first = Service::new(&stays).handle(Program).start().await.unwrap();
    let second = Service::new(&goes).handle(Program).start().await.unwrap();
    let client = Client::new();
    let ctx = Context::new();
    let (to_first, to_second) =
        (ProgramClient::with_name(&client, &stays), ProgramClient::with_name(&client, &goes));
    to_second.id(&ctx, ()).await.unwrap();
    second.stop().await.unwrap();
    assert!(to_second.id(&ctx, ()).await.is_err());
    assert_eq!(to_first.id(&ctx, ()).await.unwrap(), std::process::id());
    first.stop().await.unwrap();
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
async fn a_signal_during_the_start_ends_it_and_undoes_it() {
    for signal in ["-TERM", "-INT"] {
        let mut process = Process::spawn("unstarted", "before_start");
        process.says("before_start").await;
        process.signal(signal).await;
        process.says("stopped").await;
        process.says("ok").await;
        assert!(process.child.wait().await.unwrap().success());
    }
}

#[tokio::test]
async fn a_signal_while_it_registers_leaves_nothing_in_the_registry() {
    let mut process = Process::spawn("unregistered", "register");
    process.says("register").await;
    process.signal("-TERM").await;
    process.says("left, and there are 0").await;
    process.says("stopped").await;
    process.says("ok").await;
}

#[tokio::test]
async fn a_second_signal_during_the_start_ends_the_program_at_once() {
    let mut process = Process::spawn("unhurried", "before_start after_stop");
    process.says("before_start").await;
    process.signal("-TERM").await;
    process.says("after_stop").await;
    process.signal("-TERM").await;
    process.says("failed").await;
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
