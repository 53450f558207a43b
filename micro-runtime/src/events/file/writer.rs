//! The thread that writes: what comes at the same time is written in one transaction, and so waits for the disk together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use super::changes::Changes;
use super::codec::micros;
use super::database::{Shared, broken, damaged};
use super::reading::Reading;
use super::watched::Watched;
use crate::error::{Code, Error, Result};

/// How often the file is looked at for what other processes wrote, and for what is due.
const LOOK: Duration = Duration::from_millis(25);

/// How often events are looked for that are too old.
const TEND: Duration = Duration::from_millis(200);

/// As many requests are written in one transaction, at the most. What they may have together is limited where they are made.
const MOST_AT_ONCE: usize = 4096;

/// Changes something, where there is a transaction to do it in, and returns how to tell of it afterwards: with the error, where
/// there was no commit.
type Job = Box<dyn FnOnce(Option<&mut Changes<'_>>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Option<&Error>)>;

enum Request {
    Change(Job),
    Stop(oneshot::Sender<()>),
}

/// What requests are given to.
pub(super) struct Writer(Sender<Request>);

impl Writer {
    /// Begins to write. The thread ends when this is dropped.
    pub(super) fn start(database: Arc<Shared>, watched: Arc<Watched>) -> Result<Self> {
        let (sender, requests) = channel();
        let thread = Thread { database, watched, requests, tended: Instant::now() };
        let started = thread::Builder::new().name("micro-events".into()).spawn(move || thread.run());
        started.map_err(|error| Error::unavailable("a thread cannot be started").with_source(error))?;
        Ok(Self(sender))
    }

    /// Does something in a transaction, and returns after the commit.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Changes<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |changes| {
            let outcome = changes.map(|changes| {
                let outcome = work(changes);
                // What is damaged was damaged before, and takes nothing else with it.
                if let Err(error) = outcome.as_ref()
                    && error.code() != Code::DataLoss
                {
                    changes.failed = Some(copy(error));
                }
                outcome
            });
            Box::new(move |failure| {
                let failed = || Err(failure.map_or_else(closed, copy));
                // Whoever asked may have gone.
                let _ = sender.send(match (failure, outcome) {
                    (None, Some(outcome)) => outcome,
                    _ => failed(),
                });
            })
        });
        self.0.send(Request::Change(job)).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Ends the thread, after what was asked of it before.
    pub(super) async fn stop(&self) {
        let (sender, stopped) = oneshot::channel();
        if self.0.send(Request::Stop(sender)).is_ok() {
            let _ = stopped.await;
        }
    }
}

fn closed() -> Error {
    Error::unavailable("the log was closed")
}

/// The same error for several who are told of it.
fn copy(error: &Error) -> Error {
    Error::new(error.code(), error.message())
}

struct Thread {
    database: Arc<Shared>,
    watched: Arc<Watched>,
    requests: Receiver<Request>,
    tended: Instant,
}

impl Thread {
    fn run(mut self) {
        loop {
            let mut jobs = Vec::new();
            let mut stopped = None;
            match self.requests.recv_timeout(LOOK) {
                Ok(Request::Change(job)) => jobs.push(job),
                Ok(Request::Stop(stop)) => stopped = Some(stop),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while stopped.is_none() && jobs.len() < MOST_AT_ONCE {
                match self.requests.try_recv() {
                    Ok(Request::Change(job)) => jobs.push(job),
                    Ok(Request::Stop(stop)) => stopped = Some(stop),
                    Err(_) => break,
                }
            }
            if !jobs.is_empty() {
                self.write(jobs);
                if self.tended.elapsed() > TEND {
                    self.look();
                }
            }
            if let Some(stopped) = stopped {
                drop(self);
                let _ = stopped.send(());
                return;
            }
        }
    }

    /// Writes all that was asked for. Where one of the requests fails halfway, nothing of that transaction is kept: those
    /// before it are told, and those after it are tried.
    fn write(&self, jobs: Vec<Job>) {
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            let mut answers = Vec::new();
            let outcome = self.transaction(|changes| {
                while changes.failed.is_none()
                    && let Some(job) = jobs.next()
                {
                    answers.push(job(Some(&mut *changes)));
                }
                Ok(())
            });
            if answers.is_empty() {
                // There was no transaction: nobody can be served.
                let failure = outcome.err().unwrap_or_else(damaged);
                jobs.for_each(|job| job(None)(Some(&failure)));
                return;
            }
            let failure = outcome.err();
            answers.into_iter().for_each(|answer| answer(failure.as_ref()));
        }
    }

    /// Sees what others wrote, and does what is due.
    fn look(&mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let reading = Reading::new(&self.database.get())?;
            self.watched.look(&reading)?;
            reading.needs_tending(micros(SystemTime::now()))
        }));
        let outcome = match outcome.unwrap_or_else(|_| Err(damaged())) {
            Ok(false) => Ok(()),
            Ok(true) => self.transaction(|changes| changes.tend().map(drop)),
            Err(error) => Err(error),
        };
        self.tended = Instant::now();
        if let Err(error) = outcome {
            tracing::warn!(%error, "the file of events cannot be looked after");
            self.recover(&error);
            thread::sleep(TEND);
        }
    }

    fn transaction(&self, work: impl FnOnce(&mut Changes<'_>) -> Result<()>) -> Result<()> {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let writing = self.database.get().begin_write().map_err(broken)?;
            let mut changes = Changes::new(&writing, micros(SystemTime::now()))?;
            work(&mut changes)?;
            if let Some(failed) = changes.failed.take() {
                return Err(failed);
            }
            let next = changes.finish()?;
            writing.commit().map_err(broken)?;
            Ok(next)
        }));
        match outcome.unwrap_or_else(|_| Err(damaged())) {
            Ok(next) => {
                self.watched.announce(next);
                Ok(())
            }
            Err(error) => {
                self.recover(&error);
                Err(error)
            }
        }
    }

    fn recover(&self, error: &Error) {
        if matches!(error.code(), Code::Unavailable | Code::ResourceExhausted | Code::DataLoss) {
            self.database.open_again();
        }
    }
}
