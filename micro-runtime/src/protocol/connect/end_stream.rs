//! The last envelope of a streaming response: the error, if any, and the trailers.

use std::collections::BTreeMap;

use bytes::{BufMut as _, BytesMut};
use serde::{Deserialize, Serialize};

use super::END_STREAM;
use super::error::{WireError, or_null};
use crate::endpoint::MethodDescriptor;
use crate::error::{Code, Error, Result};
use crate::metadata::Metadata;
use crate::protocol::headers;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct EndStream {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<WireError>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_null")]
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::error::Detail;

    const METHOD: MethodDescriptor =
        MethodDescriptor::new::<(), ()>("test.v1.Probe", "Ask", "/test.v1.Probe/Ask", "");

    fn read(end: &EndStream) -> (Option<Error>, Metadata) {
        let mut buffer = BytesMut::new();
        end.write(&mut buffer).unwrap();
        assert_eq!(buffer[0], END_STREAM);
        EndStream::read(&buffer[5..]).unwrap().into_parts(&METHOD)
    }

    proptest! {
        #[test]
        fn an_error_comes_out_as_it_went_in(
            code in proptest::sample::select(Code::ALL),
            message in any::<String>(),
            details in vec(("[a-z.]{1,10}", vec(any::<u8>(), 0..10)), 0..3),
            token in vec(any::<u8>(), 0..10),
        ) {
            let mut error = Error::new(code, message.clone());
            for (name, value) in &details {
                error = error.with_detail(Detail::new(name.clone(), value.clone()));
            }
            error.metadata_mut().insert("token-bin", &token).unwrap();
            let (back, metadata) = read(&EndStream::failed(&error));
            let back = back.unwrap();
            prop_assert_eq!((back.code(), back.message()), (code, &message[..]));
            prop_assert_eq!(back.details(), error.details());
            prop_assert_eq!(metadata.get_bytes("token-bin").unwrap(), &token);
        }

        #[test]
        fn any_bytes_are_an_end_or_an_error(bytes in vec(any::<u8>(), 0..100)) {
            let _ = EndStream::read(&bytes);
        }

        #[test]
        fn any_json_is_an_end_or_an_error(
            code in any::<String>(),
            value in any::<String>(),
            name in any::<String>(),
        ) {
            let end = serde_json::json!({
                "error": { "code": code, "details": [{ "type": name, "value": value }] },
                "metadata": { name: [value] },
            });
            let end = EndStream::read(end.to_string().as_bytes()).unwrap();
            prop_assert!(end.into_parts(&METHOD).0.is_some());
        }
    }
}
