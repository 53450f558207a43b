//! An event of a stream that is in somebody's hand.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::HeaderMap;
use async_nats::jetstream::AckKind;
use async_nats::jetstream::message::Acker;
use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::link::Link;
use crate::error::{Error, Result};

/// An event as the server gave it.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(crate) payload: Bytes,
    pub(crate) headers: Option<HeaderMap>,
    /// How often it was delivered before.
    pub(crate) attempts_before: u32,
    /// Its number in the stream.
    pub(crate) sequence: u64,
    /// When the stream took it.
    pub(crate) published: SystemTime,
    pub(crate) taken: Taken,
}

/// What there is to say about it in the end. Dropping it gives the event back, and the server delivers it again at once.
pub(crate) struct Taken {
    acker: Option<Acker>,
    link: Arc<Link>,
    room: Option<OwnedSemaphorePermit>,
    freed: Arc<Notify>,
}

impl Taken {
    pub(super) fn new(acker: Acker, link: Arc<Link>, room: OwnedSemaphorePermit, freed: Arc<Notify>) -> Self {
        Self { acker: Some(acker), link, room: Some(room), freed }
    }

    /// It was handled. The server is told, and not asked whether it heard: where it did not, it delivers it again.
    pub(crate) async fn ack(mut self) -> Result<()> {
        let Some(acker) = &self.acker else { return Ok(()) };
        acker.ack_with(AckKind::Ack).await.map_err(|error| {
            Error::unavailable(format!(
                "NATS at {} cannot be told that the event was handled, and will deliver it again: {error}",
                self.link.servers
            ))
        })?;
        self.acker = None;
        Ok(())
    }

    /// It is to be delivered again, after this time.
    pub(crate) fn give_back(mut self, after: Duration) {
        if let Some(acker) = self.acker.take() {
            self.link.give_back(acker, AckKind::Nak(Some(after)));
        }
    }

    /// It takes longer.
    pub(crate) async fn extend(&self) {
        if let Some(acker) = &self.acker {
            // Where this fails, the event is delivered again.
            let _ = acker.ack_with(AckKind::Progress).await;
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(acker) = self.acker.take() {
            self.link.give_back(acker, AckKind::Nak(None));
        }
        self.room = None;
        self.freed.notify_one();
    }
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Taken")
    }
}
