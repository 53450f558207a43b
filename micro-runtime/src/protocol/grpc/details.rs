//! The details of an error: a `google.rpc.Status` in a header. Without the feature `protobuf` there
//! are none.

#[cfg(feature = "protobuf")]
pub(super) use with_protobuf::{read, write};
#[cfg(not(feature = "protobuf"))]
pub(super) use without_protobuf::{read, write};

/// What a `google.rpc.Status` says beside the code.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) message: String,
    pub(super) details: Vec<crate::error::Detail>,
}

#[cfg(feature = "protobuf")]
mod with_protobuf {
    use prost::Message as _;
    use prost_types::Any;

    use super::Read;
    use crate::error::{Code, Detail};

    #[derive(prost::Message)]
    struct Status {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<Any>,
    }

    /// The status of an error that has details.
    pub(in super::super) fn write(code: Code, message: &str, details: &[Detail]) -> Option<Vec<u8>> {
        let details = details.iter().cloned().map(Any::from).collect();
        let code = i32::try_from(code.number()).unwrap_or_default();
        let status = Status { code, message: message.to_owned(), details };
        (!status.details.is_empty()).then(|| status.encode_to_vec())
    }

    /// What a status says; `None` where the bytes are not one.
    pub(in super::super) fn read(bytes: &[u8]) -> Option<Read> {
        let Status { message, details, .. } = Status::decode(bytes).ok()?;
        Some(Read { message, details: details.into_iter().map(Detail::from).collect() })
    }
}

#[cfg(not(feature = "protobuf"))]
mod without_protobuf {
    use super::Read;
    use crate::error::{Code, Detail};

    pub(in super::super) fn write(_: Code, _: &str, _: &[Detail]) -> Option<Vec<u8>> {
        None
    }

    pub(in super::super) fn read(_: &[u8]) -> Option<Read> {
        None
    }
}
