//! A log in a file.

mod changes;
mod claim;
mod codec;
mod database;
mod keeper;
mod reading;
mod tables;
mod watched;
mod writer;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use self::keeper::Keeper;
use super::group::Table;
use super::limits::{check_event, check_group, check_topic};
use super::{Abilities, ConsumeOptions, EventLog, GroupStatus, Retention, Start, Stored};
use crate::broker::{Envelope, Subscription};
use crate::error::Result;

/// A log in a file on this machine: nothing is installed, and nothing is lost.
///
/// * What [`publish`](EventLog::publish) returned an offset for is on the disk. Events that are published at the same time are
///   written together and wait for the disk once, so many publishers are much faster than one that waits for each event.
/// * The end of a process at any point, `kill -9` or a power cut, leaves a file that is right and opens at once. The file
///   is a database of [redb](https://docs.rs/redb).
/// * Several processes may use one file at the same time, on Linux, macOS and Windows, and on a disk of their own machine:
///   not over a network. They hear of each other's events within some 25 milliseconds.
/// * A group belongs to one process at a time, whose members share its events. Members in other processes wait, and one of them
///   takes over within half a second when that process has no members any more, or ends, however it ends.
/// * Acknowledgements are saved together within 50 milliseconds. After a crash, what was acknowledged last may be
///   delivered again. What was in somebody's hand then, or was about to be, has [one attempt
///   more](crate::broker::Delivery::attempts_before). With [`ordered`](ConsumeOptions::ordered), an event that had waited for the one before it
///   and was delivered within the last 50 milliseconds may not say so.
/// * A file that is damaged, or is something else, is an error that says so, and is never written to.
/// * Events of up to [8 MiB](super::MAX_EVENT). What retention takes away leaves room in the file that is used again; the file itself
///   does not get smaller.
///
/// Beside the file there is a folder with the same name and `.locks`, where processes agree on who has which group. Constructing a
/// handle opens nothing: the file is made with the first use. Clones are the same handle. It needs Rust 1.90.
///
/// ```
/// use micro_runtime::broker::Envelope;
/// use micro_runtime::events::{EventLog, File, Start};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> micro_runtime::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("orders.events");
/// let log = File::new(&path);
/// log.publish("orders", Envelope::new("book")).await?;
/// log.close().await?;
///
/// let orders = File::new(&path).read("orders", Start::Oldest, 10).await?;
/// assert_eq!(orders[0].envelope.body, "book");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct File {
    keeper: Arc<Keeper>,
    groups: Arc<Table>,
}

impl File {
    /// The log in this file, which is made where it is not there, with the folders that lead to it.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::with(Keeper::new(path.into(), true))
    }

    /// Whether the whole file is read when it is opened, to see that nothing in it is damaged; yes unless set. It takes as long as reading
    /// it takes, and who writes meanwhile waits. A file that is opened without, and was written to by something else or
    /// lost a part with the disk, may end the process.
    #[must_use]
    pub fn verify(self, verify: bool) -> Self {
        Self::with(self.keeper.again(verify))
    }

    fn with(keeper: Keeper) -> Self {
        let keeper = Arc::new(keeper);
        Self { groups: Table::new(keeper.clone()), keeper }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        self.keeper.path()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("path", &self.path()).finish_non_exhaustive()
    }
}

#[async_trait]
impl EventLog for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn abilities(&self) -> Abilities {
        Abilities::new().durable().shared().delays().batches().ordered()
    }

    async fn publish(&self, topic: &str, envelope: Envelope) -> Result<u64> {
        check_topic(topic)?;
        check_event(topic, &envelope)?;
        Ok(self.keeper.append(topic, &[envelope]).await?.start)
    }

    async fn publish_all(&self, topic: &str, envelopes: Vec<Envelope>) -> Result<Range<u64>> {
        check_topic(topic)?;
        for envelope in &envelopes {
            check_event(topic, envelope)?;
        }
        self.keeper.append(topic, &envelopes).await
    }

    async fn publish_at(&self, topic: &str, envelope: Envelope, at: SystemTime) -> Result<()> {
        check_topic(topic)?;
        check_event(topic, &envelope)?;
        self.keeper.append_at(topic, &envelope, at).await
    }

    async fn consume(&self, options: ConsumeOptions) -> Result<Box<dyn Subscription>> {
        self.groups.consume(options).await
    }

    async fn read(&self, topic: &str, start: Start, limit: usize) -> Result<Vec<Stored>> {
        check_topic(topic)?;
        self.keeper.read(topic, start, limit).await
    }

    async fn set_retention(&self, topic: &str, retention: Retention) -> Result<()> {
        check_topic(topic)?;
        self.keeper.set_retention(topic, retention).await
    }

    async fn groups(&self, topic: &str) -> Result<Vec<GroupStatus>> {
        check_topic(topic)?;
        self.groups.save(topic).await;
        let mut groups = self.keeper.groups(topic).await?;
        self.groups.describe(topic, &mut groups).await;
        Ok(groups)
    }

    async fn delete_group(&self, topic: &str, group: &str) -> Result<()> {
        check_topic(topic)?;
        check_group(group)?;
        self.groups.end(topic, group).await;
        self.keeper.delete_group(topic, group).await
    }

    async fn close(&self) -> Result<()> {
        self.groups.close().await;
        self.keeper.close().await;
        Ok(())
    }
}
