//! What a connection knows of one call.

use std::collections::VecDeque;
use std::task::Waker;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::account::{Account, CallAccount};
use super::frame::{COMPRESSED, FrameHead, LAST, MORE, cost};
use super::server::Begin;
use super::settings::{Settings, compression_of};
use super::violation::Violation;
use crate::codec::Compression;
use crate::endpoint::MethodDescriptor;
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::protocol::read_limits::ReadLimits;

/// A call that is open.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) sending: Sending,
    pub(super) receiving: Receiving,
    /// When a client gives the call up.
    pub(super) deadline: Option<Instant>,
    /// What a client called.
    pub(super) method: Option<&'static MethodDescriptor>,
    /// What a server is to run once the request is there.
    pub(super) begin: Option<Box<Begin>>,
    /// Since when that is waited for.
    pub(super) since: Option<Instant>,
    /// What runs it, in a server.
    pub(super) handler: Option<AbortHandle>,
}

/// What this side sends of a call.
#[derive(Debug)]
pub(super) struct Sending {
    /// How much may be sent, in bytes.
    pub(super) window: u64,
    /// Who waits for more, or for the end of the call.
    pub(super) waker: Option<Waker>,
}

/// What this side receives of a call.
#[derive(Debug)]
pub(super) struct Receiving {
    /// Whether any number of messages are due, and not just one.
    stream: bool,
    account: CallAccount,
    partial: Option<Partial>,
    /// The message, where one is due.
    message: Option<Item>,
    /// The messages that wait, where any number are.
    queue: VecDeque<Item>,
    pub(super) headers: Option<Metadata>,
    /// How the other side ended: with its trailers, or why not.
    pub(super) end: Option<Result<Metadata>>,
    pub(super) waker: Option<Waker>,
    /// Nobody reads any more, or nothing is due.
    discards: bool,
}

/// A message that is not complete.
#[derive(Debug)]
struct Partial {
    bytes: BytesMut,
    compressed: bool,
    cost: usize,
    since: Instant,
}

/// A message as it arrived.
#[derive(Debug)]
pub(super) struct Item {
    bytes: Bytes,
    compressed: bool,
    /// What it counts for the windows.
    cost: usize,
}

/// What is granted to the other side: of the call, and on the connection.
pub(super) type Grants = (u64, u64);

impl Item {
    pub(super) fn new(bytes: Bytes, compressed: bool) -> Self {
        let cost = cost(bytes.len());
        Self { bytes, compressed, cost }
    }

    /// What it counts for the windows.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// The message itself, where it is no larger than it may be.
    pub(super) fn checked(self, limits: ReadLimits) -> Result<Bytes> {
        check(self.bytes.len(), self.compressed, true, limits)?;
        self.read(limits.max_message_size)
    }

    /// The message itself.
    pub(super) fn read(mut self, max_message_size: usize) -> Result<Bytes> {
        if !self.compressed {
            return Ok(self.bytes);
        }
        let number = if self.bytes.is_empty() { 0 } else { self.bytes.get_u8() };
        let compression = compression_of(number).ok_or_else(|| unknown(number))?;
        compression.decompress(&self.bytes, max_message_size)
    }
}

impl Entry {
    pub(super) fn new(receives_stream: bool, theirs: &Settings, ours: &Settings) -> Self {
        Self {
            sending: Sending { window: theirs.call_window.into(), waker: None },
            receiving: Receiving {
                stream: receives_stream,
                account: CallAccount::new(ours.call_window),
                partial: None,
                message: None,
                queue: VecDeque::new(),
                headers: None,
                end: None,
                waker: None,
                discards: false,
            },
            deadline: None,
            method: None,
            begin: None,
            since: None,
            handler: None,
        }
    }
}

