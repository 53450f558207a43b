//! Servers that tests need: one that runs already, or one of the test's own, which it may break.
//!
//! `ci/servers.sh` starts those that run already and says where the programs are. Where a server is not there the test
//! is skipped, visibly, and fails in CI.

#![allow(dead_code)]

use std::fmt;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use micro_runtime::registry::conformance::{Data, Faults};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

/// Longer than a server takes to start, on a machine that has much else to do; and shorter than a scenario may take,
/// so that it is said what did not start.
const PATIENCE: Duration = Duration::from_secs(40);

/// What kind of server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Etcd,
    Nats,
    /// One that keeps nothing.
    NatsWithoutJetStream,
    RabbitMq,
    Consul,
}

impl Kind {
    fn variable(self) -> &'static str {
        match self {
            Self::Etcd => "MICRO_TEST_ETCD",
            Self::Nats | Self::NatsWithoutJetStream => "MICRO_TEST_NATS",
            Self::RabbitMq => "MICRO_TEST_RABBITMQ",
            Self::Consul => "MICRO_TEST_CONSUL",
        }
    }
}

/// `host:port` of the server that runs for all tests; `None` says that the test is to be skipped.
pub(crate) fn running(kind: Kind) -> Option<String> {
    setting(kind.variable())
}

/// The path of the program; `None` says that the test is to be skipped.
pub(crate) fn program(kind: Kind) -> Option<String> {
    setting(&format!("{}_PROGRAM", kind.variable()))
}

/// A server that the test owns: on a port of its own, with a folder for its data, gone when it is dropped.
pub(crate) struct Server {
    kind: Kind,
    program: String,
    /// The one that clients connect to, and those that the server needs for itself.
    ports: [u16; 3],
    data: TempDir,
    process: Option<Child>,
    /// What Erlang's nodes ask for each other, where it is one.
    names: Option<Child>,
}

impl Server {
    /// Starts one and waits until it answers; `None` says that the test is to be skipped.
    pub(crate) async fn start(kind: Kind) -> Option<Self> {
        let program = program(kind)?;
        // Somebody else may take a port before the server does.
        for _ in 0..5 {
            let data = tempfile::tempdir().expect("a folder for data");
            let mut server =
                Self { kind, program: program.clone(), ports: ports(), data, process: None, names: None };
            if server.try_restart().await.is_ok() {
                return Some(server);
            }
        }
        panic!("{program} does not start");
    }

