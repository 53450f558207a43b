//! The program that the scenarios start: a node that says on its output what happens in it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use micro::health::Check;
use micro::registry::from_environment;
use micro::testing::FaultyRegistry;
use micro::{Context, Environment, Error, Result, Sender, Service};
use tokio::time::{Instant, sleep};

/// The variable with the name of the service. With it set this program is a node.
pub(crate) const NAME: &str = "MICRO_SCENARIO_NODE";

/// So often a node looks at how it is.
pub(crate) const CHECKED_EVERY: Duration = Duration::from_millis(200);

/// What the nodes of the scenarios do.
#[micro::service(package = "scenarios.v1")]
pub(crate) trait Work {
    /// The process that took the call. It could be done twice by mistake: it is not marked as idempotent.
    async fn take(&self, ctx: &Context, request: ()) -> Result<u32>;
    /// Takes so many milliseconds, says what becomes of it, and is not idempotent either.
    async fn slow(&self, ctx: &Context, millis: u64) -> Result<u32>;
    /// How often `slow` was begun here.
    #[micro(idempotent)]
    async fn begun(&self, ctx: &Context, request: ()) -> Result<Begun>;
    /// Numbers without an end.
    async fn count(&self, ctx: &Context, request: (), out: &mut Sender<u64>) -> Result<()>;
}

/// What a node has begun.
#[derive(Debug, micro::Message, serde::Serialize, serde::Deserialize)]
pub(crate) struct Begun {
    pub(crate) by: u32,
    pub(crate) times: u64,
}

#[derive(Default)]
struct Worker {
    begun: AtomicU64,
}

/// Says how a handler ended.
struct Ends {
    begun: Instant,
    finished: bool,
}

impl Drop for Ends {
    fn drop(&mut self) {
        let how = if self.finished { "finished" } else { "dropped" };
        println!("{how} {}", self.begun.elapsed().as_millis());
    }
}

#[micro::handler]
impl Work for Worker {
    async fn take(&self, _ctx: &Context, _request: ()) -> Result<u32> {
        sleep(Duration::from_millis(1)).await;
        Ok(std::process::id())
    }

    async fn slow(&self, ctx: &Context, millis: u64) -> Result<u32> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        let mut ends = Ends { begun: Instant::now(), finished: false };
        println!("begun {}", ctx.remaining().unwrap_or_default().as_millis());
        sleep(Duration::from_millis(millis)).await;
        ends.finished = true;
        Ok(std::process::id())
    }

    async fn begun(&self, _ctx: &Context, _request: ()) -> Result<Begun> {
        Ok(Begun { by: std::process::id(), times: self.begun.load(Ordering::Relaxed) })
    }

    async fn count(&self, ctx: &Context, _request: (), out: &mut Sender<u64>) -> Result<()> {
        for number in 0.. {
            tokio::select! {
                () = sleep(Duration::from_millis(10)) => out.send(number).await?,
                () = ctx.stopping() => return Err(Error::unavailable("this node stops: call again")),
            }
        }
        Ok(())
    }
}

/// Runs until it is told to stop.
pub(crate) async fn run(service: String) -> ExitCode {
    match start(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("a node of the scenarios: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start(service: String) -> Result<()> {
    let registry = FaultyRegistry::new(from_environment(&Environment::process())?);
    let sick = Arc::new(AtomicBool::new(false));
    listen(sick.clone(), registry.clone());
    let mood = Check::new(move || {
        let well = !sick.load(Ordering::Relaxed);
        async move { if well { Ok(()) } else { Err(Error::unavailable("told to be sick")) } }
    });
    let ready = || async {
        println!("ready");
        Ok(())
    };
    Service::new(service)
        .handle(Worker::default())
        .registry(registry)
        .check("mood", mood.interval(CHECKED_EVERY))
        .after_start(ready)
        .run()
        .await
}

/// Does what the program that started this one says, line by line; and ends with it, however that ends, since this end
/// of the pipe is closed then.
fn listen(sick: Arc<AtomicBool>, registry: FaultyRegistry) {
    std::thread::spawn(move || {
        for word in std::io::stdin().lines().map_while(std::io::Result::ok) {
            match &*word {
                "be sick" => sick.store(true, Ordering::Relaxed),
                "be well" => sick.store(false, Ordering::Relaxed),
                _ => {
                    let counts = registry.counts();
                    println!("registered {}", counts.registered);
                    println!("deregistered {}", counts.deregistered);
                }
            }
        }
        std::process::exit(3);
    });
}
