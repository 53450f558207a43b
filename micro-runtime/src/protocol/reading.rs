//! The reading side of a server's call, which all protocols with envelopes have in common.

use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body::Body;

use super::envelope::{Envelope, Envelopes, unknown_flags};
use crate::endpoint::{Inbound, MethodDescriptor};
use crate::error::{Error, Result};

/// Which envelopes a request is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// The flag of an envelope that ends the messages; none where it is zero.
    pub(crate) last: u8,
    /// Whether a flag that has no meaning is an error.
    pub(crate) strict: bool,
    /// Whether a client that sends one message says that there are no more. Where it does not, there is nothing
    /// to wait for behind the first one.
    pub(crate) ends: bool,
}

/// Reads what a method of this shape takes.
pub(crate) fn read<B>(
    mut envelopes: Envelopes<B>,
    method: &MethodDescriptor,
    expected: Expected,
) -> impl Future<Output = Result<Inbound>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let stream = method.request.stream;
    if !stream {
        envelopes = envelopes.due();
    }
    async move {
        if stream {
            return Ok(Inbound::Many(Box::pin(all(envelopes, expected))));
        }
        let missing = || Error::unimplemented("there is no message, and the method takes one");
        let first = message(&mut envelopes, expected).await?.ok_or_else(missing)?;
        if expected.ends && message(&mut envelopes, expected).await?.is_some() {
            return Err(Error::unimplemented("there is more than one message, and the method takes one"));
        }
        Ok(Inbound::One(first))
    }
}

/// The messages of a stream.
fn all<B>(envelopes: Envelopes<B>, expected: Expected) -> impl Stream<Item = Result<Bytes>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    stream::unfold(Some((envelopes, expected)), async |state| {
        let (mut envelopes, expected) = state?;
        match message(&mut envelopes, expected).await {
            Ok(None) => None,
            Ok(Some(message)) => Some((Ok(message), Some((envelopes, expected)))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

async fn message<B>(envelopes: &mut Envelopes<B>, expected: Expected) -> Result<Option<Bytes>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let Some(Envelope { flags, message }) = envelopes.next().await? else { return Ok(None) };
    if expected.strict && flags & !expected.last != 0 {
        return Err(unknown_flags(flags));
    }
    Ok((flags & expected.last == 0).then_some(message))
}
