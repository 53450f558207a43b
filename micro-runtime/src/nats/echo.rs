//! Whether the server has what was sent.

use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::{Client, Subject, Subscriber};
use futures_util::StreamExt as _;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::link::{ANSWER, Link};
use crate::error::{Error, Result};

/// A server handles the messages of a connection in their order. So when one comes back that we sent to ourselves, those
/// before it have arrived. One that goes round confirms for all who wait at that time.
#[derive(Debug)]
pub(crate) struct Echo {
    inbox: Subject,
    /// How many wanted to know.
    tickets: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    echoes: Subscriber,
    /// Those up to this one are confirmed, on this connection.
    confirmed: u64,
    epoch: u64,
}

impl Echo {
    pub(crate) async fn new(client: &Client) -> Result<Self> {
        let inbox = Subject::from(client.new_inbox());
        let echoes = client.subscribe(inbox.clone()).await.map_err(|error| {
            Error::unavailable(format!("NATS: cannot subscribe: {error}")).with_source(error)
        })?;
        let last = Last { echoes, confirmed: 0, epoch: 0 };
        Ok(Self { inbox, tickets: AtomicU64::new(0), last: Mutex::new(last) })
    }

    /// Waits until the server has what was sent before this is called, on the connection that [was there](Link::epoch) before
    /// it was sent. Fails with `unavailable` where that is not sure.
    pub(crate) async fn confirm(&self, link: &Link, epoch: u64) -> Result<()> {
        let ticket = self.tickets.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if last.confirmed < ticket {
            let all = self.tickets.load(Ordering::SeqCst);
            self.send(link, &mut last, all).await?;
            (last.confirmed, last.epoch) = (all, link.epoch());
        }
        if last.epoch == epoch { Ok(()) } else { Err(lost(link)) }
    }

    async fn send(&self, link: &Link, last: &mut Last, number: u64) -> Result<()> {
        let mut connection = link.connection.clone();
        let begin = *connection.borrow_and_update();
        let text = number.to_string();
        let end = Instant::now() + ANSWER;
        let sent = link.client.publish(self.inbox.clone(), text.clone().into());
        match timeout_at(end, sent).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(lost(link).with_source(error)),
            Err(_) => return Err(silent(link)),
        }
        loop {
            tokio::select! {
                echo = timeout_at(end, last.echoes.next()) => match echo {
                    Ok(Some(echo)) if *echo.payload == *text.as_bytes() => return Ok(()),
                    // Of one that was given up.
                    Ok(Some(_)) => {}
                    Ok(None) => return Err(lost(link)),
                    Err(_) => return Err(silent(link)),
                },
                changed = connection.changed() => {
                    let now = *connection.borrow_and_update();
                    // What was sent on another connection may have got lost with it, and the echo as well.
                    if changed.is_err() || now.number > begin.number || !now.up {
                        return Err(lost(link));
                    }
                }
            }
        }
    }
}

#[cold]
fn lost(link: &Link) -> Error {
    Error::unavailable(format!(
        "the connection to NATS at {} was lost before it was sure that the server has what was sent",
        link.servers
    ))
}

#[cold]
fn silent(link: &Link) -> Error {
    Error::unavailable(format!("NATS at {} did not answer within {ANSWER:?}", link.servers))
}
