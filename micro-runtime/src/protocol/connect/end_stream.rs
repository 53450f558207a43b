//! The last envelope of a streaming response: the error, if any, and the trailers.

use std::collections::BTreeMap;

use bytes::{BufMut as _, BytesMut};
use serde::{Deserialize, Serialize};

use super::END_STREAM;
use super::error::WireError;
use crate::endpoint::MethodDescriptor;
use crate::error::{Code, Error, Result};
use crate::metadata::Metadata;
use crate::protocol::headers;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct EndStream {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<WireError>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, Vec<String>>,
}

impl EndStream {
    pub(super) fn new(ended: Result<()>, trailers: &Metadata) -> Self {
        let mut end = ended.map_or_else(|error| Self::failed(&error), |()| Self::default());
        end.add(trailers);
        end
    }

    pub(super) fn failed(error: &Error) -> Self {
        let mut end = Self { error: Some(WireError::from(error)), ..Self::default() };
        end.add(error.metadata());
        end
    }

    fn add(&mut self, metadata: &Metadata) {
        for (name, value) in metadata.iter() {
            let value = String::from_utf8_lossy(&headers::to_wire(name, value)).into_owned();
            self.metadata.entry(name.to_owned()).or_default().push(value);
        }
    }

    /// Appends the envelope.
    pub(super) fn write(&self, buffer: &mut BytesMut) -> Result<()> {
        let json = serde_json::to_vec(self)
            .map_err(|error| Error::internal("cannot write the end of the stream").with_source(error))?;
        buffer.put_u8(END_STREAM);
        buffer.put_u32(u32::try_from(json.len()).map_err(|_| Error::internal("the trailers are too large"))?);
        buffer.extend_from_slice(&json);
        Ok(())
    }

    pub(super) fn read(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|error| {
            Error::internal(format!("the end of the stream is malformed: {error}")).with_source(error)
        })
    }

    pub(super) fn into_parts(self, method: &MethodDescriptor) -> (Option<Error>, Metadata) {
        let mut trailers = Metadata::new();
        for (name, values) in &self.metadata {
            for value in values {
                headers::add(&mut trailers, name, value.as_bytes());
            }
        }
        (self.error.map(|error| error.into_error(Code::Unknown, method)), trailers)
    }
}
