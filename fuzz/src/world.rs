//! The runtime that inputs run in, and the services that outlive them.
//!
//! Its clock stands still while there is something to do and jumps where there is not. So every time
//! limit of a service is met in no time, and an input does the same each time.

use std::time::Duration;

use micro::Running;
use micro::transport::{BoxIo, Memory, Transport as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use crate::lab::{self, ADDRESS};

/// Longer than anything may take, by the clock that jumps: connections have an age, and calls a
/// deadline.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How many seconds after an input its last task ends.
const LEFT: usize = 100;

/// Where inputs run.
pub(crate) struct World {
    runtime: Runtime,
    /// A service of calls alone.
    pub(crate) plain: Site,
    /// The same with layers, CORS, compression and a mounted service.
    pub(crate) dressed: Site,
    /// How many tasks there are when nothing is going on.
    tasks: usize,
}

/// A service and its network.
pub(crate) struct Site {
    network: Memory,
    _running: Running,
}

thread_local! {
    static WORLD: World = World::new();
}

/// Runs one input to its end, and checks that nothing is left of it and that the services still serve.
pub(crate) fn run(input: impl AsyncFnOnce(&World)) {
    WORLD.with(|world| {
        world.runtime.block_on(async {
            input(world).await;
            world.settle().await;
            world.plain.still_serves().await;
            world.dressed.still_serves().await;
            world.settle().await;
        });
    });
}

/// Waits for what has to happen.
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, event).await {
        Ok(happened) => happened,
        Err(_) => panic!("{what} takes for ever"),
    }
}

impl World {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without drivers can be built");
        let (plain, dressed, tasks) = runtime.block_on(async {
            let (plain, dressed) = (Site::start(false).await, Site::start(true).await);
            plain.still_serves().await;
            dressed.still_serves().await;
            sleep(PATIENCE).await;
            let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
            (plain, dressed, tasks)
        });
        Self { runtime, plain, dressed, tasks }
    }

    /// The service that an input chooses.
    pub(crate) fn site(&self, dressed: bool) -> &Site {
        if dressed { &self.dressed } else { &self.plain }
    }

    async fn settle(&self) {
        for _ in 0..LEFT {
            if self.runtime.metrics().num_alive_tasks() <= self.tasks {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
        let left = self.runtime.metrics().num_alive_tasks() - self.tasks;
        panic!("{left} tasks are left behind");
    }
}

impl Site {
    async fn start(dressed: bool) -> Self {
        let network = Memory::new();
        let running = lab::start(&network, dressed).await.expect("the service starts");
        Self { network, _running: running }
    }

    pub(crate) async fn connect(&self) -> BoxIo {
        self.network.connect(ADDRESS).await.expect("the service listens")
    }

    async fn still_serves(&self) {
        let mut io = self.connect().await;
        let request = b"POST /fuzz.v1.Lab/Echo HTTP/1.1\r\nhost: lab\r\ncontent-type: application/json\r\n\
            connection: close\r\ncontent-length: 5\r\n\r\n\"Ada\"";
        let mut answer = Vec::new();
        soon("a good call", async {
            io.write_all(request).await.expect("the service reads");
            io.read_to_end(&mut answer).await.expect("the service answers");
        })
        .await;
        let good = answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"\"Ada\"");
        assert!(good, "a good call is answered {}", answer.escape_ascii());
    }
}
