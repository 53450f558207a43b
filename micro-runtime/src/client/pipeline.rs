//! The way of a call down to the wire and back up.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::call::{Call, Options, Response};
use super::core::Core;
use super::held::held;
use super::limit::{Limit, hold};
use super::local::Keeper;
use super::retry::{self, Given, Wishes};
use super::{Channel, coalesce, counted, local};
use crate::call::{Invocation, Payload};
use crate::codec::{Codec, Compression};
use crate::context::Context;
use crate::endpoint::{Body, Inbound, MethodDescriptor, Outbound};
use crate::error::{Error, Result};
use crate::metadata::Around;
use crate::protocol::Outgoing;
use crate::selector::Route;

impl<A: Body, B: Body> Call<A, B> {
    pub(super) async fn run(&mut self) -> Result<Response<B>> {
        let Self { channel, context, method, request, options, .. } = self;
        let request = request.take().ok_or_else(|| Error::internal("the call was made already"))?;
        let core = channel.0.client.core()?;
        let encoding = Encoding {
            codec: core.codec::<A, B>(options.codec.as_deref())?,
            compression: options.compression.or(core.compression),
        };
        let now = Instant::now();
        let counting = channel.0.counted.of(method, &core.metrics).begin(now);
        *context = in_call(std::mem::take(context), method, options, core, now);
        let mut limit = Limit::new(context, method, now);
        let wishes = options.wishes.as_deref();
        let answered = if core.interceptors.is_empty() {
            match local::body(core, request, &encoding.codec) {
                Ok(body) => {
                    let mut outgoing = outgoing(core, method, context, &encoding, body);
                    drop(encoding);
                    transmit(channel, context, wishes, &mut outgoing, &mut limit, now).await
                }
                Err(error) => Err(error),
            }
        } else {
            // It is large, and seldom needed.
            let (context, wishes) = (std::mem::take(context), wishes.copied());
            intercepted(channel, method, context, wishes, limit, encoding, request).boxed().await
        };
        counted::ended(answered, counting)
    }
}

/// How the messages of a call are written.
#[derive(Clone)]
struct Encoding {
    codec: Codec,
    compression: Option<Compression>,
}

/// The context of the call itself, with its metadata and its deadline. What is nearest to the call
/// wins: its own timeout, then its method's, then the client's; the deadline of the context always
/// holds.
fn in_call(
    context: Context,
    method: &MethodDescriptor,
    options: &mut Options,
    core: &Core,
    now: Instant,
) -> Context {
    let timeout = options.timeout.or(method.timeout).or(method.is_unary().then_some(core.timeout));
    let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
    context.until(deadline).sending(std::mem::take(&mut options.metadata))
}

/// Makes a call through the interceptors.
async fn intercepted<A: Body, B: Body>(
    channel: &Channel,
    method: &'static MethodDescriptor,
    context: Context,
    wishes: Option<Wishes>,
    limit: Option<Limit>,
    encoding: Encoding,
    request: A,
) -> Result<Response<B>> {
    let core = channel.0.client.core()?;
    // The metadata of the answer, for where an interceptor puts another answer in its place.
    let passed = Arc::new(Mutex::new(None));
    let last = {
        let (channel, passed) = (channel.clone(), passed.clone());
        move |call: Invocation| {
            let (channel, encoding, passed) = (channel.clone(), encoding.clone(), passed.clone());
            async move {
                let core = channel.0.client.core()?;
                let body = local::body_of::<A>(core, call.request, &encoding.codec)?;
                let now = Instant::now();
                let mut limit = Limit::new(&call.context, method, now);
                let mut outgoing = outgoing(core, method, &call.context, &encoding, body);
                let wishes = wishes.as_ref();
                let sent = transmit(&channel, &call.context, wishes, &mut outgoing, &mut limit, now);
                let response: Response<B> = sent.await?;
                *passed.lock().unwrap_or_else(PoisonError::into_inner) = response.around.clone();
                Ok(match (response.answer.into_payload(), response.around) {
                    (Payload::Message(message), Some(around)) => {
                        Payload::Message(message.with_around(around))
                    }
                    (payload, _) => payload,
                })
            }
            .boxed()
        }
    };
    let invocation = Invocation::new(method, context, request.into_payload());
    let payload = hold(&limit, core.interceptors.run(invocation, last)).await?;
    let around = payload.around().cloned();
    let around = around.or_else(|| passed.lock().unwrap_or_else(PoisonError::into_inner).take());
    Ok(Response { answer: surrounded(B::from_payload(payload)?, around.as_ref()), around, heard: None })
}

/// The call as a protocol sends it.
fn outgoing(
    core: &Core,
    method: &'static MethodDescriptor,
    context: &Context,
    encoding: &Encoding,
    body: Outbound,
) -> Outgoing {
    Outgoing {
        method,
        codec: encoding.codec.clone(),
        compression: encoding.compression,
        http_get: core.http_get,
        metadata: context.outgoing().clone(),
        deadline: context.deadline(),
        route: Route::of(context),
        body,
        max_message_size: core.max_message_size,
    }
}

async fn transmit<B: Body>(
    channel: &Channel,
    context: &Context,
    wishes: Option<&Wishes>,
    outgoing: &mut Outgoing,
    limit: &mut Option<Limit>,
    began: Instant,
) -> Result<Response<B>> {
    let core = channel.0.client.core()?;
    let given = Given { core, channel, context, wishes, limit, began };
    if coalesce::applies(&given, outgoing) {
        let answer = coalesce::ask(given, outgoing).await?;
        let method = outgoing.method;
        let read = B::read(answer.body, &outgoing.codec, |error| unreadable(method, error))?;
        let answered = surrounded(read, answer.around.as_ref());
        return Ok(Response { answer: answered, around: answer.around, heard: None });
    }
    given.begin()?;
    let (answer, pick) = if given.sources().races(outgoing) {
        retry::race(given, outgoing).await?
    } else {
        // In a box of its own: two small ones are had faster than a large one.
        Box::pin(retry::first(given, outgoing)).await?
    };
    let method = outgoing.method;
    let explain = |error| unreadable(method, error);
    let codec = &outgoing.codec;
    let heard = pick.answered();
    let read = match answer.body {
        Inbound::One(message) => B::read(Inbound::One(message), codec, explain)?,
        Inbound::Many(messages) => {
            B::read(Inbound::Many(held(messages, limit.take(), pick)), codec, explain)?
        }
        Inbound::Carried(carried) => {
            carried.take::<B>(codec, explain)?.wrapped(Keeper { limit: limit.take(), pick })
        }
    };
    Ok(Response { answer: surrounded(read, answer.around.as_ref()), around: answer.around, heard })
}

/// The answer with the metadata around it, where there is any.
fn surrounded<B: Body>(answer: B, around: Option<&Arc<Around>>) -> B {
    match around {
        Some(around) => answer.with_around(around),
        None => answer,
    }
}

#[cold]
fn unreadable(method: &MethodDescriptor, error: Error) -> Error {
    let message =
        format!("the answer of {}/{} cannot be read: {}", method.service, method.name, error.message());
    Error::internal(message).with_source(error)
}
