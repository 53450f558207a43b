//! What the two programs share: the suite's messages, how they travel through pipes, and how they
//! map to what `micro` has.

pub mod convert;
pub mod pipe;

/// The suite's messages and its service.
pub mod proto {
    micro::include_proto!("connectrpc.conformance.v1");
}