impl Receiving {
    /// Takes a part of a message in. The outer error ends the connection, the inner one the call.
    pub(super) fn arrive(
        &mut self,
        head: FrameHead,
        bytes: Bytes,
        account: &mut Account,
        limits: ReadLimits,
    ) -> Result<Result<Grants>, Violation> {
        let cost = cost(bytes.len());
        self.account.arrive(cost)?;
        if self.discards {
            return Ok(Ok((0, account.read(cost as u64))));
        }
        if self.end.is_some() {
            return Err(Violation::of_protocol("a message behind the last one"));
        }
        let item = match self.partial.take() {
            None if !head.has(MORE) => Item { bytes, compressed: head.has(COMPRESSED), cost },
            partial => {
                let mut partial = partial.unwrap_or_else(|| Partial {
                    bytes: BytesMut::new(),
                    compressed: head.has(COMPRESSED),
                    cost: 0,
                    since: Instant::now(),
                });
                partial.bytes.extend_from_slice(&bytes);
                if head.has(MORE) {
                    // Before anything is granted for it.
                    let taken = check(partial.bytes.len(), partial.compressed, false, limits);
                    if let Err(error) = taken {
                        self.partial = Some(partial);
                        account.note_read(cost as u64);
                        self.give_up(account);
                        return Ok(Err(error));
                    }
                    partial.cost += cost;
                    partial.since = Instant::now();
                    self.partial = Some(partial);
                    return Ok(self.account.hold(cost, account).inspect_err(|_| self.give_up(account)));
                }
                self.account.release(partial.cost, account);
                let Partial { bytes, compressed, .. } = partial;
                Item { bytes: bytes.freeze(), compressed, cost: partial.cost + cost }
            }
        };
        let taken = check(item.bytes.len(), item.compressed, true, limits);
        if let Err(error) = taken.and_then(|()| self.check_one()) {
            account.note_read(item.cost as u64);
            self.give_up(account);
            return Ok(Err(error));
        }
        let mut grants = (0, 0);
        if self.stream {
            self.queue.push_back(item);
        } else {
            // It goes to its reader as a whole and at once.
            grants = self.account.read(item.cost, account);
            self.message = Some(item);
        }
        if head.has(LAST) {
            self.end = Some(Ok(Metadata::new()));
        }
        Ok(Ok(grants))
    }

    /// Where one message is due there is no second one.
    fn check_one(&self) -> Result<()> {
        if self.message.is_none() {
            return Ok(());
        }
        Err(Error::unimplemented("more than one message where one is due"))
    }

    /// Nothing of what still arrives is of use.
    fn give_up(&mut self, account: &mut Account) {
        self.discards = true;
        if let Some(partial) = self.partial.take() {
            account.release(partial.cost);
            account.note_read(partial.cost as u64);
        }
    }

    /// The message, where one is due, once it is there.
    pub(super) fn take_message(&mut self) -> Option<Item> {
        self.message.take()
    }

    /// Hands all messages that wait over, in place of those in `read`, of which there are none.
    pub(super) fn swap_queue(&mut self, read: &mut VecDeque<Item>) {
        std::mem::swap(&mut self.queue, read);
    }

    /// Whether there is something for who reads: any message of a stream, and a single one once nothing
    /// can follow it.
    pub(super) fn is_due(&self) -> bool {
        self.stream || self.end.is_some()
    }

    pub(super) fn has_messages(&self) -> bool {
        !self.queue.is_empty() || self.message.is_some()
    }

    /// Notes that so much was read.
    pub(super) fn read(&mut self, bytes: usize, account: &mut Account) -> Grants {
        self.account.read(bytes, account)
    }

    /// Nobody reads any more. Returns what is granted on the connection; `taken` are the bytes that were
    /// taken over and not read.
    pub(super) fn discard(&mut self, taken: usize, account: &mut Account) -> u64 {
        self.give_up(account);
        let waiting: usize = self.queue.drain(..).map(|item| item.cost).sum();
        account.read((waiting + taken) as u64)
    }

    /// Nothing more is due: what arrives all the same is thrown away.
    pub(super) fn ignore(&mut self) {
        self.discards = true;
    }

    /// Whether a message has begun and is not whole.
    pub(super) fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    /// Since when the rest of a message is due.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.partial.as_ref().map(|partial| partial.since)
    }
}

/// Whether a message may be this long; `whole` is whether that is all of it.
fn check(length: usize, compressed: bool, whole: bool, limits: ReadLimits) -> Result<()> {
    let limits = if compressed { limits.of_encoded() } else { limits };
    limits.check(length as u64, whole)
}

#[cold]
fn unknown(number: u8) -> Error {
    let known: Vec<_> = Compression::ALL.iter().map(|known| known.name()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Error::unimplemented(format!(
        "nothing here reads the compression with the number {number}; known: {known}"
    ))
}
