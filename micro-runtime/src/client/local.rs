//! Calls to services in the same process.

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};

use super::core::Core;
use super::held::held;
use super::limit::Limit;
use crate::call::Payload;
use crate::codec::Codec;
use crate::endpoint::{Body, Carried, Entered, Inbound, LocalAnswer, LocalCall, Outbound, Wrap};
use crate::error::{Error, Result};
use crate::protocol::{Answer, Outgoing};
use crate::registry::Node;
use crate::selector::Pick;
use crate::stream::Streaming;

/// The body of a call: encoded, unless the call may stay in the process.
pub(super) fn body<A: Body>(core: &Core, request: A, codec: &Codec) -> Result<Outbound> {
    if core.may_stay() { Ok(Outbound::Carried(Carried::new(request))) } else { request.write(codec) }
}

/// The same for a payload that came through interceptors.
pub(super) fn body_of<A: Body>(core: &Core, request: Payload, codec: &Codec) -> Result<Outbound> {
    if core.may_stay() {
        return Ok(Outbound::Carried(Carried::new(A::from_payload(request)?)));
    }
    A::write_payload(request, codec)
}

/// What comes of a call at the node that was picked for it.
pub(super) enum Inside {
    /// The node is in this process and has the call; this is its answer on the way.
    Called(BoxFuture<'static, Result<LocalAnswer>>),
    /// The call has to be sent, and is encoded.
    Send,
    /// The node stops, or is too busy, and the call can go to another one.
    Refused(Error),
}

/// Makes a call in this process, if it is not encoded yet and the node is here.
pub(super) fn call(core: &Core, node: &Node, outgoing: &mut Outgoing) -> Result<Inside> {
    if !matches!(outgoing.body, Outbound::Carried(_)) {
        return Ok(Inside::Send);
    }
    let Outbound::Carried(mut carried) = outgoing.take_body() else { return Ok(Inside::Send) };
    if let Some(entrance) = core.locals.as_ref().and_then(|locals| locals.find(node)) {
        let call = LocalCall {
            method: outgoing.method,
            metadata: outgoing.metadata.clone(),
            deadline: outgoing.deadline,
            codec: outgoing.codec.clone(),
            body: carried,
        };
        match entrance.enter(call) {
            Entered::Called(answer) => return Ok(Inside::Called(answer)),
            Entered::Closed(body) => {
                outgoing.body = Outbound::Carried(body);
                let text = format!("{} in this process did not take the call: it stops", node.id);
                return Ok(Inside::Refused(Error::unavailable(text).never_processed()));
            }
            Entered::Refused { body, error } if error.was_never_processed() => {
                outgoing.body = Outbound::Carried(body);
                return Ok(Inside::Refused(error));
            }
            Entered::Refused { error, .. } => return Ok(Inside::Called(ready(Err(error)).boxed())),
            Entered::Full(body) => carried = body,
        }
    }
    outgoing.body = carried.write(&outgoing.codec)?;
    Ok(Inside::Send)
}

/// An answer from this process as any other one.
pub(super) fn answer(answer: LocalAnswer) -> Answer {
    Answer { around: answer.around, body: Inbound::Carried(answer.body) }
}

/// Stands around a stream of answers: holds it to the deadline, and its node as busy until the end.
pub(super) struct Keeper {
    pub(super) limit: Option<Limit>,
    pub(super) pick: Pick,
}

impl Wrap for Keeper {
    fn wrap<T: Send + 'static>(self, messages: Streaming<T>) -> Streaming<T> {
        Streaming::from_stream(held(messages, self.limit, self.pick))
    }
}
