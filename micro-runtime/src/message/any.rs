use std::any::Any;
use std::fmt;

use bytes::BytesMut;

use super::{Message, Shape};
use crate::codec::Codec;
use crate::error::{Error, Result};

/// A message whose type is not known at compile time, as interceptors see it.
///
/// ```
/// # use micro_runtime::AnyMessage;
/// let mut message = AnyMessage::new(String::from("Ada"));
/// message.downcast_mut::<String>().unwrap().push_str(" Lovelace");
/// assert_eq!(message.to_json().unwrap(), "Ada Lovelace");
/// assert_eq!(message.take::<String>().unwrap(), "Ada Lovelace");
/// ```
pub struct AnyMessage(Box<dyn Erased>);

trait Erased: Any + Send + Sync {
    fn shape(&self) -> &'static Shape;
    fn encode(&self, codec: &Codec, buffer: &mut BytesMut) -> Result<()>;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

impl<T: Message> Erased for T {
    fn shape(&self) -> &'static Shape {
        T::SHAPE
    }

    fn encode(&self, codec: &Codec, buffer: &mut BytesMut) -> Result<()> {
        codec.encode(self, buffer)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

impl AnyMessage {
    /// Hides the type of a message.
    pub fn new<T: Message>(message: T) -> Self {
        Self(Box::new(message))
    }

    /// What the message looks like.
    pub fn shape(&self) -> &'static Shape {
        (*self.0).shape()
    }

    /// The message, where it is a `T`.
    pub fn downcast_ref<T: Message>(&self) -> Option<&T> {
        (*self.0).as_any().downcast_ref()
    }

    /// The message to be changed, where it is a `T`.
    pub fn downcast_mut<T: Message>(&mut self) -> Option<&mut T> {
        (*self.0).as_any_mut().downcast_mut()
    }

    /// The message as JSON, for logs and rules that do not know the type.
    pub fn to_json(&self) -> Result<serde_json::Value> {
        let mut buffer = BytesMut::new();
        (*self.0).encode(&Codec::JSON, &mut buffer)?;
        serde_json::from_slice(&buffer)
            .map_err(|error| Error::internal("the message is not valid JSON").with_source(error))
    }

    /// Takes the message out. It is an error if it is not a `T`: an interceptor put a message of
    /// another type in its place.
    pub fn take<T: Message>(self) -> Result<T> {
        let found = self.shape().name;
        self.0.into_any().downcast().map(|message| *message).map_err(|_| {
            let wanted = T::SHAPE.name;
            Error::internal(format!(
                "an interceptor replaced a message of type `{wanted}` by one of type `{found}`"
            ))
        })
    }
}

impl fmt::Debug for AnyMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyMessage").field(&self.shape().name).finish()
    }
}
