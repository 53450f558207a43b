//! What the two sides of a connection make of its frames: each what the frames of calls are for, and both the
//! same of those that are about the connection.

use std::task::Context as TaskContext;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use tokio::time::Instant;

use super::driver::MOST_WAITING;
use super::frame::{self, ACK, FrameHead, Kind};
use super::link::{Link, Locked};
use super::state::State;
use super::violation::{Reason, Violation};

/// What a side makes of the frames that arrive.
pub(crate) trait Role: Send + Unpin {
    /// Whether nothing is read while too much waits to be written. One side at the most may do so, or both
    /// could wait for each other.
    const THROTTLES: bool;

    /// Handles the frames of a call.
    fn frame(
        &mut self,
        at: &mut Locked<'_>,
        head: FrameHead,
        payload: Payload<'_>,
        task: &mut TaskContext<'_>,
    ) -> Result<(), Violation>;

    /// The other side takes no calls after this one.
    fn leaves(&mut self, at: &mut Locked<'_>, last: u32, reason: Option<Reason>, text: &str);

    /// Looks at all calls whose time may be up, and returns when to look again.
    fn look(&mut self, link: &Link, state: &mut State, now: Instant) -> Option<Instant>;

    /// The last call of the other side, which `GoAway` names.
    fn last(&self) -> u32;

    /// Whether others are to have their turn before more is read.
    fn wants_rest(&mut self) -> bool {
        false
    }
}

/// The payload of a frame, in the buffer of the connection.
#[derive(Debug)]
pub(crate) struct Payload<'a> {
    pub(super) buffer: &'a mut BytesMut,
    pub(super) length: usize,
    pub(super) room: usize,
}

impl Payload<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// What stands behind so many bytes. Little is copied, so that it does not keep the whole buffer.
    pub(super) fn from(self, start: usize) -> Bytes {
        let Self { buffer, length, room } = self;
        if length - start < room / 8 {
            return Bytes::copy_from_slice(&buffer[start..length]);
        }
        let mut bytes = buffer.split_to(length);
        bytes.advance(start);
        bytes.freeze()
    }
}

pub(super) fn ping(state: &mut State, head: FrameHead, payload: &[u8]) -> Result<(), Violation> {
    let payload: [u8; 8] =
        payload.try_into().map_err(|_| Violation::of_protocol("a ping that is not of 8 bytes"))?;
    if head.has(ACK) {
        return Ok(());
    }
    // Who pings and does not read the answers has none of them kept.
    if state.out.len() > MOST_WAITING {
        return Err(Violation::new(Reason::TooMuch, "pings whose answers are not read"));
    }
    frame::put(&mut state.out.tail, Kind::Ping, ACK, 0, |out| out.put_slice(&payload));
    Ok(())
}

pub(super) fn credit(state: &mut State, head: FrameHead, payload: &[u8]) -> Result<(), Violation> {
    let amount = payload.try_into().map(u32::from_be_bytes);
    let amount = amount.map_err(|_| Violation::of_protocol("a grant that is not of 4 bytes"))?;
    state.granted(head.call, amount.into())
}

pub(super) fn go_away(at: &mut Locked<'_>, role: &mut impl Role, payload: &[u8]) -> Result<(), Violation> {
    let (last, rest) = payload
        .split_first_chunk()
        .and_then(|(last, rest)| Some((u32::from_be_bytes(*last), rest.split_first()?)))
        .ok_or_else(|| Violation::of_protocol("a `GoAway` that is too short"))?;
    let text = String::from_utf8_lossy(rest.1);
    role.leaves(at, last, Reason::of(*rest.0), &text);
    Ok(())
}
