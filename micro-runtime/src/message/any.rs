use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Message, Shape};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::metadata::Around;

/// A message whose type is not known at compile time, as interceptors see it.
///
/// Clones share one message. It is copied, through its own encoding, only where one of them is
/// changed or taken while there are others.
///
/// ```
/// # use micro_runtime::AnyMessage;
/// let mut message = AnyMessage::new(String::from("Ada"));
/// message.downcast_mut::<String>().unwrap().push_str(" Lovelace");
/// assert_eq!(message.to_json().unwrap(), "Ada Lovelace");
/// assert_eq!(message.take::<String>().unwrap(), "Ada Lovelace");
/// ```
#[derive(Clone)]
pub struct AnyMessage {
    message: Arc<dyn Erased>,
    /// Where it is the answer of a call: the metadata around it.
    around: Option<Arc<Around>>,
}

trait Erased: Any + Send + Sync {
    fn shape(&self) -> &'static Shape;
    fn encode(&self, codec: &Codec, buffer: &mut BytesMut) -> Result<()>;
    fn encode_own(&self, buffer: &mut BytesMut) -> Result<&'static str>;
    fn copied(&self) -> Result<Arc<dyn Erased>>;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<T: Message> Erased for T {
    fn shape(&self) -> &'static Shape {
        T::SHAPE
    }

    fn encode(&self, codec: &Codec, buffer: &mut BytesMut) -> Result<()> {
        codec.encode(self, buffer)
    }

    fn encode_own(&self, buffer: &mut BytesMut) -> Result<&'static str> {
        let format = T::FORMATS.first().ok_or_else(no_encoding::<T>)?;
        (format.encode)(self, buffer)?;
        Ok(format.name)
    }

    fn copied(&self) -> Result<Arc<dyn Erased>> {
        Ok(Arc::new(copy(self)?))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl AnyMessage {
    /// Hides the type of a message.
    pub fn new<T: Message>(message: T) -> Self {
        Self { message: Arc::new(message), around: None }
    }

    /// What the message looks like.
    pub fn shape(&self) -> &'static Shape {
        (*self.message).shape()
    }

    /// The message, where it is a `T`.
    pub fn downcast_ref<T: Message>(&self) -> Option<&T> {
        (*self.message).as_any().downcast_ref()
    }

    /// The message to be changed, where it is a `T`. One that has clones is copied first; `None` as
    /// well where that is not possible, because its own encoding does not take it.
    pub fn downcast_mut<T: Message>(&mut self) -> Option<&mut T> {
        self.downcast_ref::<T>()?;
        if Arc::get_mut(&mut self.message).is_none() {
            self.message = (*self.message).copied().ok()?;
        }
        Arc::get_mut(&mut self.message)?.as_any_mut().downcast_mut()
    }

    /// The message as JSON, for logs and rules that do not know the type.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        let mut buffer = BytesMut::new();
        (*self.message).encode(&Codec::JSON, &mut buffer)?;
        serde_json::from_slice(&buffer)
            .map_err(|error| Error::internal("the message is not valid JSON").with_source(error))
    }

    /// Takes the message out. It is an error if it is not a `T`: an interceptor put a message of
    /// another type in its place. One that has clones is copied.
    pub fn take<T: Message>(self) -> Result<T> {
        let found = self.shape().name;
        match self.message.into_any().downcast::<T>() {
            Ok(message) => Arc::try_unwrap(message).or_else(|shared| copy(&*shared)),
            Err(_) => Err(other_type::<T>(found)),
        }
    }

    /// Appends the encoded message, which is to be a `T`, and takes nothing out.
    pub(crate) fn encode<T: Message>(&self, codec: &Codec, buffer: &mut BytesMut) -> Result<()> {
        let message = self.downcast_ref::<T>().ok_or_else(|| other_type::<T>(self.shape().name))?;
        codec.encode(message, buffer)
    }

    /// Appends the message in the encoding that its type prefers, and returns the name of that.
    pub(crate) fn encode_own(&self, buffer: &mut BytesMut) -> Result<&'static str> {
        (*self.message).encode_own(buffer)
    }

    /// The message of type `T` that was [encoded](Self::encode_own) so.
    pub(crate) fn decode_own<T: Message>(format: &str, bytes: Bytes) -> Result<Self> {
        let known = T::FORMATS.iter().find(|known| known.name == format).ok_or_else(|| {
            Error::internal(format!(
                "messages of type `{}` are not known as `{format}` any more",
                T::SHAPE.name
            ))
        })?;
        (known.decode)(bytes).map(Self::new)
    }

    pub(crate) fn around(&self) -> Option<&Arc<Around>> {
        self.around.as_ref()
    }

    pub(crate) fn with_around(mut self, around: Arc<Around>) -> Self {
        self.around = Some(around);
        self
    }
}

/// Messages need not be `Clone`, but all of them can be written and read.
fn copy<T: Message>(message: &T) -> Result<T> {
    let format = T::FORMATS.first().ok_or_else(no_encoding::<T>)?;
    let mut buffer = BytesMut::new();
    (format.encode)(message, &mut buffer)?;
    (format.decode)(buffer.freeze())
}

#[cold]
fn no_encoding<T: Message>() -> Error {
    Error::internal(format!("messages of type `{}` have no encoding to be copied with", T::SHAPE.name))
}

#[cold]
fn other_type<T: Message>(found: &str) -> Error {
    let wanted = T::SHAPE.name;
    Error::internal(format!("an interceptor replaced a message of type `{wanted}` by one of type `{found}`"))
}

impl fmt::Debug for AnyMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyMessage").field(&self.shape().name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_a_message_until_one_is_changed() {
        let first = AnyMessage::new(vec![1_u32]);
        let mut second = first.clone();
        assert!(std::ptr::eq(
            first.downcast_ref::<Vec<u32>>().unwrap(),
            second.downcast_ref::<Vec<u32>>().unwrap()
        ));
        assert!(second.downcast_mut::<String>().is_none(), "it is none");
        second.downcast_mut::<Vec<u32>>().unwrap().push(2);
        let third = second.clone();
        assert_eq!(third.take::<Vec<u32>>().unwrap(), [1, 2]);
        assert_eq!(second.take::<Vec<u32>>().unwrap(), [1, 2]);
        assert_eq!(first.take::<Vec<u32>>().unwrap(), [1]);
    }

    #[test]
    fn a_message_that_its_encoding_does_not_take_is_taken_and_not_copied() {
        let message = AnyMessage::new(vec![f64::NAN]);
        let clone = message.clone();
        assert!(clone.take::<Vec<f64>>().is_err());
        assert!(message.take::<Vec<f64>>().unwrap()[0].is_nan());
    }
}
