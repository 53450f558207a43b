//! Being given the events of a stream: asking for as many as there is room for, before they are needed.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::jetstream::{self, AckKind};
use async_nats::{StatusCode, Subject, Subscriber};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{Mutex, Notify, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::consumer::Consumer;
use super::link::{Connection, Link};
use super::taken::{Pulled, Taken};
use crate::error::{Error, Result};

/// How long the server remembers that we want events. It is short because a server cannot be told that we do not want them any
/// more: a request that leads nowhere shuffles what is given back, and lets the server count wrong (seen with 2.9).
const WANTED: Duration = Duration::from_secs(1);

/// How much later than that we do not believe it any more.
const GRACE: Duration = Duration::from_secs(2);

/// So many are wanted at the most, whatever there is room for: the library drops what it cannot keep.
const MOST_WANTED: usize = 4096;

/// The pauses between two tries to find the consumer again.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// The deliveries that are out, by the numbers of their events: the last one of each, with a number of its own, and where the server is
/// told about it.
type Out = HashMap<u64, (u64, Subject)>;

/// An event, and how often it was delivered before.
type Arrived = (jetstream::Message, u32);

/// Makes sure of the consumer. `None` says that there is none any more, on purpose.
pub(crate) type Make = Box<dyn Fn(Before) -> BoxFuture<'static, Result<Option<Consumer>>> + Send + Sync>;

/// What was before a consumer is made sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing: it begins.
    Nothing,
    /// It was there; this is the number of the last event that came from it.
    Last(Option<u64>),
}

/// The events of a consumer. What nobody took goes back when it is dropped.
pub(crate) struct Puller {
    flow: Arc<Flow>,
    keeper: AbortHandle,
}

/// What comes from the server. It is shared with those that look after it.
pub(crate) struct Flow {
    link: Arc<Link>,
    room: Arc<Semaphore>,
    freed: Notify,
    in_hand: usize,
    ack_wait: Duration,
    out: std::sync::Mutex<Out>,
    tickets: AtomicU64,
    state: Mutex<State>,
}

struct State {
    make: Make,
    consumer: Consumer,
    inbox: Subject,
    arriving: Subscriber,
    /// What arrived and was not taken.
    waiting: VecDeque<Arrived>,
    /// How many more the server knows that it may send, and until when.
    wanted: usize,
    until: Instant,
    connection: Connection,
    last: Option<u64>,
    /// The consumer is not there; since so many tries.
    gone: Option<u32>,
    /// Nothing more is wanted.
    ended: bool,
    /// And what was on its way was given back.
    left: bool,
}

impl Puller {
    /// Begins. `ack_wait` is how long the server waits until it gives an event to somebody else.
    pub(crate) async fn begin(
        link: Arc<Link>,
        make: Make,
        in_hand: NonZeroUsize,
        ack_wait: Duration,
    ) -> Result<Self> {
        let consumer =
            make(Before::Nothing).await?.ok_or_else(|| Error::not_found("the consumer was deleted"))?;
        let inbox = Subject::from(link.client.new_inbox());
        let arriving =
            link.client.subscribe(inbox.clone()).await.map_err(|error| link.lost().with_source(error))?;
        // The server has no more than that, and neither has the semaphore.
        let in_hand = in_hand.get().min(Semaphore::MAX_PERMITS).min(1 << 20);
        let connection = *link.connection.borrow();
        let flow = Arc::new(Flow {
            room: Arc::new(Semaphore::new(in_hand)),
            freed: Notify::new(),
            in_hand,
            ack_wait,
            state: Mutex::new(State {
                make,
                consumer,
                inbox,
                arriving,
                waiting: VecDeque::new(),
                wanted: 0,
                until: Instant::now(),
                connection,
                last: None,
                gone: None,
                ended: false,
                left: false,
            }),
            out: std::sync::Mutex::default(),
            tickets: AtomicU64::new(0),
            link: link.clone(),
        });
        link.attend(&flow);
        let keeper = link.spawn(flow.clone().keep(ack_wait / 3));
        Ok(Self { flow, keeper })
    }

