//! A framework for distributed services: one annotated trait is the whole contract, and from it
//! come a typed client, a server, a description in the registry, and streams in all four shapes.
//!
//! ```
//! use micro::{Context, Result, Service};
//!
//! /// Greets people.
//! #[micro::service(package = "greeter.v1")]
//! pub trait Greeter {
//!     /// Greets one person.
//!     async fn hello(&self, ctx: &Context, name: String) -> Result<String>;
//! }
//!
//! struct Polite;
//!
//! #[micro::handler]
//! impl Greeter for Polite {
//!     async fn hello(&self, _ctx: &Context, name: String) -> Result<String> {
//!         Ok(format!("Good day, {name}"))
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<()> {
//! // `run` in a program; `in_memory` in a test.
//! let service = Service::new("greeter").handle(Polite).in_memory().await?;
//!
//! // The client is found through the registry, and implements the same trait.
//! let greeter = GreeterClient::new(&service.client());
//! assert_eq!(greeter.hello(&Context::new(), "Ada".to_owned()).await?, "Good day, Ada");
//! # service.stop().await
//! # }
//! ```
//!
//! The [`manual`] says how to do things; begin with [`manual::start`].
//!
//! | Cargo feature | Default | What it adds |
//! |---|---|---|
//! | `file` | no | durable events in a file; needs Rust 1.90 |
//! | `gzip` | yes | compression of messages with gzip |
//! | `mdns` | yes | discovery on the local network with nothing installed |
//! | `protobuf` | yes | messages generated from `.proto` files, the protobuf codec, health and reflection |
//! | `testing` | no | faults for tests: for `[dev-dependencies]` |
//! | `tls` | no | TLS for services and clients, with rustls |
//! | `zstd` | no | compression of messages with Zstandard; its library is written in C |

pub mod manual;

pub use micro_macros::{Message, handler, service, subscribe};
pub use micro_runtime::*;

// By name as well, so that the compiler tells those who forgot the feature of it.
#[cfg(feature = "testing")]
pub use micro_runtime::testing;
#[cfg(feature = "tls")]
pub use micro_runtime::tls;

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

/// The code of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
