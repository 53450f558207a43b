use std::collections::HashSet;
use std::ptr;

use crate::message::{Field, Shape, ShapeKind};

/// Whether two shapes are of one type, as far as can be seen.
///
/// A constant may be in several places of a program, so that the same type has shapes at two
/// addresses; and two types may have one name. So what they are made of is compared, and a type that
/// contains itself is taken for the same where it is met again.
pub(super) fn same(a: &'static Shape, b: &'static Shape) -> bool {
    Comparison::default().shapes(a, b)
}

#[derive(Default)]
struct Comparison {
    /// Addresses of pairs that are being compared, or were.
    met: HashSet<(usize, usize)>,
}

impl Comparison {
    fn shapes(&mut self, a: &'static Shape, b: &'static Shape) -> bool {
        if ptr::eq(a, b) || !self.met.insert((ptr::from_ref(a).addr(), ptr::from_ref(b).addr())) {
            return true;
        }
        a.name == b.name
            && match (a.kind, b.kind) {
                (ShapeKind::Scalar, ShapeKind::Scalar) | (ShapeKind::Opaque, ShapeKind::Opaque) => true,
                (ShapeKind::List(a), ShapeKind::List(b))
                | (ShapeKind::Map(a), ShapeKind::Map(b))
                | (ShapeKind::Optional(a), ShapeKind::Optional(b)) => self.shapes(a(), b()),
                (ShapeKind::Struct(a), ShapeKind::Struct(b)) => self.fields(a, b),
                (ShapeKind::Enum(a), ShapeKind::Enum(b)) => {
                    a.len() == b.len()
                        && a.iter().zip(b).all(|(a, b)| a.name == b.name && self.fields(a.fields, b.fields))
                }
                _ => false,
            }
    }

    fn fields(&mut self, a: &[Field], b: &[Field]) -> bool {
        a.len() == b.len()
            && a.iter().zip(b).all(|(a, b)| a.name == b.name && self.shapes((a.shape)(), (b.shape)()))
    }
}
