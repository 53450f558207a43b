//! What becomes of a delivery.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::{Acker, Channel};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::fault::said;
use crate::broker::Acknowledge;
use crate::error::{Error, Result};

/// How long an event rests that nobody can handle. It counts as in hand until then.
const REST: Duration = Duration::from_secs(5);

/// A delivery that the server waits for, and the channel that it came on, which must last as long.
pub(super) struct Settle {
    /// `None` when it is settled.
    acker: Option<Acker>,
    _channel: Channel,
    _in_hand: OwnedSemaphorePermit,
}

impl Settle {
    pub(super) fn new(acker: Acker, channel: Channel, in_hand: OwnedSemaphorePermit) -> Self {
        Self { acker: Some(acker), _channel: channel, _in_hand: in_hand }
    }
}

#[async_trait]
impl Acknowledge for Settle {
    async fn ack(mut self: Box<Self>) -> Result<()> {
        let Some(acker) = self.acker.take() else { return Ok(()) };
        let why = match acker.ack(BasicAckOptions::default()).await {
            Ok(true) => return Ok(()),
            Ok(false) => "the connection is lost".to_owned(),
            Err(error) => said(&error),
        };
        Err(Error::unavailable(format!(
            "RabbitMQ cannot be told that the event was handled, and delivers it again: {why}"
        )))
    }

    async fn refuse(self: Box<Self>, _: &Error) {
        // It is given back when it is dropped.
        tokio::spawn(async move {
            sleep(REST).await;
            drop(self);
        });
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        if let Some(acker) = self.acker.take() {
            give_back(&acker);
        }
    }
}

/// Gives an event back, to be delivered again at once. Where the channel is lost, the server does so by itself.
pub(super) fn give_back(acker: &Acker) {
    // It is on its way with the first look at it.
    let _ = acker.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).now_or_never();
}

/// A delivery that nobody waits for any more.
pub(super) struct InHand(pub(super) OwnedSemaphorePermit);

#[async_trait]
impl Acknowledge for InHand {
    async fn ack(self: Box<Self>) -> Result<()> {
        drop(self.0);
        Ok(())
    }
}
