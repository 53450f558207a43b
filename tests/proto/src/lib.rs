//! Generated code in a crate that takes no warnings.
#![deny(missing_docs, warnings, clippy::all, clippy::pedantic, clippy::nursery)]

/// All packages, each in its module.
pub mod all {
    micro::include_protos!();
}

/// One package alone.
pub mod single {
    micro::include_proto!("single.v1");
}

/// A package that uses types which were generated elsewhere.
pub mod outside {
    micro::include_protos!("outside.rs");
}

/// The same alone.
pub mod outside_alone {
    micro::include_proto!("outside.v1");
}
