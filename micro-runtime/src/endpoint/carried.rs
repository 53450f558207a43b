use std::any::Any;
use std::fmt;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::stream;

use super::{Body, Encode, Inbound, Messages, Outbound};
use crate::codec::Codec;
use crate::error::{Error, Result};

/// A body that stays inside the process: it is handed over as it is, and goes through an encoding only
/// where the other side has another type for it.
pub struct Carried {
    body: Box<dyn Any + Send>,
    write: fn(Box<dyn Any + Send>, &Codec) -> Result<Outbound>,
    copied: fn(&(dyn Any + Send), &Codec) -> Result<Option<Bytes>>,
}

impl Carried {
    pub(crate) fn new<B: Body>(body: B) -> Self {
        Self { body: Box::new(body), write: write::<B>, copied: copied::<B> }
    }

    /// Takes the body out, as a `B`.
    pub(crate) fn take<B: Body>(
        self,
        codec: &Codec,
        explain: impl Fn(Error) -> Error + Send + 'static,
    ) -> Result<B> {
        match self.body.downcast::<B>() {
            Ok(body) => Ok(*body),
            Err(body) => B::read(inbound((self.write)(body, codec)?), codec, explain),
        }
    }

    /// What the body would be on the wire, where it is one message.
    pub(crate) fn copied(&self, codec: &Codec) -> Result<Option<Bytes>> {
        (self.copied)(&*self.body, codec)
    }

    /// Writes the body, which is to be sent after all.
    pub(crate) fn write(self, codec: &Codec) -> Result<Outbound> {
        (self.write)(self.body, codec)
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried").finish_non_exhaustive()
    }
}

fn write<B: Body>(body: Box<dyn Any + Send>, codec: &Codec) -> Result<Outbound> {
    match body.downcast::<B>() {
        Ok(body) => body.write(codec),
        Err(_) => Err(Error::internal("a body is of another type than it was made of")),
    }
}

fn copied<B: Body>(body: &(dyn Any + Send), codec: &Codec) -> Result<Option<Bytes>> {
    body.downcast_ref::<B>().map_or(Ok(None), |body| body.copied(codec))
}

/// What is sent, as the other side gets it.
fn inbound(sent: Outbound) -> Inbound {
    match sent {
        Outbound::One(message) => Inbound::One(message),
        Outbound::Many(messages) => Inbound::Many(encoded(messages)),
        Outbound::Carried(carried) => Inbound::Carried(carried),
    }
}

fn encoded(mut messages: Pin<Box<dyn Encode>>) -> Messages {
    Box::pin(stream::poll_fn(move |task| {
        let mut buffer = BytesMut::new();
        let polled = messages.as_mut().poll_encode(task, &mut buffer);
        polled.map(|written| written.map(|written| written.map(|()| buffer.freeze())))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Streaming;

    #[tokio::test]
    async fn a_body_of_the_same_type_is_handed_over_and_any_other_one_is_encoded() {
        let (numbers, codec) = (vec![1_u32, 2], &Codec::JSON);
        let place = numbers.as_ptr();
        let same: Vec<u32> = Carried::new(numbers).take(codec, |error| error).unwrap();
        assert_eq!(same.as_ptr(), place, "nothing was copied");
        let other: Vec<u64> = Carried::new(same).take(codec, |error| error).unwrap();
        assert_eq!(other, [1, 2]);
        let stream = Carried::new(Streaming::from_iter([1_u32, 2]));
        let other: Streaming<u64> = stream.take(codec, |error| error).unwrap();
        assert_eq!(other.collect().await.unwrap(), [1, 2]);
        let wrong = Carried::new("a".to_owned()).take::<u32>(codec, |error| error.context("odd"));
        assert!(wrong.unwrap_err().message().starts_with("odd: "));
    }
}
