//! What generated code says about the types in a method's signature.
//!
//! For every method there is one type that implements [`Signature`] with the types as the user
//! wrote them, and all other generated code says no more about these types than that. Where one of
//! them is not what it must be, the compiler so says it once, at that type in that impl; a bound
//! anywhere else would have it say the same again there.

use super::{Body, MethodDescriptor, Outcome, Serve, pushing, returning};
use crate::context::Context;
use crate::message::Message;
use crate::stream::{Sender, Streaming};

/// A method, as a type.
pub trait Signature: 'static {
    /// What `ctx` refers to.
    type Context: ContextArgument;

    /// What is sent.
    type Request: Body;

    /// What the client says that the caller gets. It is a [`Body`], and that is not asked here: it
    /// is asked of the type that it comes from.
    type Response;

    /// What the method is.
    const DESCRIPTOR: &'static MethodDescriptor;
}

/// A method that returns its answer.
pub trait Returning: Signature {
    /// What it returns.
    type Outcome: Outcome<Answer = Self::Response>;
}

/// A method that sends its answers.
pub trait Pushing: Signature {
    /// What `out` refers to.
    type Sender: SenderArgument<Answer = Self::Response>;

    /// What it returns.
    type Outcome: Ended;
}

pub(crate) type Returned<M> = <<M as Returning>::Outcome as Outcome>::Body;
type Sent<M> = <<M as Pushing>::Sender as SenderArgument>::Message;

/// Describes a method that returns its answer.
pub const fn describe_returning<M: Returning>(
    service: &'static str,
    name: &'static str,
    path: &'static str,
    doc: &'static str,
) -> MethodDescriptor {
    MethodDescriptor::new::<M::Request, Returned<M>>(service, name, path, doc)
}

/// Describes a method that sends its answers.
pub const fn describe_pushing<M: Pushing>(
    service: &'static str,
    name: &'static str,
    path: &'static str,
    doc: &'static str,
) -> MethodDescriptor {
    MethodDescriptor::new::<M::Request, Streaming<Sent<M>>>(service, name, path, doc)
}

/// [`returning`] for a method known by its type.
pub fn serve_returning<M, F, Fut>(method: F) -> impl Serve + 'static
where
    M: Returning,
    F: Fn(M::Context, M::Request) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = M::Outcome> + Send + 'static,
{
    returning(move |ctx, request| method(M::Context::from_context(ctx), request))
}

/// [`pushing`] for a method known by its type.
pub fn serve_pushing<M, F, Fut>(method: F) -> impl Serve + 'static
where
    M: Pushing,
    F: Fn(M::Context, M::Request, M::Sender) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = M::Outcome> + Send + 'static,
{
    pushing(move |ctx, request, out| {
        let answer = method(M::Context::from_context(ctx), request, M::Sender::from_sender(out));
        async move { answer.await.into_end() }
    })
}

/// What `ctx: &…` refers to: [`Context`].
#[diagnostic::on_unimplemented(
    message = "the first argument of a method is `&micro::Context`, and `{Self}` is not a `Context`",
    label = "not `micro::Context`",
    note = "the context carries the deadline and the metadata of the call: `ctx: &micro::Context`"
)]
pub trait ContextArgument: Send + Sync + 'static {
    /// The context by the user's name for it.
    fn from_context(ctx: Context) -> Self;

    /// The context by our name for it.
    fn context(&self) -> &Context;
}

#[diagnostic::do_not_recommend]
impl ContextArgument for Context {
    fn from_context(ctx: Context) -> Self {
        ctx
    }

    fn context(&self) -> &Context {
        self
    }
}

/// What `out: &mut …` refers to: a [`Sender`].
#[diagnostic::on_unimplemented(
    message = "the last argument of a method that sends its answers is `&mut micro::Sender<Reply>`, and `{Self}` is not a `Sender`",
    label = "not a `micro::Sender`",
    note = "a method takes one request; more values are fields of one message"
)]
pub trait SenderArgument: Send + 'static {
    /// What is sent.
    type Message: Message;

    /// What the caller reads.
    type Answer;

    /// The sender by the user's name for it.
    fn from_sender(sender: Sender<Self::Message>) -> Self;

    /// The sender by our name for it.
    fn sender(&mut self) -> &mut Sender<Self::Message>;
}

impl<T: Message> SenderArgument for Sender<T> {
    type Message = T;
    type Answer = Streaming<T>;

    fn from_sender(sender: Self) -> Self {
        sender
    }

    fn sender(&mut self) -> &mut Self {
        self
    }
}

/// What a method returns that sends its answers: an [`Outcome`] of `()`.
#[diagnostic::on_unimplemented(
    message = "a method that sends its answers to `out` returns `Result<()>`, and not `{Self}`",
    label = "not `Result<()>`",
    note = "what the caller gets is what `out` is sent; take `out` away to return an answer"
)]
pub trait Ended: Send + 'static {
    /// To what the runtime uses.
    fn into_end(self) -> crate::Result<()>;

    /// From what the runtime uses.
    fn from_end(result: crate::Result<()>) -> Self;
}

#[diagnostic::do_not_recommend]
impl<R: Outcome<Body = ()>> Ended for R {
    fn into_end(self) -> crate::Result<()> {
        self.into_result()
    }

    fn from_end(result: crate::Result<()>) -> Self {
        Self::from_result(result)
    }
}
