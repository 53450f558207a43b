use std::time::Duration;

use bytes::Bytes;

use super::Body;
use crate::codec::Codec;
use crate::error::Result;
use crate::message::{AnyMessage, Message, Shape};

/// What a contract says about itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServiceDescriptor {
    /// The full name on the wire: `greeter.v1.Greeter`.
    pub name: &'static str,
    /// The documentation of the trait.
    pub doc: &'static str,
    /// The methods, in the order they are written.
    pub methods: &'static [MethodDescriptor],
    /// The `.proto` files that the contract was made from, where it was: an encoded
    /// `google.protobuf.FileDescriptorSet` with its file and all that it imports.
    pub descriptors: Option<&'static [u8]>,
}

/// What a contract says about one of its methods.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MethodDescriptor {
    /// The full name of the contract: `greeter.v1.Greeter`.
    pub service: &'static str,
    /// The name on the wire: `Hello`.
    pub name: &'static str,
    /// The route: `/greeter.v1.Greeter/Hello`.
    pub path: &'static str,
    /// The documentation of the method.
    pub doc: &'static str,
    /// Whether calling it twice is the same as calling it once, so that a call may be retried.
    pub idempotent: bool,
    /// Whether it may be called with GET, which links and caches do: one message each way, idempotent, and
    /// not marked as one that changes something.
    pub http_get: bool,
    /// Whether the method is marked `#[deprecated]`.
    pub deprecated: bool,
    /// How long a call may take where neither the caller nor its context says so.
    pub timeout: Option<Duration>,
    /// How many further attempts an idempotent call gets, where its caller does not say.
    pub retries: Option<u32>,
    /// How long an attempt of an idempotent call may take before another one takes its place, where its
    /// caller does not say.
    pub attempt_timeout: Option<Duration>,
    /// After which time a second node is asked as well, where the caller does not say.
    pub hedge: Option<Duration>,
    /// Whether calls that ask the same at the same time share an answer, where the caller does not say.
    pub coalesce: bool,
    /// What the method takes.
    pub request: BodyDescriptor,
    /// What the method answers.
    pub response: BodyDescriptor,
}

/// One direction of a method.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BodyDescriptor {
    /// What its messages look like.
    pub shape: &'static Shape,
    /// Whether there are any number of messages, and not just one.
    pub stream: bool,
    /// The `.proto` files that the messages were made from, where they were: see
    /// [`Message::DESCRIPTORS`].
    pub descriptors: Option<&'static [u8]>,
    /// The name of the encoding with this index: those that its messages bring, the preferred one
    /// first.
    format: fn(usize) -> Option<&'static str>,
    /// Reads one message in the encoding of this name.
    decode: fn(&str, Bytes) -> Result<AnyMessage>,
}

impl ServiceDescriptor {
    /// Describes a contract. Generated code calls it.
    pub const fn new(name: &'static str, doc: &'static str, methods: &'static [MethodDescriptor]) -> Self {
        Self { name, doc, methods, descriptors: None }
    }

    /// Adds the `.proto` files that the contract was made from, as an encoded
    /// `google.protobuf.FileDescriptorSet`.
    #[must_use]
    pub const fn with_descriptors(mut self, descriptors: &'static [u8]) -> Self {
        self.descriptors = Some(descriptors);
        self
    }
}

impl MethodDescriptor {
    /// Describes a method that takes `A` and answers `B`. Generated code calls it.
    pub const fn new<A: Body, B: Body>(
        service: &'static str,
        name: &'static str,
        path: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            service,
            name,
            path,
            doc,
            idempotent: false,
            http_get: false,
            deprecated: false,
            timeout: None,
            retries: None,
            attempt_timeout: None,
            hedge: None,
            coalesce: false,
            request: BodyDescriptor::of::<A>(),
            response: BodyDescriptor::of::<B>(),
        }
    }

    /// Marks the method as idempotent.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self.http_get = self.is_unary();
        self
    }

    /// Marks an idempotent method as one that changes something, and is not to be called with GET.
    #[must_use]
    pub const fn no_get(mut self) -> Self {
        self.http_get = false;
        self
    }

    /// Marks the method as deprecated.
    #[must_use]
    pub const fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    /// Sets the default timeout.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how many further attempts a call gets.
    #[must_use]
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Sets how long one attempt may take.
    #[must_use]
    pub const fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Sets after which time a second node is asked as well.
    #[must_use]
    pub const fn hedge(mut self, after: Duration) -> Self {
        self.hedge = Some(after);
        self
    }

    /// Lets calls that ask the same at the same time share an answer.
    #[must_use]
    pub const fn coalesce(mut self) -> Self {
        self.coalesce = true;
        self
    }

    /// Whether one message is answered by one message.
    pub const fn is_unary(&self) -> bool {
        !self.request.stream && !self.response.stream
    }

    /// `Greeter.Hello`: the last part of the contract's name and the name of the method, which is
    /// how go-micro names endpoints.
    pub fn endpoint(&self) -> String {
        let service = self.service.rsplit('.').next().unwrap_or(self.service);
        format!("{service}.{}", self.name)
    }
}

impl BodyDescriptor {
    const fn of<B: Body>() -> Self {
        Self {
            shape: <B::Message as Message>::SHAPE,
            stream: B::STREAM,
            descriptors: <B::Message as Message>::DESCRIPTORS,
            format: format::<B::Message>,
            decode: AnyMessage::decode_own::<B::Message>,
        }
    }

    /// Whether its messages can be read and written with this codec.
    pub(crate) fn reads(&self, codec: &Codec) -> bool {
        codec.is_one_of(self.formats())
    }

    /// Reads one of its messages, in an encoding that they bring.
    pub(crate) fn decode(&self, format: &str, bytes: Bytes) -> Result<AnyMessage> {
        (self.decode)(format, bytes)
    }

    /// The names of the encodings that its messages bring, the preferred one first.
    pub fn formats(&self) -> impl Iterator<Item = &'static str> + use<> {
        let format = self.format;
        (0..).map_while(format)
    }
}

fn format<T: Message>(index: usize) -> Option<&'static str> {
    T::FORMATS.get(index).map(|format| format.name)
}
