//! A call that has a key: it goes on when its caller goes away, and its answer is kept.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;

use super::interceptor::count;
use super::record::Record;
use super::store::{KeyStore, Lease};
use crate::call::{Invocation, Next, Payload};
use crate::context::Context;
use crate::error::{Code, Error, Result};
use crate::metadata::Metadata;

/// So many calls go on at a time whose callers went away. What is above that is dropped with its caller, so
/// that nobody can make a service hold any number of them by calling and going away.
const MOST: usize = 1024;

/// A lease is renewed so many times before it would be over.
const RENEWALS: u32 = 3;

/// A lease is not renewed more often than this.
const SHORTEST: Duration = Duration::from_millis(10);

/// How a call ended, which may be with a panic.
type Ended = thread::Result<Result<Payload>>;

/// Runs calls apart from their callers.
#[derive(Clone)]
pub(super) struct Apart {
    /// How long a call may go on without its caller.
    pub(super) patience: Duration,
    room: Arc<Semaphore>,
    lost: Arc<AtomicU64>,
}

impl Apart {
    /// `lost` counts answers that were not kept.
    pub(super) fn new(patience: Duration, lost: Arc<AtomicU64>) -> Self {
        Self { patience, room: Arc::new(Semaphore::new(MOST)), lost }
    }

    /// Runs the call, and keeps its answer. Where this is dropped the call goes on.
    pub(super) async fn run(
        &self,
        mut call: Invocation,
        next: Next,
        held: Held,
        keep: Duration,
    ) -> Result<Payload> {
        let (asked, own) = (call.context.clone(), call.context.apart());
        call.context = own.clone();
        let (tell, told) = oneshot::channel();
        let task = self.clone().see_through(call, next, held, keep, tell);
        tokio::spawn(task.in_current_span());
        match told.await {
            Ok(Ok(answered)) => {
                let (headers, trailers) = own.reply_so_far();
                pass_on(&asked, (&headers, &trailers))?;
                answered
            }
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Error::unavailable("the service stopped before the call was done")),
        }
    }

    /// The call, with or without its caller.
    async fn see_through(
        self,
        call: Invocation,
        next: Next,
        held: Held,
        keep: Duration,
        mut tell: oneshot::Sender<Ended>,
    ) {
        let _over = Over(call.context.clone());
        let method = call.method;
        let mut work = pin!(AssertUnwindSafe(self.work(call, next, held, keep)).catch_unwind());
        let ended = tokio::select! {
            biased;
            ended = &mut work => Some(ended),
            () = tell.closed() => None,
        };
        if let Some(ended) = ended {
            // Who went away at this moment asks again.
            let _ = tell.send(ended);
            return;
        }
        let Ok(_room) = self.room.try_acquire() else {
            tracing::warn!(
                method = method.path,
                "too many calls go on whose callers went away: one with an idempotency key was dropped"
            );
            return;
        };
        if timeout(self.patience, work).await.is_err() {
            let after = humantime::format_duration(self.patience).to_string();
            tracing::warn!(method = method.path, after, "a call was dropped, since its caller is long gone");
        }
    }

    /// Runs the call, and keeps its answer.
    async fn work(&self, call: Invocation, next: Next, held: Held, keep: Duration) -> Result<Payload> {
        let (context, method) = (call.context.clone(), call.method);
        let answered = tokio::select! {
            biased;
            answered = next.run(call) => answered,
            never = held.renew() => match never {},
        };
        let answer = match &answered {
            Ok(Payload::Message(message)) => Ok(message),
            Err(error) if is_decided(error) => Err(error),
            Ok(Payload::Stream(_)) | Err(_) => {
                held.release().await;
                return answered;
            }
        };
        if let Err(error) = held.finish(Record::write(answer, context.reply_so_far()), keep).await {
            count(&self.lost);
            tracing::warn!(method = method.path, %error, "an answer was not kept for its idempotency key");
        }
        answered
    }
}

/// Sets what was set on one answer on another one.
pub(super) fn pass_on(context: &Context, (headers, trailers): (&Metadata, &Metadata)) -> Result<()> {
    for (name, value) in headers.iter() {
        context.set_header(name, value)?;
    }
    for (name, value) in trailers.iter() {
        context.set_trailer(name, value)?;
    }
    Ok(())
}

/// Says that a call is over.
struct Over(Context);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.end_apart();
    }
}

/// A key that this call has, until it is dropped.
pub(super) struct Held {
    store: Arc<dyn KeyStore>,
    key: String,
    lease: Option<Lease>,
    time: Duration,
}

impl Held {
    /// The lease on this key, which is for this time.
    pub(super) fn new(store: Arc<dyn KeyStore>, key: String, lease: Lease, time: Duration) -> Self {
        Self { store, key, lease: Some(lease), time }
    }

    /// Renews the lease again and again.
    async fn renew(&self) -> Infallible {
        loop {
            sleep((self.time / RENEWALS).max(SHORTEST)).await;
            let Some(lease) = &self.lease else { return std::future::pending().await };
            if let Err(error) = self.store.renew(&self.key, lease, self.time).await {
                tracing::warn!(%error, "the lease on an idempotency key was not renewed");
            }
        }
    }

    /// Keeps the record, or else that there was one. Where neither can be kept the lease ends by itself, and those that
    /// ask again wait until then: what was done is not free to be done again at once.
    async fn finish(mut self, record: Result<Bytes>, keep: Duration) -> Result<()> {
        let Some(lease) = self.lease.clone() else { return Ok(()) };
        let finished = match record {
            Ok(record) => self.store.finish(&self.key, &lease, record, keep).await,
            Err(error) => Err(error),
        };
        if finished.is_err() {
            let lost = Bytes::from_static(Record::LOST);
            if let Err(error) = self.store.finish(&self.key, &lease, lost, keep).await {
                tracing::warn!(%error, "it was not kept either that there was an answer");
            }
        }
        self.lease = None;
        finished
    }

