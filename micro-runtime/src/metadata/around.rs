use std::sync::OnceLock;

use super::Metadata;

/// The metadata before and behind an answer, each known once that part of the answer has arrived.
#[derive(Debug, Default)]
pub struct Around {
    pub(crate) headers: OnceLock<Metadata>,
    pub(crate) trailers: OnceLock<Metadata>,
}