    /// The next event. `None` after the end. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Pulled> {
        let flow = &self.flow;
        let room = tokio::select! {
            biased;
            () = flow.link.closed.cancelled() => return None,
            room = flow.room.clone().acquire_owned() => room.ok()?,
        };
        let (message, attempts_before) = flow.state.lock().await.next(flow).await?;
        let (sequence, published) = message.info().map_or((0, SystemTime::now()), |info| {
            let nanos = u64::try_from(info.published.unix_timestamp_nanos()).unwrap_or_default();
            (info.stream_sequence, SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos))
        });
        let ticket = flow.tickets.fetch_add(1, Ordering::Relaxed);
        if let Some(reply) = message.reply.clone() {
            flow.out().insert(sequence, (ticket, reply));
        }
        let (message, acker) = message.split();
        Some(Pulled {
            payload: message.payload,
            headers: message.headers,
            attempts_before,
            sequence,
            published,
            taken: Taken::new(acker, flow.clone(), (sequence, ticket), room),
        })
    }

    /// Takes no further events. Those that nobody took are given back a moment later.
    pub(crate) async fn end(&mut self) {
        self.flow.state.lock().await.ended = true;
        let flow = self.flow.clone();
        self.flow.link.spawn(async move { flow.leave().await });
    }
}

impl Drop for Puller {
    fn drop(&mut self) {
        self.keeper.abort();
        let flow = self.flow.clone();
        self.flow.link.spawn(async move { flow.leave().await });
    }
}

impl Flow {
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// How long the server waits until it gives an event to somebody else.
    pub(super) fn ack_wait(&self) -> Duration {
        self.ack_wait
    }

    /// Somebody has done with a delivery. Returns whether it was the last one of its event.
    pub(super) fn returned(&self, (sequence, ticket): (u64, u64)) -> bool {
        let mut out = self.out();
        let is_last = out.get(&sequence).is_some_and(|(last, _)| *last == ticket);
        if is_last {
            out.remove(&sequence);
        }
        is_last
    }

    /// There is room for another one.
    pub(super) fn has_room(&self) {
        self.freed.notify_one();
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What arrived and waits to be taken is ours, and stays so: the server is told now and then.
    async fn keep(self: Arc<Self>, every: Duration) {
        loop {
            sleep(every.max(Duration::from_millis(10))).await;
            // Where it is in use somebody takes what arrives.
            let Ok(mut state) = self.state.try_lock() else { continue };
            while let Some(Some(message)) = state.arriving.next().now_or_never() {
                if let Some(message) = state.sort(&self, message) {
                    state.waiting.push_back(message);
                }
            }
            for (message, _) in &state.waiting {
                let _ = message.ack_with(AckKind::Progress).await;
            }
        }
    }

    /// Ends it for good: what is out is given back as well.
    pub(crate) async fn end(&self) {
        self.leave().await;
        // Those that were ended before have left already.
        self.give_back_out().await;
    }

    async fn give_back_out(&self) {
        // It is over for all deliveries where the connection is.
        if !self.link.closed.is_cancelled() {
            return;
        }
        let mut out: Vec<_> = self.out().drain().collect();
        out.sort_unstable_by_key(|(sequence, _)| *sequence);
        for (_, (_, reply)) in out {
            let _ = self.link.client.publish(reply, AckKind::Nak(None).into()).await;
        }
    }

    /// Waits for what is on its way, and gives back what nobody took.
    async fn leave(&self) {
        let mut state = self.state.lock().await;
        state.ended = true;
        if std::mem::replace(&mut state.left, true) {
            return;
        }
        // The server may still send what was wanted, until it says that the time is over.
        while state.wanted > 0 && state.gone.is_none() && self.link.connection.borrow().up {
            let until = state.until;
            match timeout_at(until, state.arriving.next()).await {
                Ok(Some(message)) => state.put(self, message),
                _ => break,
            }
        }
        let _ = state.arriving.unsubscribe().await;
        // In their order, which others will see.
        self.give_back_out().await;
        for (message, _) in state.waiting.drain(..) {
            let _ = message.ack_with(AckKind::Nak(None)).await;
        }
        if state.consumer.own {
            let Consumer { stream, name, .. } = &state.consumer;
            if let Err(error) = self.link.delete_consumer(stream, name).await {
                tracing::debug!(%error, "a consumer stays until the server finds that nobody uses it");
            }
        }
    }
}

impl State {
    fn put(&mut self, flow: &Flow, message: async_nats::Message) {
        if let Some(message) = self.sort(flow, message) {
            self.waiting.push_back(message);
        }
    }

