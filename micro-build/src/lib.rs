//! Turns `.proto` files into messages and [`micro`](https://docs.rs/micro) service contracts, from a
//! `build.rs`. No `protoc` is needed on the machine: the compiler is a Rust library.
//!
//! ```no_run
//! // build.rs
//! fn main() -> micro_build::Result<()> {
//!     micro_build::compile(&["proto/greeter.proto"], &["proto"])
//! }
//! ```
//!
//! ```ignore
//! // src/main.rs
//! micro::include_proto!("greeter.v1");
//! ```
//!
//! For each message there is a struct with protobuf and canonical JSON encodings, and for each
//! service the same annotated trait that one writes by hand, with its client. Comments become
//! documentation.
//!
//! # One package or several
//!
//! `micro::include_proto!("greeter.v1")` puts the types of one package where it stands. Where
//! packages use each other's types, `micro::include_protos!()` puts a module for every package there
//! instead, nested as their names are: the package `shop.v1` is the module `shop::v1`. A package that
//! needs this says so when it is included alone. The package without a name is `"_"`.
//!
//! # What becomes what
//!
//! | In the file | In Rust |
//! |---|---|
//! | `message Order` | `struct Order`; types nested in it are in `mod order` |
//! | `oneof payment` | `enum order::Payment`, held as an `Option` |
//! | `enum Status` | `enum Status`; fields hold the number (`i32`), with getters and setters beside them |
//! | `optional`, a message field | `Option` |
//! | `repeated`, `map` | `Vec`, `HashMap` (or [`Config::btree_map`]) |
//! | `google.protobuf.Timestamp`, `Struct`… | the types in `micro::protobuf` |
//! | `google.protobuf.StringValue`… | `Option<String>`… |
//! | `google.protobuf.Empty` | `()` |
//! | `rpc` | an `async fn` in the trait; streams are `Streaming` and `Sender` |
//! | `option idempotency_level = NO_SIDE_EFFECTS` | `#[micro(idempotent)]` |
//! | `option idempotency_level = IDEMPOTENT` | `#[micro(idempotent, no_get)]` |
//! | `option deprecated = true` on fields, enum values, methods and services | `#[deprecated]` |
//!
//! Both proto2 and proto3 are read; editions and extensions are not supported.
//!
//! # When a file is wrong
//!
//! The build fails with the file, the line, the column and the reason, and nothing is written: all
//! is generated in memory first. Files that did not change are not touched, so what depends on them
//! is not compiled again. Cargo runs the script again when one of the `.proto` files changes, imports
//! included.

mod code;
mod compile;
mod config;
mod docs;
mod error;
mod generate;
mod model;
mod names;
mod output;

use std::path::Path;

pub use config::{Config, Generated};
pub use error::{Error, Result};

/// Compiles `.proto` files with the default options into the `OUT_DIR` of the build script.
///
/// `includes` are the folders in which imports are looked for; each of `protos` is in one of them.
/// See [`configure`] for options.
///
/// # Errors
///
/// Fails where a file cannot be read, is wrong, or uses what is not supported. The error says where
/// and why, and prints the same with `{}` and `{:?}`.
pub fn compile(protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<()> {
    configure().compile(protos, includes)
}

/// Options for compiling `.proto` files.
///
/// ```no_run
/// # fn main() -> micro_build::Result<()> {
/// micro_build::configure()
///     .btree_map(&["."])
///     .type_attribute("shop.v1.Order", "#[derive(PartialOrd)]")
///     .compile(&["proto/shop.proto"], &["proto"])
/// # }
/// ```
pub fn configure() -> Config {
    Config::default()
}
