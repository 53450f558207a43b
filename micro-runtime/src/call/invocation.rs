use std::sync::Arc;

use crate::context::Context;
use crate::endpoint::MethodDescriptor;
use crate::message::AnyMessage;
use crate::metadata::{Around, Metadata};
use crate::stream::Streaming;

/// A call on its way to the handler or to the wire.
///
/// On a client, [`Context::outgoing`] is the metadata that will be sent, and
/// [`Context::with_metadata`] adds to it. On a service, [`Context::metadata`] is the metadata that
/// the caller sent, [`Context::peer`] is where it called from, and [`Context::set_header`] and
/// [`Context::set_trailer`] send metadata with the answer, before and after the handler has run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Invocation {
    /// The method that is called.
    pub method: &'static MethodDescriptor,
    /// The context, which may be replaced by another one.
    pub context: Context,
    /// What is sent.
    pub request: Payload,
}

impl Invocation {
    pub(crate) fn new(method: &'static MethodDescriptor, context: Context, request: Payload) -> Self {
        Self { method, context, request }
    }

    /// The same call once more, to be made again; `None` where the request is a stream, which is
    /// used up by the first attempt. No message is copied.
    pub fn try_clone(&self) -> Option<Self> {
        let Payload::Message(message) = &self.request else { return None };
        let request = Payload::Message(message.clone());
        Some(Self { method: self.method, context: self.context.clone(), request })
    }
}

/// The messages of one direction of a call.
#[derive(Debug)]
pub enum Payload {
    /// One message.
    Message(AnyMessage),
    /// Any number of messages; [`Streaming::map`] looks at each as it passes.
    Stream(Streaming<AnyMessage>),
}

impl Payload {
    pub(crate) fn around(&self) -> Option<&Arc<Around>> {
        match self {
            Self::Message(message) => message.around(),
            Self::Stream(messages) => messages.around(),
        }
    }

    /// The metadata that came before the answer of a call which a client made. A service's own
    /// answer has none here: its metadata is set through the [`Context`]. Where there is a stream in
    /// both directions, it is known with the first message.
    pub fn headers(&self) -> Option<&Metadata> {
        self.around().and_then(|around| around.headers.get())
    }

    /// The metadata that came behind the answer of a call which a client made. That of a stream is
    /// known once the stream has ended.
    pub fn trailers(&self) -> Option<&Metadata> {
        self.around().and_then(|around| around.trailers.get())
    }
}
