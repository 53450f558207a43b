//! What the frame that begins a call says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::{Codec, Compression};
use crate::endpoint::Endpoint;
use crate::metadata::Metadata;
use crate::protocol::native::fields::Fields;
use crate::protocol::native::frame::{ANSWER_COMPRESSION, FrameHead, METADATA, TIMEOUT};
use crate::protocol::native::settings::compression_of;
use crate::protocol::native::violation::Violation;

/// A call whose request may not be there yet.
pub(in crate::protocol::native) struct Begin {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) codec: Codec,
    pub(super) said: Said,
}

impl fmt::Debug for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begin").field("method", &self.endpoint.method.path).finish_non_exhaustive()
    }
}

/// What a caller says beside its message.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) timeout: Option<Duration>,
    pub(super) metadata: Metadata,
    /// The compression that the answer is wanted in.
    pub(super) compression: Option<Compression>,
}

impl Said {
    /// Reads it behind the route.
    pub(super) fn read(head: FrameHead, fields: &mut Fields<'_>, most: u32) -> Result<Self, Violation> {
        let mut said = Self::default();
        if head.has(TIMEOUT) {
            said.timeout = Some(Duration::from_micros(fields.number()?));
        }
        if head.has(METADATA) {
            said.metadata = fields.metadata(most)?;
        }
        if head.has(ANSWER_COMPRESSION) {
            // One that is not known here is of a later version, and the answer goes without.
            said.compression = compression_of(fields.byte()?);
        }
        Ok(said)
    }
}
