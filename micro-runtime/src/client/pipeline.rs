//! The way of a call down to the wire and back up.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use humantime::FormattedDuration;
use tokio::time::{Instant, timeout_at};

use super::call::{Call, Options, Response};
use super::core::Core;
use super::failover::Stage;
use super::{Channel, failover};
use crate::call::Invocation;
use crate::codec::Codec;
use crate::context::Context;
use crate::endpoint::{Body, Inbound, MethodDescriptor};
use crate::error::{Code, Error, Result};
use crate::protocol::Outgoing;
use crate::selector::{Outcome, Pick};

impl<A: Body, B: Body> Call<A, B> {
    pub(super) async fn run(self) -> Result<Response<B>> {
        let Self { channel, context, method, request, options, .. } = self;
        let core = channel.client.core()?;
        let codec = core.codec::<A, B>(options.codec.as_deref())?;
        let context = in_call(context, method, options, core);
        let limit = Limit::new(&context, method);
        if core.interceptors.is_empty() {
            return transmit(&channel, method, &context, limit, codec, request).await;
        }

        // The interceptors see the answer only; its metadata goes around them.
        let passed = Arc::new(Mutex::new(None));
        let last = {
            let (channel, passed) = (channel.clone(), passed.clone());
            move |call: Invocation| {
                async move {
                    let request = A::from_payload(call.request)?;
                    let limit = Limit::new(&call.context, method);
                    let response: Response<B> =
                        transmit(&channel, method, &call.context, limit, codec, request).await?;
                    *passed.lock().unwrap_or_else(PoisonError::into_inner) = Some(response.around);
                    Ok(response.answer.into_payload())
                }
                .boxed()
            }
        };
        let invocation = Invocation { method, context, request: request.into_payload() };
        let answer = B::from_payload(hold(&limit, core.interceptors.run(invocation, last)).await?)?;
        let around = passed.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        Ok(Response { answer, around })
    }
}

/// The context of the call itself, with its metadata and its deadline. What is nearest to the call
/// wins: its own timeout, then its method's, then the client's; the deadline of the context always
/// holds.
fn in_call(context: Context, method: &MethodDescriptor, options: Options, core: &Core) -> Context {
    let timeout = options.timeout.or(method.timeout).or(method.is_unary().then_some(core.timeout));
    let context = timeout.map_or_else(|| context.clone(), |timeout| context.with_timeout(timeout));
    context.sending(options.metadata)
}

async fn transmit<A: Body, B: Body>(
    channel: &Channel,
    method: &'static MethodDescriptor,
    context: &Context,
    limit: Option<Limit>,
    codec: Codec,
    request: A,
) -> Result<Response<B>> {
    let core = channel.client.core()?;
    let outgoing = Outgoing {
        method,
        codec: codec.clone(),
        metadata: context.outgoing().clone(),
        deadline: context.deadline(),
        body: request.write(&codec)?,
        max_message_size: core.max_message_size,
    };
    let stage = Stage::default();
    let sent = hold(&limit, failover::send(core, channel, outgoing, &stage)).await;
    let (answer, pick) = sent.map_err(|error| match (&limit, stage.before_sending()) {
        (Some(limit), Some(doing)) if error.code() == Code::DeadlineExceeded => {
            limit.exceeded_while(doing, &channel.service)
        }
        _ => error,
    })?;
    let body = match answer.body {
        Inbound::One(message) => Inbound::One(message),
        Inbound::Many(messages) => Inbound::Many(held(messages, limit, pick)),
    };
    let read = B::read(body, &codec, |error| unreadable(method, error))?;
    Ok(Response { answer: read.with_around(&answer.around), around: answer.around })
}

#[cold]
fn unreadable(method: &MethodDescriptor, error: Error) -> Error {
    let message =
        format!("the answer of {}/{} cannot be read: {}", method.service, method.name, error.message());
    Error::internal(message).with_source(error)
}

/// The deadline of one call.
struct Limit {
    deadline: Instant,
    /// What was left of the time when the call began.
    timeout: Duration,
    method: &'static MethodDescriptor,
}

impl Limit {
    fn new(context: &Context, method: &'static MethodDescriptor) -> Option<Self> {
        Some(Self { deadline: context.deadline()?, timeout: context.remaining()?, method })
    }

    /// The error of a call that did not get as far as to be sent.
    #[cold]
    fn exceeded_while(&self, doing: &str, registered: &str) -> Error {
        if self.timeout.is_zero() {
            return self.exceeded();
        }
        let (service, name, timeout) = (self.method.service, self.method.name, self.timeout());
        let message = format!("{service}/{name} was not sent: {timeout} passed while {doing} `{registered}`");
        Error::deadline_exceeded(message).never_processed()
    }

    #[cold]
    fn exceeded(&self) -> Error {
        let (service, name) = (self.method.service, self.method.name);
        if self.timeout.is_zero() {
            let message = format!("{service}/{name} was not called: the deadline had passed");
            return Error::deadline_exceeded(message).never_processed();
        }
        Error::deadline_exceeded(format!("{service}/{name} was not answered within {}", self.timeout()))
    }

    /// Whole milliseconds are enough for people.
    fn timeout(&self) -> FormattedDuration {
        let millis = self.timeout.as_micros().div_ceil(1000);
        humantime::format_duration(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

async fn hold<T>(limit: &Option<Limit>, work: impl Future<Output = Result<T>>) -> Result<T> {
    match limit {
        None => work.await,
        Some(limit) if limit.timeout.is_zero() => Err(limit.exceeded()),
        Some(limit) => timeout_at(limit.deadline, work).await.unwrap_or_else(|_| Err(limit.exceeded())),
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Holds a stream of answers to the deadline, and its node as busy until the end. What comes first
/// says how the node does, unless that was known before.
fn held(messages: Messages, limit: Option<Limit>, pick: Pick) -> Messages {
    let begun = Instant::now();
    let state = Some((messages, limit, pick));
    Box::pin(stream::unfold(state, move |state| async move {
        let (mut messages, limit, mut pick) = state?;
        let next = hold(&limit, messages.next().map(Ok)).await.unwrap_or_else(|error| Some(Err(error)));
        let outcome = match &next {
            Some(Err(error)) => failover::outcome(error),
            _ => Outcome::Ok,
        };
        pick.report(outcome, begun.elapsed());
        match next? {
            Ok(message) => Some((Ok(message), Some((messages, limit, pick)))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}