    /// `host:port`, which stays the same when it is restarted.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// Ends it as a crash does: `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it can be killed");
            process.wait().expect("it ends");
        }
    }

    /// Lets it hang: its connections stay, and nothing comes any more. It can be killed.
    pub(crate) fn freeze(&self) {
        let process = self.process.as_ref().expect("the server runs").id();
        let frozen = Command::new("kill").args(["-STOP", &process.to_string()]).status();
        assert!(frozen.expect("there is `kill`").success());
    }

    /// Does something that only administrators of RabbitMQ do.
    pub(crate) async fn rabbitmqctl(&self, arguments: &[&str]) {
        assert_eq!(self.kind, Kind::RabbitMq);
        let program = Path::new(&self.program).with_file_name("rabbitmqctl");
        let mut command = tokio::process::Command::new(program);
        let command = command
            .env("HOME", self.data.path())
            .env("ERL_AFLAGS", "-start_epmd false")
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.ports[2].to_string())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .args(["--node", "test@localhost"])
            .args(arguments)
            .kill_on_drop(true);
        let done = timeout(PATIENCE, command.output()).await.expect("it ends").expect("there is rabbitmqctl");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Forgets its data. It must not run.
    pub(crate) fn wipe(&mut self) {
        assert!(self.process.is_none(), "the server runs");
        self.data = tempfile::tempdir().expect("a folder for data");
    }

    /// Starts it again, on the same port and with the same data, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        self.try_restart()
            .await
            .unwrap_or_else(|error| panic!("{} does not start again: {error}", self.program));
    }

    async fn try_restart(&mut self) -> Result<(), String> {
        self.kill();
        if self.kind == Kind::RabbitMq && self.names.is_none() {
            self.names = Some(epmd(self.ports[2]).map_err(|error| error.to_string())?);
        }
        // It is ours from here on: whoever gives up waiting ends it with this value.
        self.process = Some(self.command().spawn().map_err(|error| error.to_string())?);
        let end = Instant::now() + PATIENCE;
        let end = loop {
            if self.answers().await {
                break Ok(());
            }
            let Some(process) = &mut self.process else { break Err("it was ended".to_owned()) };
            match process.try_wait() {
                Ok(None) if Instant::now() < end => sleep(Duration::from_millis(50)).await,
                Ok(None) => break Err("it does not answer".to_owned()),
                Ok(Some(status)) => break Err(format!("it ended with {status}")),
                Err(error) => break Err(error.to_string()),
            }
        };
        if end.is_err() {
            self.kill();
        }
        end
    }

    fn command(&self) -> Command {
        let [client, second, third] = self.ports;
        let data = self.data.path();
        let mut command = Command::new(&self.program);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match self.kind {
            Kind::Etcd => command
                .args(["--listen-client-urls", &url(client), "--advertise-client-urls", &url(client)])
                .args(["--listen-peer-urls", &url(second), "--initial-advertise-peer-urls", &url(second)])
                .args(["--initial-cluster", &format!("default={}", url(second))])
                .arg("--data-dir")
                .arg(data.join("etcd")),
            Kind::Nats => command
                .args(["--addr", "127.0.0.1", "--port", &client.to_string(), "--jetstream"])
                .arg("--store_dir")
                .arg(data),
            Kind::NatsWithoutJetStream => {
                command.args(["--addr", "127.0.0.1", "--port", &client.to_string()])
            }
            // With "input" it is the process that is started here, and not the child of a shell.
            Kind::RabbitMq => command
                .env("HOME", data)
                .env("ERL_AFLAGS", "-start_epmd false")
                .env("ERL_EPMD_ADDRESS", "127.0.0.1")
                .env("ERL_EPMD_PORT", third.to_string())
                .env("RABBITMQ_NODENAME", "test@localhost")
                .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
                .env("RABBITMQ_NODE_PORT", client.to_string())
                .env("RABBITMQ_DIST_PORT", second.to_string())
                .env("RABBITMQ_MNESIA_BASE", data.join("data"))
                .env("RABBITMQ_LOG_BASE", data.join("log"))
                .env("RABBITMQ_ENABLED_PLUGINS_FILE", data.join("plugins"))
                .env("RABBITMQ_CONFIG_FILE", data.join("none"))
                .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
                .env("RABBITMQ_ALLOW_INPUT", "1")
                .env(
                    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                    "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
                ),
            Kind::Consul => command
                .args(["agent", "-server", "-bootstrap-expect=1", "-node=test"])
                .args(["-bind=127.0.0.1", "-client=127.0.0.1", "-dns-port=-1", "-grpc-port=-1"])
                .args(["-grpc-tls-port=-1", "-serf-wan-port=-1"])
                .args([format!("-http-port={client}"), format!("-serf-lan-port={second}")])
                .arg(format!("-server-port={third}"))
                .arg(format!("-data-dir={}", data.join("consul").display()))
                .arg(format!("-config-file={}", consul_settings(data))),
        };
        command
    }

    /// Whether it does what it is there for, and not only listens.
    async fn answers(&self) -> bool {
        let (path, answer) = match self.kind {
            Kind::Etcd => ("/health", "true"),
            Kind::Consul => ("/v1/catalog/service/consul", "\"Node\""),
            // It says what it speaks to whoever speaks something else.
            Kind::RabbitMq => ("/", "AMQP"),
            // It greets whoever connects.
            Kind::Nats | Kind::NatsWithoutJetStream => ("", "INFO"),
        };
        let address = self.address();
        let asking = ask(&address, path, answer);
        timeout(Duration::from_secs(5), asking).await.is_ok_and(|answer| answer.unwrap_or(false))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if let Some(mut names) = self.names.take() {
            let _ = names.kill();
            let _ = names.wait();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} on {}", self.kind, self.address())
    }
}

/// A server for the driver kit to break.
#[derive(Debug)]
pub(crate) struct Breakable(Mutex<Server>);

impl Breakable {
    pub(crate) fn new(server: Server) -> Self {
        Self(Mutex::new(server))
    }
}

#[async_trait]
impl Faults for Breakable {
    async fn kill(&self) -> micro_runtime::Result<()> {
        self.0.lock().await.kill();
        Ok(())
    }

    async fn restart(&self, data: Data) -> micro_runtime::Result<()> {
        let mut server = self.0.lock().await;
        if data == Data::Lost {
            server.wipe();
        }
        server.restart().await;
        Ok(())
    }
}

fn setting(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        let text = format!("{variable} is not set: run `ci/servers.sh cargo test`, which starts the servers");
        assert!(std::env::var_os("CI").is_none(), "{text}");
        // What is printed with macros is shown for tests that fail only.
        let _ = writeln!(std::io::stderr(), "skipped: {text}");
    }
    value
}

/// Ports that nobody has.
pub(crate) fn ports() -> [u16; 3] {
    let free = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    free.map(|listener| listener.local_addr().expect("it has an address").port())
}

/// Lets the nodes of Erlang on this port find each other. One that a node starts by itself would outlive it, so none does.
fn epmd(port: u16) -> std::io::Result<Child> {
    Command::new("epmd")
        .args(["-address", "127.0.0.1", "-port", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The election of a leader of one takes seconds unless it is told to hurry.
fn consul_settings(data: &Path) -> String {
    let path = data.join("settings.json");
    let settings = r#"{"performance": {"raft_multiplier": 1}, "disable_update_check": true}"#;
    std::fs::write(&path, settings).expect("a file can be written");
    path.display().to_string()
}

/// Whether what listens there answers a request, or by itself where there is no path, with this in it.
async fn ask(address: &str, path: &str, wanted: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    if !path.is_empty() {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
    }
    let mut answer = Vec::new();
    while stream.read_buf(&mut answer).await? > 0 {
        if String::from_utf8_lossy(&answer).contains(wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}
