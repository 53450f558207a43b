use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};

use super::claim::Claim;
use super::codec::{encode, micros};
use super::database::{Shared, damaged};
use super::reading::Reading;
use super::watched::Watched;
use super::writer::Writer;
use crate::broker::Envelope;
use crate::error::{Error, Result};
use crate::events::group::{Fetched, Opened, Progress, Storage};
use crate::events::{GroupStatus, Retention, Start, Stored};

/// What events that wait to be written may have together, in KiB. Whoever publishes more waits.
const MOST_WAITING: u32 = 64 << 10;

/// What keeps events in a file.
pub(super) struct Keeper {
    path: PathBuf,
    verify: bool,
    phase: Mutex<Phase>,
    room: Arc<Semaphore>,
}

enum Phase {
    NotOpen,
    Open(Arc<Open>),
    Closed,
}

struct Open {
    database: Arc<Shared>,
    writer: Writer,
    watched: Arc<Watched>,
}

impl Keeper {
    pub(super) fn new(path: PathBuf, verify: bool) -> Self {
        let room = Arc::new(Semaphore::new(MOST_WAITING as usize));
        Self { path, verify, phase: Mutex::new(Phase::NotOpen), room }
    }

    /// The same file, not opened yet.
    pub(super) fn again(&self, verify: bool) -> Self {
        Self::new(self.path.clone(), verify)
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    pub(super) async fn append(&self, topic: &str, envelopes: &[Envelope]) -> Result<Range<u64>> {
        let open = self.open().await?;
        let events: Vec<_> = envelopes.iter().map(encode).collect();
        let permit = self.room(events.iter().map(Vec::len).sum()).await?;
        let topic = topic.to_owned();
        let append = move |changes: &mut super::changes::Changes<'_>| {
            let range = changes.append(&topic, events);
            drop(permit);
            range
        };
        open.writer.change(append).await
    }

    pub(super) async fn append_at(&self, topic: &str, envelope: &Envelope, at: SystemTime) -> Result<()> {
        let open = self.open().await?;
        let event = encode(envelope);
        let permit = self.room(event.len()).await?;
        let (topic, at) = (topic.to_owned(), micros(at));
        let append = move |changes: &mut super::changes::Changes<'_>| {
            let outcome = changes.append_at(&topic, event, at);
            drop(permit);
            outcome
        };
        open.writer.change(append).await
    }

    pub(super) async fn read(&self, topic: &str, start: Start, limit: usize) -> Result<Vec<Stored>> {
        if start == Start::New {
            return Ok(Vec::new());
        }
        let topic = topic.to_owned();
        self.reading(move |reading| Ok(reading.fetch(&topic, reading.locate(&topic, start)?, limit)?.events))
            .await
    }

    pub(super) async fn set_retention(&self, topic: &str, retention: Retention) -> Result<()> {
        let topic = topic.to_owned();
        self.open().await?.writer.change(move |changes| changes.set_retention(&topic, retention)).await
    }

    pub(super) async fn groups(&self, topic: &str) -> Result<Vec<GroupStatus>> {
        let topic = topic.to_owned();
        self.reading(move |reading| reading.groups(&topic)).await
    }

    pub(super) async fn delete_group(&self, topic: &str, group: &str) -> Result<()> {
        let (topic, group) = (topic.to_owned(), group.to_owned());
        let delete = move |changes: &mut super::changes::Changes<'_>| changes.delete_group(&topic, &group);
        if let Some(number) = self.open().await?.writer.change(delete).await? {
            Claim::forget(&self.path, number);
        }
        Ok(())
    }

    /// Ends everything.
    pub(super) async fn close(&self) {
        let phase = std::mem::replace(&mut *self.phase.lock().await, Phase::Closed);
        if let Phase::Open(open) = phase {
            open.writer.stop().await;
            open.watched.end();
        }
    }

    /// Opens the file where that was not done yet.
    async fn open(&self) -> Result<Arc<Open>> {
        let mut phase = self.phase.lock().await;
        match &*phase {
            Phase::Open(open) => return Ok(open.clone()),
            Phase::Closed => return Err(Error::unavailable("the log was closed")),
            Phase::NotOpen => {}
        }
        let (path, verify) = (self.path.clone(), self.verify);
        let database = blocking(move || Shared::open(&path, verify).map(Arc::new)).await?;
        let watched = Arc::new(Watched::default());
        let writer = Writer::start(database.clone(), watched.clone())?;
        let open = Arc::new(Open { database, writer, watched });
        *phase = Phase::Open(open.clone());
        Ok(open)
    }

    /// Waits until there is room for so many bytes, and takes it.
    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).clamp(1, MOST_WAITING);
        let permit = self.room.clone().acquire_many_owned(kib).await;
        permit.map_err(|_| Error::unavailable("the log was closed"))
    }

    /// Reads something. The file is never read by a thread of the runtime.
    async fn reading<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reading) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let open = self.open().await?;
        let path = self.path.clone();
        blocking(move || {
            let outcome = Reading::new(&open.database.get()).and_then(|reading| work(&reading));
            outcome.map_err(|error| error.context(format_args!("the file of events `{}`", path.display())))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => Err(damaged()),
        Err(error) => Err(Error::unavailable("the runtime ends").with_source(error)),
    }
}

#[async_trait]
impl Storage for Keeper {
    async fn fetch(&self, topic: &str, offset: u64, limit: usize) -> Result<Fetched> {
        let topic = topic.to_owned();
        self.reading(move |reading| reading.fetch(&topic, offset, limit)).await
    }

    async fn locate(&self, topic: &str, start: Start) -> Result<u64> {
        let topic = topic.to_owned();
        self.reading(move |reading| reading.locate(&topic, start)).await
    }

    async fn next(&self, topic: &str) -> Result<watch::Receiver<u64>> {
        let open = self.open().await?;
        let receiver = open.watched.watch(topic);
        let topic = topic.to_owned();
        let next = self.reading({
            let topic = topic.clone();
            move |reading| Ok(reading.topic(&topic)?.map(|topic| topic.next))
        });
        open.watched.announce(next.await?.map(|next| (topic, next)));
        Ok(receiver)
    }

    async fn open(&self, topic: &str, group: &str, start: Start) -> Result<Opened> {
        let find = || {
            let (topic, group) = (topic.to_owned(), group.to_owned());
            self.reading(move |reading| reading.group(&topic, &group))
        };
        loop {
            let number = match find().await? {
                Some(progress) => progress.born,
                None => {
                    let (topic, group) = (topic.to_owned(), group.to_owned());
                    let open = self.open().await?;
                    open.writer.change(move |changes| changes.open_group(&topic, &group, start)).await?.born
                }
            };
            let path = self.path.clone();
            let Some(claim) = blocking(move || Claim::take(&path, number)).await? else {
                return Ok(Opened::Elsewhere);
            };
            // Whoever had it before may have saved, or deleted it.
            if let Some(progress) = find().await?.filter(|progress| progress.born == number) {
                return Ok(Opened::Here(progress, Box::new(claim)));
            }
        }
    }

    async fn save(&self, topic: &str, group: &str, progress: Progress) -> Result<bool> {
        let (topic, group) = (topic.to_owned(), group.to_owned());
        let save =
            move |changes: &mut super::changes::Changes<'_>| changes.save_group(&topic, &group, &progress);
        self.open().await?.writer.change(save).await
    }
}
