//! The shapes of the fields of generated messages.

use std::marker::PhantomData;

use super::{
    Any, Base64, Bool, Double, Duration, Empty, Enum, EnumNames, FieldMask, Float, Int32, Int64, ListValue,
    Msg, NullValue, Str, Struct, Timestamp, Uint32, Uint64, Value,
};
use crate::message::{Message, Shape, ShapeKind};

/// The shape of what a rule writes.
pub trait Describe {
    /// The shape.
    const SHAPE: &'static Shape;
}

/// The shape of a field that holds one value.
pub fn plain_shape<R: Describe>() -> &'static Shape {
    R::SHAPE
}

/// The shape of a field with presence.
pub fn optional_shape<R: Describe>() -> &'static Shape {
    Around::<R>::OPTIONAL
}

/// The shape of a repeated field.
pub fn list_shape<R: Describe>() -> &'static Shape {
    Around::<R>::LIST
}

/// The shape of a map field, whatever its keys are.
pub fn map_shape<R: Describe>() -> &'static Shape {
    Around::<R>::MAP
}

struct Around<R>(PhantomData<R>);

impl<R: Describe> Around<R> {
    const OPTIONAL: &'static Shape =
        &Shape { name: "optional", doc: "", kind: ShapeKind::Optional(|| R::SHAPE) };
    const LIST: &'static Shape = &Shape { name: "list", doc: "", kind: ShapeKind::List(|| R::SHAPE) };
    const MAP: &'static Shape = &Shape { name: "map", doc: "", kind: ShapeKind::Map(|| R::SHAPE) };
}

macro_rules! scalars {
    ($($rule:ty => $name:literal;)*) => {$(
        impl Describe for $rule {
            const SHAPE: &'static Shape = &Shape { name: $name, doc: "", kind: ShapeKind::Scalar };
        }
    )*};
}

scalars! {
    Bool => "bool";
    Str => "string";
    Base64 => "bytes";
    Int32 => "int32";
    Int64 => "int64";
    Uint32 => "uint32";
    Uint64 => "uint64";
    Float => "float";
    Double => "double";
}

macro_rules! messages {
    ($($rule:ty => $ty:ty;)*) => {$(
        impl Describe for $rule {
            const SHAPE: &'static Shape = <$ty as Message>::SHAPE;
        }
    )*};
}

messages! {
    Empty => ();
    Timestamp => prost_types::Timestamp;
    Duration => prost_types::Duration;
    FieldMask => prost_types::FieldMask;
    Struct => prost_types::Struct;
    Value => prost_types::Value;
    ListValue => prost_types::ListValue;
}

impl<T> Describe for Any<T> {
    const SHAPE: &'static Shape = <prost_types::Any as Message>::SHAPE;
}

impl<T: Message> Describe for Msg<T> {
    const SHAPE: &'static Shape = T::SHAPE;
}

impl<E: EnumNames> Describe for Enum<E> {
    const SHAPE: &'static Shape = E::SHAPE;
}

impl Describe for NullValue {
    const SHAPE: &'static Shape =
        &Shape { name: "google.protobuf.NullValue", doc: "", kind: ShapeKind::Opaque };
}
