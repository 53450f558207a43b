//! The runtime of the [`micro`](https://docs.rs/micro) framework. Applications depend on `micro`,
//! which re-exports what is here together with the macros.
//!
//! One folder is one idea; imports run down only:
//!
//! | Floor | Rooms |
//! |---|---|
//! | 1 | [`endpoint`] descriptors and the route table · [`call`] interceptors |
//! | 0 | error · metadata · context · [`message`] · stream · [`codec`] |

pub mod call;
pub mod codec;
mod context;
pub mod endpoint;
mod error;
pub mod message;
mod metadata;
#[cfg(feature = "protobuf")]
pub mod protobuf;
mod stream;

pub use context::Context;
pub use error::{Code, Detail, Error, Result};
pub use message::{AnyMessage, Message};
pub use metadata::Metadata;
pub use stream::{CHANNEL_CAPACITY, Sender, Streaming};

/// What generated code needs, and nobody else.
#[doc(hidden)]
pub mod __private {
    pub use bytes;
    pub use erased_serde;
    #[cfg(feature = "protobuf")]
    pub use prost;
    pub use serde;

    #[cfg(feature = "protobuf")]
    pub mod protobuf {
        //! Canonical JSON for generated messages.
        pub use crate::protobuf::json::*;
    }

    pub use crate::endpoint::{
        Binder, Body, Handler, MethodDescriptor, Outcome, ServiceDescriptor, pushing, returning,
    };
    pub use crate::message::{Field, Format, Shape, ShapeKind, Variant, probe};
}
