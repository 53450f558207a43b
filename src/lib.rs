//! A framework for distributed services: one annotated trait is the contract.
pub use micro_macros::{Message, handler, service};
pub use micro_runtime::*;

/// Includes what `micro-build` generated from the `.proto` files of one package.
///
/// It stands for the types and contracts of that package, so it is usually alone in a file or module.
/// `"_"` is the package without a name.
///
/// ```ignore
/// mod greeter {
///     micro::include_proto!("greeter.v1");
/// }
/// ```
#[cfg(feature = "protobuf")]
#[macro_export]
macro_rules! include_proto {
    ($package:literal) => {
        ::core::include!(::core::concat!(::core::env!("OUT_DIR"), "/", $package, ".rs"));
    };
}

/// Includes what `micro-build` generated from all `.proto` files, in a module for each package.
///
/// The package `shop.v1` is the module `shop::v1`, below where this stands. A name is needed only
/// where the build script gave one with `include_file`.
///
/// ```ignore
/// mod proto {
///     micro::include_protos!();
/// }
///
/// use proto::shop::v1::Order;
/// ```
#[cfg(feature = "protobuf")]
#[macro_export]
macro_rules! include_protos {
    () => {
        $crate::include_protos!("micro_protos.rs");
    };
    ($file:literal) => {
        ::core::include!(::core::concat!(::core::env!("OUT_DIR"), "/", $file));
    };
}
