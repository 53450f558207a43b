//! What the types in a method's signature stand for, as generated code asks for it.
//!
//! Generated code never names a user's type where a bound on it is checked; it goes through the
//! associated type of one of these traits. Where a type is wrong, the compiler so says it once, at
//! the type, and takes everything after it for an error that was reported.

use super::{Body, Outcome};
use crate::context::Context;
use crate::message::Message;
use crate::stream::{Sender, Streaming};

/// What `ctx: &…` refers to.
#[diagnostic::on_unimplemented(
    message = "the first argument of a method is `&micro::Context`, and `{Self}` is not a `Context`",
    label = "not `micro::Context`",
    note = "the context carries the deadline and the metadata of the call: `ctx: &micro::Context`"
)]
pub trait ContextArgument {
    /// The context itself.
    type Context;
}

impl ContextArgument for Context {
    type Context = Self;
}

/// What a method takes.
pub trait RequestArgument {
    /// The type itself.
    type Body: Body;
}

impl<T: Body> RequestArgument for T {
    type Body = T;
}

/// What `out: &mut …` refers to.
#[diagnostic::on_unimplemented(
    message = "the last argument of a method that streams its answers is `&mut micro::Sender<T>`, and `{Self}` is not a `Sender`",
    label = "not a `micro::Sender`",
    note = "a method takes one request; more values are fields of one message"
)]
pub trait SenderArgument {
    /// What is sent.
    type Message: Message;

    /// The sender itself.
    type Sender;

    /// What the caller reads.
    type Streaming: Body;
}

impl<T: Message> SenderArgument for Sender<T> {
    type Message = T;
    type Sender = Self;
    type Streaming = Streaming<T>;
}

/// What a method returns that gives its answer as a value.
pub trait Returned {
    /// The type itself.
    type Outcome: Outcome;
}

impl<R: Outcome> Returned for R {
    type Outcome = R;
}

/// What a method returns that sends its answers.
#[diagnostic::on_unimplemented(
    message = "a method that sends its answers to `out` returns `Result<()>`, and not `{Self}`",
    label = "not `Result<()>`",
    note = "what the caller gets is what `out` is sent; take `out` away to return an answer"
)]
pub trait Ended {
    /// The type itself.
    type Outcome: Outcome<Body = ()>;
}

#[diagnostic::do_not_recommend]
impl<R: Outcome<Body = ()>> Ended for R {
    type Outcome = R;
}
