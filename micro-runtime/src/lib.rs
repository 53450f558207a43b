//! The runtime of the `micro` framework. Applications depend on `micro`,
//! which re-exports what is here together with the macros.
//!
//! One folder is one idea; imports run down only:
//!
//! | Floor | Rooms |
//! |---|---|
//! | 5 | [`service`] builder, lifecycle, node life · testing (a cargo feature): faults for tests |
//! | 4 | [`client`] call pipeline, connections · [`server`] listener, connections · [`health`], reflection: services that every server has |
//! | 3 | protocol: bytes to calls and back |
//! | 2 | [`registry`] · [`selector`] · [`broker`] · [`events`] · [`transport`]: a trait each, and its drivers · tls · nats: what its drivers share |
//! | 1 | [`endpoint`] descriptors and the route table · [`call`] interceptors · [`admission`] who is let in · [`idempotency`] calls that are made twice |
//! | 0 | error · metadata · [`metrics`] · context · [`message`] · stream · [`codec`] · environment · event: what is published · [`protobuf`] |

pub mod admission;
mod backoff;
pub mod broker;
pub mod call;
pub mod client;
pub mod codec;
mod context;
pub mod endpoint;
mod environment;
mod error;
mod event;
pub mod events;
pub mod health;
pub mod idempotency;
pub mod message;
pub mod messaging;
mod metadata;
pub mod metrics;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "protobuf")]
pub mod protobuf;
mod protocol;
#[cfg(feature = "protobuf")]
mod reflection;
pub mod registry;
pub mod selector;
pub mod server;
pub mod service;
mod stream;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/absent.rs"]
mod tls;
pub mod transport;

pub use client::{Call, Client, Response};
pub use context::{Context, Priority};
pub use environment::Environment;
pub use error::{Code, Detail, Error, Result};
pub use event::{Event, NamedTopic, ToTopic, Topic};
pub use health::Health;
pub use message::{AnyMessage, Message};
pub use metadata::Metadata;
pub use metrics::Metrics;
pub use service::{Running, Service};
pub use stream::{CHANNEL_CAPACITY, Sender, Streaming};

/// What generated code needs, and nobody else.
#[doc(hidden)]
pub mod __private {
    pub use bytes;
    pub use erased_serde;
    #[cfg(feature = "protobuf")]
    pub use prost;
    pub use serde;

    pub use crate::client::{Call, Channel, Client, answer, call, pass_on, relay};
    pub use crate::context::Context;
    pub use crate::endpoint::{
        Binder, Body, ContextArgument, Ended, Handler, MethodDescriptor,
        OneHandlerPerTypeWithOtherContractsInAlso, Outcome, Pushing, Returning, SenderArgument,
        ServiceDescriptor, Signature, SubscriberDescriptor, Subscribing, describe_pushing,
        describe_returning, describe_subscriber, pushing, returning, serve_pushing, serve_returning,
        serve_subscriber, topic_of,
    };
    pub use crate::error::{Error, Result};
    pub use crate::message::{Field, Format, Message, SerdeMessage, Shape, ShapeKind, Variant, probe};
    pub use crate::stream::{Sender, Streaming};

    #[cfg(feature = "protobuf")]
    pub mod protobuf {
        //! Canonical JSON for generated messages.
        pub use crate::protobuf::json::*;
    }
}
