//! Messages: what a method takes and gives back.
//!
//! A type is a message when it knows its encodings (a static table from the name of an encoding to
//! an encode and a decode function) and its [`Shape`]. `#[derive(micro::Message)]` says so for a
//! serde type, `micro-build` writes it for the types of a `.proto` file, and numbers, strings, `()`,
//! options, lists and maps are messages as they are.

mod any;
mod format;
mod scalars;
mod serde;
mod shape;

#[doc(hidden)]
pub use self::serde::SerdeMessage;
pub use any::AnyMessage;
pub use format::Format;
pub(crate) use scalars::wrapper;
#[doc(hidden)]
pub use shape::probe;
pub use shape::{Field, Shape, ShapeKind, Variant};

/// A type that can travel between services.
///
/// Do not implement it by hand; derive it:
///
/// ```ignore
/// #[derive(micro::Message, serde::Serialize, serde::Deserialize)]
/// pub struct HelloRequest { pub name: String }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel as a message",
    label = "this type is not a message",
    note = "derive it where the type is defined: `#[derive(micro::Message, serde::Serialize, serde::Deserialize)]`",
    note = "a type from another crate can travel inside a message of yours, as a field"
)]
pub trait Message: Sized + Send + Sync + 'static {
    /// The encodings of this type, the preferred one first.
    const FORMATS: &'static [Format<Self>];

    /// What the message looks like.
    const SHAPE: &'static Shape;

    /// The `.proto` files that the type was generated from: an encoded
    /// `google.protobuf.FileDescriptorSet` with its file and all that it imports. `None` where the
    /// type was not generated.
    const DESCRIPTORS: Option<&'static [u8]> = None;

    /// The message as serde sees it, for codecs that users add. `None` where the type is not a
    /// serde type.
    fn as_serde(&self) -> Option<&dyn erased_serde::Serialize> {
        None
    }

    /// The way back from serde. `None` where the type is not a serde type.
    fn from_serde(
        _deserializer: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Option<Result<Self, erased_serde::Error>> {
        None
    }
}
