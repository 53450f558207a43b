use std::fmt;

/// What a message type looks like: enough to describe an endpoint in a registry, to document it,
/// and to make a form for it.
///
/// Shapes are static. What a shape is made of is reached through functions, so that a type may
/// contain itself.
#[derive(Debug)]
pub struct Shape {
    /// The name of the type: the full protobuf name for generated messages, the Rust name for
    /// serde types, the protobuf scalar name (`string`, `int64`, `bool`…) for scalars.
    pub name: &'static str,
    /// The documentation of the type.
    pub doc: &'static str,
    /// What it is made of.
    pub kind: ShapeKind,
}

/// What a [`Shape`] is made of.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum ShapeKind {
    /// A number, string, bool or bytes; the name tells which.
    Scalar,
    /// A list of one shape.
    List(fn() -> &'static Shape),
    /// A map from strings or numbers to one shape.
    Map(fn() -> &'static Shape),
    /// A value that may be absent.
    Optional(fn() -> &'static Shape),
    /// Named fields.
    Struct(&'static [Field]),
    /// One of several variants.
    Enum(&'static [Variant]),
    /// A type that does not describe itself.
    Opaque,
}

/// One field of a [`ShapeKind::Struct`].
#[derive(Debug)]
pub struct Field {
    /// The name in JSON.
    pub name: &'static str,
    /// The documentation of the field.
    pub doc: &'static str,
    /// The shape of its value.
    pub shape: fn() -> &'static Shape,
}

/// One variant of a [`ShapeKind::Enum`].
#[derive(Debug)]
pub struct Variant {
    /// The name in JSON.
    pub name: &'static str,
    /// The documentation of the variant.
    pub doc: &'static str,
    /// The fields it carries, if any.
    pub fields: &'static [Field],
}

impl fmt::Debug for ShapeKind {
    /// Does not follow the functions: a shape may contain itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar => f.write_str("Scalar"),
            Self::List(of) => write!(f, "List({})", of().name),
            Self::Map(of) => write!(f, "Map({})", of().name),
            Self::Optional(of) => write!(f, "Optional({})", of().name),
            Self::Struct(fields) => f.debug_list().entries(fields.iter().map(|field| field.name)).finish(),
            Self::Enum(variants) => {
                f.debug_list().entries(variants.iter().map(|variant| variant.name)).finish()
            }
            Self::Opaque => f.write_str("Opaque"),
        }
    }
}

/// How the derive asks for the shape of a field whose type may not be a message: `SHAPE` of the
/// probe itself where the type is one, and otherwise that of the trait, which stands behind it.
#[doc(hidden)]
pub mod probe {
    use std::marker::PhantomData;

    use super::{Field, Shape, ShapeKind};
    use crate::message::Message;

    /// The shape of something that does not describe itself.
    pub const OPAQUE: &Shape = &Shape { name: "any", doc: "", kind: ShapeKind::Opaque };

    #[derive(Debug)]
    pub struct Probe<T>(PhantomData<T>);

    impl<T: Message> Probe<T> {
        pub const SHAPE: &'static Shape = T::SHAPE;
    }

    /// The fields that a flattened value of this shape adds; none where they are not known before
    /// there is a value.
    pub const fn flattened(shape: &'static Shape) -> &'static [Field] {
        match shape.kind {
            ShapeKind::Struct(fields) => fields,
            _ => &[],
        }
    }

    /// `usize`, whatever a module calls by that name.
    pub type Count = usize;

    /// How many fields there are in all parts.
    pub const fn count(parts: &[&[Field]]) -> Count {
        let (mut count, mut part) = (0, 0);
        while part < parts.len() {
            count += parts[part].len();
            part += 1;
        }
        count
    }

    /// The fields of all parts, of which there are `N`.
    pub const fn join<const N: usize>(parts: &[&[Field]]) -> [Field; N] {
        const NONE: Field = Field { name: "", doc: "", shape: || OPAQUE };
        let mut all = [NONE; N];
        let (mut next, mut part) = (0, 0);
        while part < parts.len() {
            let mut field = 0;
            while field < parts[part].len() {
                let Field { name, doc, shape } = parts[part][field];
                all[next] = Field { name, doc, shape };
                next += 1;
                field += 1;
            }
            part += 1;
        }
        all
    }

    pub trait Undescribed {
        const SHAPE: &'static Shape = OPAQUE;
    }

    impl<T> Undescribed for Probe<T> {}
}

#[cfg(test)]
mod tests {
    use super::probe::{Probe, Undescribed as _};

    #[test]
    fn a_field_that_is_no_message_is_opaque_and_not_an_error() {
        struct Foreign;
        assert_eq!(Probe::<Foreign>::SHAPE.name, "any");
        assert_eq!(Probe::<String>::SHAPE.name, "string");
    }
}
