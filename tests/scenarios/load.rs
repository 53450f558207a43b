//! Constant load: calls that are not idempotent, and streams without an end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use micro::{Code, Context, Error};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::node::WorkClient;

const CALLERS: usize = 6;
const STREAMS: usize = 3;
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) struct Load {
    counts: Arc<Mutex<Counts>>,
    over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<()>>,
}

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) answered: usize,
    pub(crate) failed: usize,
    pub(crate) first_error: Option<Error>,
    /// How often a stream ended, and another one took its place.
    pub(crate) moved: usize,
    /// The numbers that came on streams.
    pub(crate) numbers: usize,
}

impl Counts {
    fn fail(&mut self, error: Error) {
        self.failed += 1;
        self.first_error.get_or_insert(error);
    }
}

impl Load {
    pub(crate) fn start(work: &WorkClient) -> Self {
        let mut load = Self { counts: Arc::default(), over: Arc::default(), callers: Vec::new() };
        for _ in 0..CALLERS {
            load.callers.push(tokio::spawn(call(work.clone(), load.counts.clone(), load.over.clone())));
        }
        for _ in 0..STREAMS {
            load.callers.push(tokio::spawn(listen(work.clone(), load.counts.clone(), load.over.clone())));
        }
        load
    }

    /// Waits until so many more calls were answered.
    pub(crate) async fn goes_on(&self, calls: usize) {
        let answered = || self.counts.lock().unwrap().answered;
        let before = answered();
        while answered() < before + calls {
            sleep(PAUSE).await;
        }
    }

    /// Ends it, and says what came out.
    pub(crate) async fn end(self) -> Counts {
        self.over.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.await.unwrap();
        }
        std::mem::take(&mut *self.counts.lock().unwrap())
    }
}

async fn call(work: WorkClient, counts: Arc<Mutex<Counts>>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let answer = work.take(&Context::new(), ()).await;
        {
            let mut counts = counts.lock().unwrap();
            match answer {
                Ok(_) => counts.answered += 1,
                Err(error) => counts.fail(error),
            }
        }
        sleep(PAUSE).await;
    }
}

/// Reads a stream until it ends, and then another one. That it cannot be had is a failure, and so is any end but the
/// one of a node that stops.
async fn listen(work: WorkClient, counts: Arc<Mutex<Counts>>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let mut numbers = match work.count(&Context::new(), ()).await {
            Ok(numbers) => numbers,
            Err(error) => return counts.lock().unwrap().fail(error),
        };
        while !over.load(Ordering::Relaxed) {
            let next = numbers.next().await;
            let mut counts = counts.lock().unwrap();
            match next {
                Ok(Some(_)) => {
                    counts.numbers += 1;
                    continue;
                }
                // It is told to move.
                Ok(None) => counts.moved += 1,
                Err(error) if error.code() == Code::Unavailable => counts.moved += 1,
                Err(error) => return counts.fail(error),
            }
            break;
        }
    }
}
