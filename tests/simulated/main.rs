//! The whole stack on a simulated network: hosts that crash and come back, and links that are held or lose
//! everything, for minutes of simulated time in seconds.
//!
//! Each host is a runtime of its own with paused time, and all that is sent goes through `turmoil`. Nodes, their
//! clients and their registry are what they are elsewhere; only the [transport](network) is another one.
//!
//! With one seed the same happens each time; `MICRO_SIMULATION_SEED=7 cargo test --test simulated` lets something else
//! happen.

#![allow(clippy::unwrap_used, missing_docs)]

mod directory;
mod network;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use micro::{Client, Context, Environment, Result, Service};
use network::Simulated;
use turmoil::{Builder, Sim};

/// The port that every host listens on.
const PORT: u16 = 7000;

const WORKERS: [&str; 3] = ["a", "b", "c"];

#[micro::service(package = "sim.v1")]
pub trait Work {
    /// Says who did it.
    #[micro(idempotent)]
    async fn done_by(&self, ctx: &Context, request: ()) -> Result<String>;
}

struct Worker(String);

#[micro::handler]
impl Work for Worker {
    async fn done_by(&self, _ctx: &Context, _request: ()) -> Result<String> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Ok(self.0.clone())
    }
}

/// What the calls came to.
#[derive(Clone, Default, PartialEq)]
struct Tally {
    done_by: BTreeMap<String, usize>,
    failed: Vec<(Duration, String)>,
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done_by, failed } = self;
        write!(f, "done by {done_by:?}, {} failed, first {:?}", failed.len(), failed.first())
    }
}

impl Tally {
    fn note(&mut self, answer: Result<String>) {
        match answer {
            Ok(worker) => *self.done_by.entry(worker).or_default() += 1,
            Err(error) => self.failed.push((turmoil::elapsed(), error.to_string())),
        }
    }

    fn of(&self, worker: &str) -> usize {
        self.done_by.get(worker).copied().unwrap_or_default()
    }
}

/// A network with a registry and three workers, and a client that calls them without a pause longer than 60 ms.
struct World {
    sim: Sim<'static>,
    tally: Rc<RefCell<Tally>>,
}

impl World {
    fn new(seed: u64, calling: Duration) -> Self {
        // Whatever draws lots on the way of a call does so with this generator: all hosts are on this thread.
        fastrand::seed(seed);
        let mut sim = Builder::new()
            .rng_seed(seed)
            .simulation_duration(calling + Duration::from_secs(60))
            .tick_duration(Duration::from_millis(20))
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(15))
            .tcp_capacity(4096)
            .build();
        sim.host("registry", || async { Ok(directory::serve(PORT).await?) });
        for worker in WORKERS {
            sim.host(worker, move || async move { Ok(work(worker).await?) });
        }
        let tally = Rc::new(RefCell::new(Tally::default()));
        sim.client("client", call(calling, tally.clone()));
        Self { sim, tally }
    }

    /// Lets time go on; `false` where the client has finished.
    fn run(&mut self, time: Duration) -> bool {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            if self.sim.step().unwrap() {
                return false;
            }
        }
        true
    }

    fn tally(&self) -> Tally {
        self.tally.borrow().clone()
    }

    /// What the calls of a time came to.
    fn during(&mut self, time: Duration) -> Tally {
        self.tally.replace(Tally::default());
        self.run(time);
        self.tally.replace(Tally::default())
    }
}

