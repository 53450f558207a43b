//! Runs a call and sends its answer.

use std::future::{poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::begin::Begin;
use crate::codec::Compression;
use crate::context::{Incoming, Origin};
use crate::endpoint::{Arrival, Inbound, Outbound, run};
use crate::error::{Error, Result};
use crate::metadata::{Metadata, NONE};
use crate::protocol::Site;
use crate::protocol::compressing::{self, Compress, WORTH_IT};
use crate::protocol::native::driver::MOST_WAITING;
use crate::protocol::native::entry::Entry;
use crate::protocol::native::fields::{put_error, put_metadata, size_of};
use crate::protocol::native::frame::{self, COMPRESSED, FAILED, HEAD, Kind, LAST, METADATA, cost};
use crate::protocol::native::link::Link;
use crate::protocol::native::pump::{Pump, Pumped};
use crate::protocol::native::settings::marked;
use crate::protocol::native::state::{Reset, State};

/// What is left of the text of an error that does not fit into a frame, in bytes.
const LONGEST_TEXT: usize = 4096;

/// How long an answer may go on to be sent after the time of its call.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A call whose request is there.
pub(super) struct Call {
    pub(super) link: Arc<Link>,
    pub(super) site: Arc<Site>,
    pub(super) call: u32,
    pub(super) begin: Begin,
    pub(super) peer: Arc<Origin>,
    pub(super) request: Inbound,
}

/// Runs a call to its end.
pub(super) async fn serve(call: Call) {
    let Call { link, site, call, begin, peer, request } = call;
    let Begin { endpoint, codec, said } = begin;
    let compress = compress(&site, said.compression, &link);
    let timeout = said.timeout.or(endpoint.method.timeout);
    let begun = Instant::now();
    let until = timeout.and_then(|timeout| begun.checked_add(timeout + LAST_WORDS));
    let incoming = Arc::new(Incoming::new(said.metadata, peer));
    let arrival = Arrival {
        incoming: incoming.clone(),
        codec: codec.clone(),
        answer_codec: codec,
        timeout: said.timeout,
        interceptors: site.interceptors.clone(),
        begun,
    };
    let answer = Answer { link, call, incoming };
    let sent = match run(&endpoint, arrival, pin!(ready(Ok(request)))).await {
        Ok(Outbound::One(message)) => match compressing::message(compress, message) {
            Ok((message, compression)) => match answer.one(message, compression) {
                None => return,
                Some(pump) => Sent::Rest(pump),
            },
            Err(error) => return answer.fail(error),
        },
        Ok(body @ (Outbound::Many(_) | Outbound::Carried(_))) => {
            let messages = body.into_messages();
            let (link, call) = (answer.link.clone(), answer.call);
            if !link.with(|state| ensure(state, call, &link)) {
                return;
            }
            Sent::Stream(Pump::new(link, call, messages, compress))
        }
        Err(error) => return answer.fail(error),
    };
    let (link, call) = (answer.link.clone(), answer.call);
    let sending = Box::pin(answer.send(sent));
    let in_time = match until {
        Some(until) => timeout_at(until, sending).await.is_ok(),
        None => {
            sending.await;
            true
        }
    };
    if !in_time {
        // Its reader does not take it, and its time is up.
        link.with(|state| {
            state.remove(call);
            state.reset(call, Reset::Canceled);
        });
    }
}

/// How an answer is compressed: as its caller wants it, or as the service does where the caller reads that.
fn compress(site: &Site, wanted: Option<Compression>, link: &Link) -> Option<Compress> {
    let own = || {
        site.compress_from
            .and_then(|_| Compression::ALL.iter().copied().find(|known| link.theirs.reads(*known)))
    };
    let compression = wanted.or_else(own)?;
    Some(Compress { compression, from: site.compress_from.unwrap_or(WORTH_IT) })
}

/// What is to be sent after the first.
enum Sent {
    Rest(Pump),
    Stream(Pump),
}

/// The answer of one call.
struct Answer {
    link: Arc<Link>,
    call: u32,
    incoming: Arc<Incoming>,
}

impl Answer {
    /// Sends an answer that is one message. What is not granted now is returned.
    fn one(&self, message: Bytes, compression: Option<Compression>) -> Option<Pump> {
        let headers = self.incoming.reply.take_headers();
        let (trailers, call) = (self.incoming.reply.take_trailers(), self.call);
        if let Err(error) = self.check(&headers).and_then(|()| self.check(&trailers)) {
            self.fail_with(error, Metadata::new(), Metadata::new());
            return None;
        }
        let compressed = compression.is_some();
        let message = match compression {
            Some(compression) => marked(compression, &message),
            None => message,
        };
        let most = self.link.theirs.piece();
        self.link.with(|state| {
            if state.cut.contains(&call) {
                return None;
            }
            if !headers.is_empty() {
                frame::put(&mut state.out.tail, Kind::Head, 0, call, |out| put_metadata(out, &headers));
            }
            let ends = trailers.is_empty();
            let length = message.len();
            // Answers that are not read are kept by their calls, of which there are so many at the most.
            let has_room = state.out.len() < MOST_WAITING;
            if has_room && length <= most && cost(length) as u64 <= state.may_send_of(call, &self.link.theirs)
            {
                let flags = if ends { LAST } else { 0 } | if compressed { COMPRESSED } else { 0 };
                frame::put_head(&mut state.out.tail, length, Kind::Data, flags, call);
                state.sent(call, cost(length));
                state.out.push(&message);
                if !ends {
                    put_end(state, call, None, &trailers);
                }
                state.remove(call);
                return None;
            }
            ensure(state, call, &self.link);
            // The trailers are sent behind the rest.
            self.incoming.reply.lock().trailers = trailers;
            Some(Pump::of_message(self.link.clone(), call, message, compressed, false))
        })
    }

    async fn send(self, sent: Sent) {
        let mut pump = match sent {
            Sent::Rest(pump) => pump,
            Sent::Stream(mut pump) => {
                // The handler may set headers until it first waits for anything but the first message of its
                // caller, which can decide what they are.
                poll_fn(|task| match pump.poll_fill(task) {
                    Poll::Pending if !pump.has_frames() && self.incoming.awaits_first() => Poll::Pending,
                    _ => Poll::Ready(()),
                })
                .await;
                let headers = self.incoming.reply.take_headers();
                if let Err(error) = self.check(&headers) {
                    return self.fail_with(error, Metadata::new(), Metadata::new());
                }
                self.link.with(|state| {
                    if !state.cut.contains(&self.call) {
                        frame::put(&mut state.out.tail, Kind::Head, 0, self.call, |out| {
                            put_metadata(out, &headers)
                        });
                    }
                });
                pump
            }
        };
        match poll_fn(|task| pump.poll(task)).await {
            Pumped::Over => {}
            Pumped::All(Ok(())) => {
                let trailers = self.incoming.reply.take_trailers();
                if let Err(error) = self.check(&trailers) {
                    return self.fail_with(error, Metadata::new(), Metadata::new());
                }
                self.link.with(|state| {
                    if !state.cut.contains(&self.call) {
                        put_end(state, self.call, None, &trailers);
                        state.remove(self.call);
                    }
                });
            }
            Pumped::All(Err(error)) => {
                let trailers = self.incoming.reply.take_trailers();
                self.fail_with(error, Metadata::new(), trailers);
            }
        }
    }

    /// Ends the call with an error.
    fn fail(self, error: Error) {
        let headers = self.incoming.reply.take_headers();
        let trailers = self.incoming.reply.take_trailers();
        self.fail_with(error, headers, trailers);
    }

    fn fail_with(&self, error: Error, headers: Metadata, trailers: Metadata) {
        self.link.with(|state| {
            if state.cut.contains(&self.call) {
                return;
            }
            if !headers.is_empty() {
                frame::put(&mut state.out.tail, Kind::Head, 0, self.call, |out| put_metadata(out, &headers));
            }
            put_end(state, self.call, Some(&error), &trailers);
            state.remove(self.call);
        });
    }

    /// Whether the client takes so much metadata.
    fn check(&self, metadata: &Metadata) -> Result<()> {
        if metadata.is_empty() {
            return Ok(());
        }
        let size = size_of(metadata);
        let most = self.link.theirs.max_metadata as usize;
        if size <= most {
            return Ok(());
        }
        Err(Error::internal(format!(
            "the handler set {size} bytes of metadata on the answer, and the client takes {most}: send it in a message"
        )))
    }
}

/// The call has an entry from now on, unless it is over.
pub(super) fn ensure(state: &mut State, call: u32, link: &Link) -> bool {
    if state.cut.contains(&call) {
        return false;
    }
    state.calls.entry(call).or_insert_with(|| {
        let mut entry = Entry::new(false, &link.theirs, &link.ours);
        entry.receiving.ignore();
        entry
    });
    true
}

/// Appends how a call ended.
pub(super) fn put_end(state: &mut State, call: u32, error: Option<&Error>, trailers: &Metadata) {
    let mut all = trailers.clone();
    if let Some(error) = error {
        all.extend(error.metadata().clone());
        if size_of(&all) > state.theirs.max_metadata as usize {
            tracing::debug!("left out the metadata of an error, of which the client does not take so much");
            all = Metadata::new();
        }
    }
    let start = state.out.tail.len();
    let flags = if error.is_some() { FAILED } else { 0 } | if all.is_empty() { 0 } else { METADATA };
    frame::put(&mut state.out.tail, Kind::End, flags, call, |out| {
        if let Some(error) = error {
            put_error(out, error);
        }
        if !all.is_empty() {
            put_metadata(out, &all);
        }
    });
    let length = state.out.tail.len() - start - HEAD;
    if let (Some(error), true) = (error, length > state.theirs.max_frame as usize) {
        state.out.tail.truncate(start);
        put_end(state, call, Some(&short(error)), &NONE);
    }
}

/// As much of an error as fits into any frame.
#[cold]
fn short(error: &Error) -> Error {
    let text = error.message();
    let cut = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= LONGEST_TEXT).last().unwrap_or(0);
    let cut = if text.len() <= LONGEST_TEXT { text.len() } else { cut };
    let kept = &text[..cut];
    Error::new(error.code(), format!("{kept} (this error is too large for the client, and is cut short)"))
}
