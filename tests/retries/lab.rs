//! Nodes that do what a test tells them, on a network in memory, so that the clock can be stopped.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use micro::client::{Client, ClientBuilder};
use micro::registry::{Discovery, Memory as Registry};
use micro::selector::Random;
use micro::transport::Memory as Network;
use micro::{Code, Context, Environment, Error, Result, Running, Sender, Service, Streaming};
use tokio::time::{Instant, sleep};

#[micro::service(package = "test.v1")]
pub trait Probe {
    #[micro(idempotent)]
    async fn read(&self, ctx: &Context, name: String) -> Result<String>;
    async fn write(&self, ctx: &Context, name: String) -> Result<String>;
    #[micro(idempotent)]
    async fn list(&self, ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()>;
    #[micro(idempotent)]
    async fn sum(&self, ctx: &Context, numbers: Streaming<u64>) -> Result<u64>;
}

/// What a node does with a call.
pub(crate) enum Step {
    Fail(Error),
    /// Answers after this time.
    Slow(Duration),
    Hang,
}

impl Step {
    pub(crate) fn unavailable() -> Self {
        Self::Fail(Error::unavailable("not now"))
    }
}

/// A call as it arrived at a node.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) node: usize,
    pub(crate) attempts: u32,
    pub(crate) at: Instant,
}

/// What all nodes share: what they do with the next calls, and what came so far.
#[derive(Default)]
pub(crate) struct Script {
    steps: Mutex<VecDeque<Step>>,
    /// What is done when there are no more.
    always: Mutex<Option<Code>>,
    /// A node that answers nothing.
    hangs: Mutex<Option<usize>>,
    arrived: Mutex<Vec<Arrived>>,
    cancelled: AtomicUsize,
}

/// Counts a handler that did not get to its end.
struct Runs<'a>(&'a Script, bool);

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Script {
    async fn play(&self, node: usize, ctx: &Context) -> Result<()> {
        let mut runs = Runs(self, false);
        let arrived = Arrived { node, attempts: ctx.previous_attempts(), at: Instant::now() };
        self.arrived.lock().unwrap().push(arrived);
        if *self.hangs.lock().unwrap() == Some(node) {
            std::future::pending::<()>().await;
        }
        let step = self.steps.lock().unwrap().pop_front();
        let played = match step {
            Some(Step::Fail(error)) => Err(error),
            Some(Step::Slow(time)) => {
                sleep(time).await;
                Ok(())
            }
            Some(Step::Hang) => std::future::pending().await,
            None => match *self.always.lock().unwrap() {
                Some(code) => Err(Error::new(code, "always so")),
                None => Ok(()),
            },
        };
        runs.1 = true;
        played
    }
}

struct Handler {
    node: usize,
    script: Arc<Script>,
}

#[micro::handler]
impl Probe for Handler {
    async fn read(&self, ctx: &Context, name: String) -> Result<String> {
        self.script.play(self.node, ctx).await?;
        Ok(format!("{name} from {}", self.node))
    }

    async fn write(&self, ctx: &Context, name: String) -> Result<String> {
        self.script.play(self.node, ctx).await?;
        Ok(name)
    }

    async fn list(&self, ctx: &Context, upto: u64, out: &mut Sender<u64>) -> Result<()> {
        for number in 1..=upto {
            out.send(number).await?;
        }
        self.script.play(self.node, ctx).await
    }

    async fn sum(&self, ctx: &Context, mut numbers: Streaming<u64>) -> Result<u64> {
        let mut sum = 0;
        while let Some(number) = numbers.next().await? {
            sum += number;
        }
        self.script.play(self.node, ctx).await?;
        Ok(sum)
    }
}

/// A service of some nodes.
pub(crate) struct Lab {
    pub(crate) registry: Registry,
    pub(crate) network: Network,
    pub(crate) script: Arc<Script>,
    /// Where clients share what the nodes are found with, so that calls stay in the process.
    inside: Option<Discovery>,
    nodes: Vec<Running>,
}

impl Lab {
    pub(crate) async fn new(nodes: usize) -> Self {
        Self::with(nodes, Registry::new(), None).await
    }

    /// One whose calls stay in the process.
    pub(crate) async fn inside(nodes: usize) -> Self {
        let registry = Registry::new();
        let discovery = Discovery::new(Arc::new(registry.clone()));
        Self::with(nodes, registry, Some(discovery)).await
    }

    async fn with(nodes: usize, registry: Registry, inside: Option<Discovery>) -> Self {
        let (network, script) = (Network::new(), Arc::default());
        let mut lab = Self { registry, network, script, inside, nodes: Vec::new() };
        for _ in 0..nodes {
            lab.join(|service| service).await;
        }
        lab
    }

    /// One more node.
    pub(crate) async fn join(&mut self, change: impl FnOnce(Service) -> Service) {
        let node = self.nodes.len();
        let handler = Handler { node, script: self.script.clone() };
        let service = change(self.service("probe").id(node.to_string()));
        self.nodes.push(service.handle(handler).start().await.unwrap());
    }

    /// A service on the same network.
    pub(crate) fn service(&self, name: &str) -> Service {
        let service = Service::new(name).environment(Environment::empty()).transport(self.network.clone());
        match &self.inside {
            Some(_) => service.with_client(self.builder().build()),
            None => service.registry(self.registry.clone()),
        }
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        let client = Client::builder().environment(Environment::empty()).selector(Random::new());
        let client = client.transport(self.network.clone());
        match &self.inside {
            Some(discovery) => client.discovery(discovery.clone()),
            None => client.registry(self.registry.clone()),
        }
    }

    pub(crate) fn client(&self) -> ProbeClient {
        ProbeClient::new(&self.builder().build())
    }

    /// What the nodes do with the next calls.
    pub(crate) fn steps(&self, steps: impl IntoIterator<Item = Step>) -> &Self {
        self.script.steps.lock().unwrap().extend(steps);
        self
    }

    /// What the nodes do with all calls.
    pub(crate) fn always(&self, code: impl Into<Option<Code>>) -> &Self {
        *self.script.always.lock().unwrap() = code.into();
        self
    }

    /// From now on this node answers nothing.
    pub(crate) fn hangs(&self, node: usize) -> &Self {
        *self.script.hangs.lock().unwrap() = Some(node);
        self
    }

    /// The calls that came since this was asked last.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.script.arrived.lock().unwrap())
    }

    /// How many handlers were dropped.
    pub(crate) fn cancelled(&self) -> usize {
        self.script.cancelled.load(Ordering::SeqCst)
    }

    pub(crate) async fn stop(self) {
        for node in self.nodes {
            node.stop().await.unwrap();
        }
    }
}

/// Reads, and says only whether and why not.
pub(crate) async fn read(client: &ProbeClient) -> Result<()> {
    client.read(&Context::new(), "it".to_owned()).await.map(drop)
}

/// Writes, and says only whether and why not.
pub(crate) async fn write(client: &ProbeClient) -> Result<()> {
    client.write(&Context::new(), "it".to_owned()).await.map(drop)
}
