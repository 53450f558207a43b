//! An event of a stream that is in somebody's hand.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_nats::HeaderMap;
use async_nats::jetstream::AckKind;
use async_nats::jetstream::message::Acker;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::pull::Flow;
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
    flow: Arc<Flow>,
    /// The number of the event, and that of the delivery.
    numbers: (u64, u64),
    /// Since when the server waits.
    since: Mutex<Instant>,
    room: Option<OwnedSemaphorePermit>,
}

impl Taken {
    pub(super) fn new(
        acker: Acker,
        flow: Arc<Flow>,
        numbers: (u64, u64),
        room: OwnedSemaphorePermit,
    ) -> Self {
        Self { acker: Some(acker), flow, numbers, since: Mutex::new(Instant::now()), room: Some(room) }
    }

    /// It was handled. The server is told, and not asked whether it heard: where it did not, it delivers it again.
    pub(crate) async fn ack(mut self) -> Result<()> {
        let Some(acker) = &self.acker else { return Ok(()) };
        acker.ack_with(AckKind::Ack).await.map_err(|error| {
            Error::unavailable(format!(
                "NATS at {} cannot be told that the event was handled, and will deliver it again: {error}",
                self.flow.link().servers
            ))
        })?;
        self.acker = None;
        Ok(())
    }

    /// It is to be delivered again, after this time.
    pub(crate) fn give_back(mut self, after: Duration) {
        if let Some(acker) = self.acker.take() {
            self.flow.link().give_back(acker, AckKind::Nak(Some(after)));
        }
    }

    /// It takes longer.
    pub(crate) async fn extend(&self) {
        if let Some(acker) = &self.acker {
            // Where this fails, the event is delivered again.
            let _ = acker.ack_with(AckKind::Progress).await;
            *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let is_last = self.flow.returned(self.numbers);
        let waited = self.since.get_mut().unwrap_or_else(PoisonError::into_inner).elapsed();
        // One that the server gave away again is not ours to give back: that would take it from who has it.
        if let Some(acker) = self.acker.take().filter(|_| is_last && waited < self.flow.ack_wait()) {
            self.flow.link().give_back(acker, AckKind::Nak(None));
        }
        self.room = None;
        self.flow.has_room();
    }
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Taken")
    }
}