    async fn release(mut self) {
        if let Some(lease) = &self.lease {
            note(self.store.release(&self.key, lease).await);
            self.lease = None;
        }
    }
}

impl Drop for Held {
    /// The call was dropped, or panicked. Where there is no runtime any more, the lease ends by itself.
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (store, key) = (self.store.clone(), std::mem::take(&mut self.key));
        runtime.spawn(async move { note(store.release(&key, &lease).await) });
    }
}

fn note(released: Result<()>) {
    if let Err(error) = released {
        tracing::warn!(%error, "an idempotency key was not released, and is free when its lease is over");
    }
}

/// Whether an error is the answer of a handler that knows how it ends, and would end so again.
fn is_decided(error: &Error) -> bool {
    let decided = matches!(
        error.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::OutOfRange
    );
    // What another service answered is not this one's answer unless it says so.
    decided && error.origin().is_none()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::{BoxFuture, join};

    use super::*;
    use crate::call::Interceptors;
    use crate::endpoint::MethodDescriptor;
    use crate::idempotency::{Idempotency, KEY, MemoryKeys};
    use crate::message::AnyMessage;
    use crate::metadata::Metadata;

    const METHOD: MethodDescriptor =
        MethodDescriptor::new::<(), u64>("test.v1.Till", "Pay", "/test.v1.Till/Pay", "");
    const SECOND: Duration = Duration::from_secs(1);

    /// A handler that takes so long, and counts how often it began and how often it came to an end.
    #[derive(Clone)]
    struct Till {
        calls: Interceptors,
        takes: Duration,
        began: Arc<AtomicUsize>,
        ended: Arc<AtomicUsize>,
    }

    impl Till {
        fn new(once: &Idempotency, takes: Duration) -> Self {
            let mut calls = Interceptors::default();
            calls.push(once.clone());
            Self { calls, takes, began: Arc::default(), ended: Arc::default() }
        }

        fn pay(&self, key: &str) -> BoxFuture<'static, Result<u64>> {
            let mut metadata = Metadata::new();
            metadata.append(KEY, key).unwrap();
            let call =
                Invocation::new(&METHOD, Context::of_call(metadata), Payload::Message(AnyMessage::new(())));
            let till = self.clone();
            async move {
                let (calls, handler) = (till.calls.clone(), till);
                let answer = calls.run(call, move |_| handler.clone().handle().boxed()).await?;
                let Payload::Message(message) = answer else { panic!("it does not stream") };
                message.take::<u64>()
            }
            .boxed()
        }

        async fn handle(self) -> Result<Payload> {
            let number = self.began.fetch_add(1, Ordering::SeqCst) + 1;
            sleep(self.takes).await;
            self.ended.fetch_add(1, Ordering::SeqCst);
            Ok(Payload::Message(AnyMessage::new(number as u64)))
        }

        fn counts(&self) -> (usize, usize) {
            (self.began.load(Ordering::SeqCst), self.ended.load(Ordering::SeqCst))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_takes_longer_than_a_lease_runs_once() {
        let once = Idempotency::new(MemoryKeys::new()).lease(SECOND).wait(60 * SECOND);
        let till = Till::new(&once, 20 * SECOND);
        let (first, second) = join(till.pay("a"), till.pay("a")).await;
        assert_eq!((first.unwrap(), second.unwrap(), till.counts()), (1, 1, (1, 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_caller_that_went_away_began_has_the_time_of_a_lease_to_end() {
        let once = Idempotency::new(MemoryKeys::new()).lease(10 * SECOND);
        let (quick, slow) = (Till::new(&once, 9 * SECOND), Till::new(&once, 30 * SECOND));
        for (till, key) in [(&quick, "a"), (&slow, "b")] {
            assert!(timeout(Duration::from_millis(500), till.pay(key)).await.is_err());
        }
        sleep(11 * SECOND).await;
        assert_eq!((quick.counts(), slow.counts()), ((1, 1), (1, 0)));
        assert_eq!((quick.pay("a").await.unwrap(), quick.counts()), (1, (1, 1)));
        // The key of the other one is free.
        assert_eq!((slow.pay("b").await.unwrap(), slow.counts()), (2, (2, 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_there_is_no_room_for_is_lost_and_not_given_anew() {
        let once = Idempotency::new(MemoryKeys::new().max_bytes(320));
        let till = Till::new(&once, SECOND);
        assert_eq!(till.pay("a").await.unwrap(), 1);
        assert_eq!(till.pay("a").await.unwrap_err().code(), Code::DataLoss);
        assert_eq!((till.counts(), once.counts().lost), ((1, 1), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_calls_than_there_is_room_for_go_on_without_their_callers() {
        let once = Idempotency::new(MemoryKeys::new());
        let till = Till::new(&once, 10 * SECOND);
        let calls: Vec<_> =
            (0..MOST + 50).map(|number| tokio::spawn(till.pay(&number.to_string()))).collect();
        sleep(SECOND).await;
        assert_eq!(till.counts(), (MOST + 50, 0));
        calls.iter().for_each(tokio::task::JoinHandle::abort);
        sleep(20 * SECOND).await;
        assert_eq!(till.counts(), (MOST + 50, MOST));
    }
}
