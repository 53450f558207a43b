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

    /// What stands before the name of a type in an `Any`.
    const TYPE_URL: &str = "type.googleapis.com/";

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
        let details = details.iter().map(|detail| Any {
            type_url: format!("{TYPE_URL}{}", detail.type_name()),
            value: detail.value().to_vec(),
        });
        let code = i32::try_from(code.number()).unwrap_or_default();
        let status = Status { code, message: message.to_owned(), details: details.collect() };
        (!status.details.is_empty()).then(|| status.encode_to_vec())
    }

    /// What a status says; `None` where the bytes are not one.
    pub(in super::super) fn read(bytes: &[u8]) -> Option<Read> {
        let Status { message, details, .. } = Status::decode(bytes).ok()?;
        let details = details.into_iter().map(|detail| {
            let name = detail.type_url.rsplit('/').next().unwrap_or_default();
            Detail::new(name, detail.value)
        });
        Some(Read { message, details: details.collect() })
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
