use super::Body;
use crate::error::Error;

/// What a method returns: a `Result` of a [`Body`], under any alias. The error is
/// [`micro::Error`](Error), or a type of the user's that converts from and into it.
#[diagnostic::on_unimplemented(
    message = "a method returns a `Result` of a message, and `{Self}` is not one",
    label = "not a `Result` of a message",
    note = "write `micro::Result<Reply>`, where `Reply` is a message or a `micro::Streaming<Reply>`",
    note = "the error type is `micro::Error`, or one that implements `From<micro::Error>` and `Into<micro::Error>`"
)]
pub trait Outcome: Sized + Send + 'static {
    /// What it is in the good case.
    type Body: Body;

    /// The same, and nothing known about it, for generated code to compare.
    #[doc(hidden)]
    type Answer;

    #[doc(hidden)]
    fn into_result(self) -> Result<Self::Body, Error>;

    #[doc(hidden)]
    fn from_result(result: Result<Self::Body, Error>) -> Self;
}

impl<B: Body, E: Failure> Outcome for Result<B, E> {
    type Body = B;
    type Answer = B;

    fn into_result(self) -> Result<B, Error> {
        self.map_err(Into::into)
    }

    fn from_result(result: Result<B, Error>) -> Self {
        result.map_err(E::from)
    }
}

/// What a method can fail with.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a method cannot fail with `{Self}`: it does not convert from and into `micro::Error`",
    label = "the error type in this `Result` is not one of a method",
    note = "return `micro::Result<Reply>`,",
    note = "or implement `From<micro::Error>` for `{Self}`, and `From<{Self}>` for `micro::Error`"
)]
pub trait Failure: Into<Error> + From<Error> + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<E: Into<Error> + From<Error> + Send + 'static> Failure for E {}
