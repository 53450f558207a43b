use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::Service;
use crate::error::{Error, Result};

type Hook = Box<dyn FnOnce() -> BoxFuture<'static, Result<()>> + Send>;

/// The user's code at the turns of the service's life.
impl Service {
    /// Runs before the service listens. Hooks of one kind run in the order they were added; the
    /// first error stops the start.
    ///
    /// Its other half is [`after_stop`](Self::after_stop).
    pub fn before_start<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.before_start.add(hook);
        self
    }

    /// Runs once the service takes calls and is registered, or is not to be yet because a
    /// [check](Self::check) fails. An error stops the service again.
    ///
    /// Its other half is [`before_stop`](Self::before_stop).
    pub fn after_start<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.after_start.add(hook);
        self
    }

    /// Runs when the service was told to stop, before it leaves the registry. All hooks run,
    /// whatever the ones before them return, and the service takes calls until they are done: they
    /// have no limit but their own.
    ///
    /// They run in the end of every service that got as far as its
    /// [`after_start`](Self::after_start) hooks, even where one of those failed.
    pub fn before_stop<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.before_stop.add(hook);
        self
    }

    /// Runs when the last call is done. All hooks run, whatever the ones before them return; they
    /// have no limit but their own.
    ///
    /// They run in the end of every service that got as far as its
    /// [`before_start`](Self::before_start) hooks, even where one of those, or the rest of the
    /// start, failed.
    pub fn after_stop<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.hooks.after_stop.add(hook);
        self
    }
}

/// The user's code at the turns of a service's life.
#[derive(Default)]
pub(super) struct Hooks {
    pub(super) before_start: List,
    pub(super) after_start: List,
    pub(super) before_stop: List,
    pub(super) after_stop: List,
}

/// Hooks of one kind, in the order they were added.
#[derive(Default)]
pub(super) struct List(Vec<Hook>);

impl List {
    pub(super) fn add<F, Fut>(&mut self, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.0.push(Box::new(|| guarded(hook).boxed()));
    }

    /// Runs the hooks up to the first error.
    pub(super) async fn run(self) -> Result<()> {
        for hook in self.0 {
            hook().await?;
        }
        Ok(())
    }

    /// Runs all hooks and collects their errors.
    pub(super) async fn run_all(self, errors: &mut Errors) {
        for hook in self.0 {
            errors.note(hook().await);
        }
    }
}

/// A hook that panics is an error like another: what was begun is still undone.
async fn guarded<Fut: Future<Output = Result<()>>>(hook: impl FnOnce() -> Fut) -> Result<()> {
    let run = AssertUnwindSafe(async { hook().await }).catch_unwind();
    run.await.unwrap_or_else(|_| Err(Error::internal("a hook of the service panicked")))
}

/// Errors of steps that all have to be taken.
#[derive(Default)]
pub(super) struct Errors(Vec<Error>);

impl Errors {
    pub(super) fn note(&mut self, outcome: Result<()>) {
        self.0.extend(outcome.err());
    }

    /// The first error, with what the others say behind it.
    pub(super) fn into_result(mut self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let first = self.0.remove(0);
        Err(self.behind(first))
    }

    /// An error that came before all of these, with what they say behind it.
    pub(super) fn behind(self, first: Error) -> Error {
        if self.0.is_empty() {
            return first;
        }
        let rest: Vec<_> = self.0.iter().map(Error::to_string).collect();
        let message = format!("{}; and then: {}", first.message(), rest.join("; "));
        Error::new(first.code(), message).with_source(first)
    }
}
