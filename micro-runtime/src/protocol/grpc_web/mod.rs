//! gRPC-Web (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>): gRPC for callers that
//! get to see no trailers of HTTP, browsers above all. The trailers are the last envelope of the
//! body, and the body may be base64 as a whole.

mod base64;
pub(crate) mod client;
pub(crate) mod server;
mod trailers;

pub(crate) use trailers::read as read_trailers;

/// The flag of the envelope that holds the trailers.
pub(crate) const TRAILERS: u8 = 0b1000_0000;
