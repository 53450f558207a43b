//! Endpoints: what a method is, without the code around it.
//!
//! A contract becomes a static [`ServiceDescriptor`] and one [`MethodDescriptor`] per method; a
//! handler becomes a list of endpoints, each a descriptor and a function on encoded bodies; a
//! server looks them up by path. A path is a string and never a closed enum: an
//! unknown method is answered with `unimplemented`, so versions can differ.

mod at_once;
mod body;
mod carried;
mod descriptor;
mod first;
mod handler;
mod local;
mod outcome;
mod pace;
mod relay;
mod routes;
mod run;
mod serve;
mod signature;
mod subscriber;
mod subscribing;
mod until;

pub(crate) use at_once::at_once;
pub use body::Body;
pub(crate) use body::{Encode, Inbound, Messages, Outbound};
pub(crate) use carried::Carried;
pub use descriptor::{BodyDescriptor, MethodDescriptor, ServiceDescriptor};
pub(crate) use handler::Endpoint;
#[doc(hidden)]
pub use handler::OneHandlerPerTypeWithOtherContractsInAlso;
pub use handler::{Binder, Handler};
pub(crate) use local::{Entered, Entrance, Local, LocalAnswer, LocalCall, Wrap, cut_off, prepare};
#[doc(hidden)]
pub use outcome::Failure;
pub use outcome::Outcome;
pub(crate) use pace::{Pace, Run};
pub(crate) use routes::{Routes, camel_case};
pub(crate) use run::{Arrival, run};
pub(crate) use serve::Request;
pub use serve::{Serve, pushing, returning};
#[doc(hidden)]
pub(crate) use signature::Returned;
pub use signature::{
    ContextArgument, Ended, Pushing, Returning, SenderArgument, Signature, describe_pushing,
    describe_returning, serve_pushing, serve_returning,
};
pub use subscriber::SubscriberDescriptor;
pub(crate) use subscriber::{Subscriber, Subscribers};
pub use subscribing::EventArgument;
pub(crate) use subscribing::unreadable;
#[doc(hidden)]
pub use subscribing::{Handled, PublishedAs, Subscribing, describe_subscriber, serve_subscriber, topic_of};
pub(crate) use until::Until;
