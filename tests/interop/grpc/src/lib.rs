//! What the server and the client for the interop tests share.

use crate::testing::Payload;

/// The messages and services of `proto/`.
pub mod proto {
    micro::include_protos!();
}

pub use proto::grpc::testing;
pub use proto::interop as failures;
pub use proto::xds::service::orca::v3 as orca;

/// Metadata that comes back in front of an answer.
pub const INITIAL: &str = "x-grpc-test-echo-initial";

/// Metadata that comes back behind an answer.
pub const TRAILING: &str = "x-grpc-test-echo-trailing-bin";

/// A payload of this size.
pub fn payload(size: usize) -> Option<Payload> {
    Some(Payload { body: vec![0; size] })
}

/// The size of a payload.
pub fn size(payload: Option<&Payload>) -> usize {
    payload.map_or(0, |payload| payload.body.len())
}
