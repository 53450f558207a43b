//! The way of a call down to the wire and back up.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

use super::call::{Call, Options, Response};
use super::core::Core;
use super::{Channel, failover};
use crate::call::Invocation;
use crate::codec::Codec;
use crate::context::Context;
use crate::endpoint::{Body, Inbound, MethodDescriptor};
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::protocol::Outgoing;
use crate::selector::Pick;

impl<A: Body, B: Body> Call<A, B> {
    pub(super) async fn run(self) -> Result<Response<B>> {
        let Self { channel, context, method, request, options, .. } = self;
        let core = channel.client.core()?;
        let context = with_deadline(&context, method, &options, core);
        let codec = core.codec::<A, B>(options.codec.as_deref())?;
        if core.interceptors.is_empty() {
            return transmit(&channel, method, &context, options.metadata, codec, request).await;
        }

        // The interceptors see the answer only; its metadata goes around them.
        let passed = Arc::new(Mutex::new(None));
        let last = {
            let (channel, passed) = (channel.clone(), passed.clone());
            move |call: Invocation| {
                async move {
                    let request = A::from_payload(call.request)?;
                    let response: Response<B> =
                        transmit(&channel, method, &call.context, options.metadata, codec, request).await?;
                    let Response { answer, headers, trailers } = response;
                    *passed.lock().unwrap_or_else(PoisonError::into_inner) = Some((headers, trailers));
                    Ok(answer.into_payload())
                }
                .boxed()
            }
        };
        let invocation = Invocation { method, context, request: request.into_payload() };
        let answer = B::from_payload(core.interceptors.run(invocation, last).await?)?;
        let (headers, trailers) =
            passed.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        Ok(Response { answer, headers, trailers })
    }
}

/// What is nearest to the call wins: its own option, then its method's, then the client's; the
/// deadline of the context always holds.
fn with_deadline(context: &Context, method: &MethodDescriptor, options: &Options, core: &Core) -> Context {
    let timeout = options.timeout.or(method.timeout).or(method.is_unary().then_some(core.timeout));
    timeout.map_or_else(|| context.clone(), |timeout| context.with_timeout(timeout))
}

async fn transmit<A: Body, B: Body>(
    channel: &Channel,
    method: &'static MethodDescriptor,
    context: &Context,
    metadata: Metadata,
    codec: Codec,
    request: A,
) -> Result<Response<B>> {
    let core = channel.client.core()?;
    let limit = Limit::new(context, method);
    let outgoing = Outgoing {
        method,
        codec: codec.clone(),
        metadata: joined(context, metadata),
        timeout: limit.as_ref().map(|limit| limit.timeout),
        body: request.write(&codec)?,
        max_message_size: core.max_message_size,
    };
    let sent = failover::send(core, &channel.service, outgoing);
    let (answer, pick) = match &limit {
        Some(limit) => limit.hold(sent).await?,
        None => sent.await?,
    };
    let body = match answer.body {
        Inbound::One(message) => Inbound::One(message),
        Inbound::Many(messages) => Inbound::Many(held(messages, limit, pick)),
    };
    let answer_body = B::read(body, &codec, |error| unreadable(method, error))?;
    let answer_body = answer_body.with_trailers(&answer.trailers);
    Ok(Response { answer: answer_body, headers: answer.headers, trailers: answer.trailers })
}

fn joined(context: &Context, metadata: Metadata) -> Metadata {
    if context.outgoing().is_empty() {
        return metadata;
    }
    let mut all = context.outgoing().clone();
    all.extend(metadata);
    all
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

    async fn hold<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if self.timeout.is_zero() {
            return Err(self.exceeded().never_processed());
        }
        timeout_at(self.deadline, work).await.unwrap_or_else(|_| Err(self.exceeded()))
    }

    #[cold]
    fn exceeded(&self) -> Error {
        let (service, name) = (self.method.service, self.method.name);
        if self.timeout.is_zero() {
            return Error::deadline_exceeded(format!(
                "{service}/{name} was not called: the deadline had passed"
            ));
        }
        // Whole milliseconds are enough for people.
        let millis = self.timeout.as_micros().div_ceil(1000);
        let timeout =
            humantime::format_duration(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)));
        Error::deadline_exceeded(format!("{service}/{name} was not answered within {timeout}"))
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Holds a stream of answers to the deadline, and its node as busy until the end.
fn held(messages: Messages, limit: Option<Limit>, pick: Pick) -> Messages {
    let state = Some((messages, limit, pick));
    Box::pin(stream::unfold(state, async |state| {
        let (mut messages, limit, pick) = state?;
        let next = match &limit {
            Some(limit) => limit.hold(messages.next().map(Ok)).await,
            None => Ok(messages.next().await),
        };
        match next.unwrap_or_else(|error| Some(Err(error)))? {
            Ok(message) => Some((Ok(message), Some((messages, limit, pick)))),
            Err(error) => Some((Err(error), None)),
        }
    }))
}
