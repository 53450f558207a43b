//! How a generated client implements its contract.

use super::{Call, Channel, call, relay};
use crate::endpoint::{
    ContextArgument as _, Ended as _, Outcome as _, Pushing, Returned, Returning, SenderArgument as _,
};

/// Calls a method, and answers as it does. That the future is `Send` is said here, so that nobody
/// looks into it for a reason.
pub fn answer<M: Returning>(
    channel: &Channel,
    ctx: &M::Context,
    request: M::Request,
) -> impl Future<Output = M::Outcome> + Send {
    let call: Call<M::Request, Returned<M>> = call(channel, ctx.context(), M::DESCRIPTOR, request);
    async move { M::Outcome::from_result(call.send().await) }
}

/// Calls a method, and sends on what it answers.
pub fn pass_on<M: Pushing>(
    channel: &Channel,
    ctx: &M::Context,
    request: M::Request,
    out: &mut M::Sender,
) -> impl Future<Output = M::Outcome> + Send {
    let call = call(channel, ctx.context(), M::DESCRIPTOR, request);
    async move { M::Outcome::from_end(relay(call, out.sender()).await) }
}