async fn work(name: &str) -> Result<()> {
    let start = || {
        let service = Service::new("work").environment(Environment::empty()).handle(Worker(name.to_owned()));
        service
            .id(name)
            .address(format!("0.0.0.0:{PORT}"))
            .advertise(format!("{name}:{PORT}"))
            .transport(Simulated)
            .registry(directory::Directory::at(&format!("registry:{PORT}")))
            .register_ttl(Duration::from_secs(9))
            .start()
    };
    // As a supervisor does it, where the registry is away.
    let _running = loop {
        match start().await {
            Ok(running) => break running,
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    };
    std::future::pending().await
}

async fn call(calling: Duration, tally: Rc<RefCell<Tally>>) -> turmoil::Result {
    let client = Client::builder()
        .environment(Environment::empty())
        .transport(Simulated)
        .registry(directory::Directory::at(&format!("registry:{PORT}")))
        // One that answers nothing on a connection that there is shows by that.
        .attempt_timeout(Duration::from_millis(500))
        .build();
    let work = WorkClient::new(&client);
    // Until the first worker has started.
    while work.done_by(&Context::new(), ()).await.is_err() {}
    while turmoil::elapsed() < calling {
        let answer = work.done_by(&Context::new(), ()).timeout(Duration::from_secs(2)).await;
        tally.borrow_mut().note(answer);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..60))).await;
    }
    Ok(())
}

/// The seed that the environment has, or else this one.
fn seed(default: u64) -> u64 {
    std::env::var("MICRO_SIMULATION_SEED").map_or(default, |seed| seed.parse().expect("a seed is a number"))
}

/// A time in which every ten seconds a worker crashes, and comes back six seconds later.
fn crashes(seed: u64, time: Duration) -> Tally {
    let mut world = World::new(seed, time);
    let mut turn = WORKERS.iter().cycle();
    while world.run(Duration::from_secs(4)) {
        let worker = turn.next().copied().unwrap();
        world.sim.crash(worker);
        if !world.run(Duration::from_secs(6)) {
            break;
        }
        world.sim.bounce(worker);
    }
    world.tally()
}

#[test]
fn workers_that_crash_and_come_back_for_ten_minutes_lose_no_idempotent_call() {
    let tally = crashes(seed(1), Duration::from_secs(600));
    println!("{tally:?}");
    assert!(tally.failed.is_empty(), "{tally:?}");
    for worker in WORKERS {
        assert!(tally.of(worker) > 1_000, "a worker that came back is used again: {tally:?}");
    }
}

#[test]
fn with_the_same_seed_the_same_happens() {
    let [one, same, other] = [3, 3, 4].map(|seed| crashes(seed, Duration::from_secs(60)));
    assert_eq!(one, same);
    assert_ne!(one, other);
}

#[test]
fn a_link_that_is_held_for_a_while_costs_no_idempotent_call() {
    let mut world = World::new(seed(2), Duration::from_secs(120));
    world.run(Duration::from_secs(20));
    world.sim.hold("client", "a");
    let held = world.during(Duration::from_secs(40));
    println!("held: {held:?}");
    assert!(held.failed.is_empty(), "{held:?}");
    assert!(held.of("b") + held.of("c") > 100, "{held:?}");
    world.sim.release("client", "a");
    world.run(Duration::from_secs(40));
    let after = world.during(Duration::from_secs(20));
    assert!(after.failed.is_empty(), "{after:?}");
    // Less than the others, as long as its answers are remembered as slow ones.
    assert!(after.of("a") > 0, "{after:?}");
}

#[test]
fn a_registry_that_is_cut_off_or_crashes_costs_no_call_and_new_workers_are_seen_when_it_is_back() {
    let mut world = World::new(seed(3), Duration::from_secs(400));
    world.run(Duration::from_secs(10));
    world.sim.crash("c");
    world.run(Duration::from_secs(20));
    world.sim.partition("client", "registry");
    world.sim.bounce("c");
    let cut_off = world.during(Duration::from_secs(60));
    assert!(cut_off.failed.is_empty(), "{cut_off:?}");
    world.sim.repair("client", "registry");
    world.run(Duration::from_secs(60));
    assert!(world.during(Duration::from_secs(10)).of("c") > 10);

    // All that it knew is lost with it.
    world.sim.crash("registry");
    let away = world.during(Duration::from_secs(60));
    assert!(away.failed.is_empty(), "{away:?}");
    world.sim.bounce("registry");
    let back = world.during(Duration::from_secs(60));
    println!("with the registry back: {back:?}");
    let after = world.during(Duration::from_secs(10));
    assert!(after.failed.is_empty(), "{after:?}");
    for worker in WORKERS {
        assert!(after.of(worker) > 10, "{after:?}");
    }
}
