//! gRPC (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>): every call is a stream
//! of messages in envelopes, and how it ended stands in the trailers.
//!
//! gRPC-Web is the same with the trailers in the body; what differs is a matter of the [`Dialect`],
//! and the rest of it is in [`grpc_web`](super::grpc_web).

pub(crate) mod client;
mod details;
mod media_type;
pub(crate) mod server;
mod status;
mod text;
mod timeout;

use http::header::HeaderName;

pub(crate) use media_type::Dialect;

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