    async fn next(&mut self, flow: &Flow) -> Option<Arrived> {
        let link = &flow.link;
        let mut connection = link.connection.clone();
        loop {
            if self.ended || link.closed.is_cancelled() {
                return None;
            }
            if let Some(message) = self.waiting.pop_front() {
                return Some(message);
            }
            // Mostly something is there.
            if let Some(Some(message)) = self.arriving.next().now_or_never() {
                if let Some(message) = self.sort(flow, message) {
                    return Some(message);
                }
                continue;
            }
            let now = *connection.borrow_and_update();
            if now.number != self.connection.number {
                // The server that knew what we want may be gone; if it is not, it knows that the connection is.
                (self.connection, self.wanted) = (now, 0);
            }
            if self.wanted > 0 && Instant::now() >= self.until {
                self.wanted = 0;
            }
            if let Some(tries) = self.gone {
                self.find(flow, tries).await;
                continue;
            }
            if now.up {
                self.want(flow).await;
            }
            tokio::select! {
                biased;
                () = link.closed.cancelled() => return None,
                message = self.arriving.next() => match message {
                    Some(message) => {
                        if let Some(message) = self.sort(flow, message) {
                            return Some(message);
                        }
                    }
                    // The connection is over for good.
                    None => return None,
                },
                () = flow.freed.notified() => {}
                changed = connection.changed() => if changed.is_err() { return None },
                () = sleep_until(self.until), if self.wanted > 0 => {}
            }
        }
    }

    /// Tells the server how many more there is room for, where that is worth a message.
    async fn want(&mut self, flow: &Flow) {
        // The one that is waited for has its room already.
        let taken = flow.in_hand.saturating_sub(flow.room.available_permits() + 1);
        let known = taken + self.waiting.len() + self.wanted;
        let more = flow.in_hand.saturating_sub(known).min(MOST_WANTED.saturating_sub(self.wanted));
        if more == 0 || (self.wanted > 0 && more * 2 < flow.in_hand) {
            return;
        }
        let request = BatchConfig { batch: more, expires: Some(WANTED), ..BatchConfig::default() };
        let Ok(request) = serde_json::to_vec(&request) else { return };
        let Consumer { stream, name, .. } = &self.consumer;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}");
        let asked = flow.link.client.publish_with_reply(subject, self.inbox.clone(), request.into());
        if asked.await.is_ok() {
            self.wanted += more;
            self.until = Instant::now() + WANTED + GRACE;
        }
    }

    /// Whether this is an event. If not, the server says something about what we want.
    fn sort(&mut self, flow: &Flow, message: async_nats::Message) -> Option<Arrived> {
        let Some(status) = message.status else {
            let message = jetstream::Message { message, context: flow.link.jetstream.clone() };
            let info = message.info().ok()?;
            let before = u32::try_from(info.delivered.saturating_sub(1)).unwrap_or_default();
            // A server that was killed forgets what it delivered last. But what it delivers for the first time, it
            // delivers in order.
            let known = self.last.is_some_and(|last| info.stream_sequence <= last);
            self.last = self.last.max(Some(info.stream_sequence));
            self.wanted = self.wanted.saturating_sub(1);
            return Some((message, before.max(u32::from(known))));
        };
        let text = message.description.as_deref().unwrap_or_default();
        match status {
            StatusCode::IDLE_HEARTBEAT => {}
            StatusCode::NO_RESPONDERS => self.lose("nobody has it"),
            _ if text.contains("Consumer Deleted") => self.lose(text),
            _ => {
                let unused =
                    message.headers.as_ref().and_then(|headers| headers.get("Nats-Pending-Messages"));
                let unused = unused.and_then(|count| count.as_str().parse().ok()).unwrap_or(self.wanted);
                self.wanted = self.wanted.saturating_sub(unused);
                if text.starts_with("Exceeded Max") {
                    // Asking again at once would be refused again.
                    tracing::warn!(status = %text, consumer = self.consumer.name, "NATS refused to be asked for events");
                    (self.wanted, self.until) = (self.wanted.max(1), Instant::now() + PAUSES[1]);
                }
            }
        }
        None
    }

    fn lose(&mut self, why: &str) {
        if self.gone.is_none() {
            tracing::warn!(
                why,
                stream = self.consumer.stream,
                consumer = self.consumer.name,
                "the consumer in NATS is gone"
            );
            self.gone = Some(0);
        }
    }

    /// Makes sure of the consumer again.
    async fn find(&mut self, flow: &Flow, tries: u32) {
        let made: Result<Option<Consumer>> = async {
            flow.link.ready().await?;
            (self.make)(Before::Last(self.last)).await
        }
        .await;
        match made {
            Ok(None) => self.ended = true,
            Ok(Some(consumer)) => {
                self.last = self.last.filter(|_| !consumer.anew);
                (self.consumer, self.wanted, self.gone) = (consumer, 0, None);
            }
            Err(error) => {
                self.gone = Some(tries.saturating_add(1));
                tracing::warn!(%error, "cannot find the consumer in NATS again; it is tried again");
                let pause = PAUSES[0].saturating_mul(1 << tries.min(8)).min(PAUSES[1]);
                tokio::select! {
                    () = sleep(pause) => {}
                    () = flow.link.closed.cancelled() => {}
                }
            }
        }
    }
}

impl std::fmt::Debug for Puller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Puller")
    }
}
