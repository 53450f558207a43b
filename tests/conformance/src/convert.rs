//! The suite's headers, errors and `Any` from and to what `micro` has.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use micro::protobuf::Any;
use micro::{Code, Detail, Error, Message, Metadata, Result};

use crate::proto;

/// What stands before the name of a type in an `Any`.
const TYPE_URL: &str = "type.googleapis.com/";

/// The suite writes values under a `-bin` name as they are on the wire; `micro` has the bytes.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The suite's headers as metadata.
pub fn metadata(headers: &[proto::Header]) -> Result<Metadata> {
    let mut metadata = Metadata::new();
    for header in headers {
        for value in &header.value {
            if is_binary(&header.name) {
                let value = BASE64.decode(value).map_err(|error| {
                    Error::invalid_argument(format!("`{}: {value}` is not base64", header.name))
                        .with_source(error)
                })?;
                metadata.append(&header.name, value)?;
            } else {
                metadata.append(&header.name, value)?;
            }
        }
    }
    Ok(metadata)
}

/// Metadata as the suite's headers: each name once, with its values in their order.
pub fn headers(metadata: &Metadata) -> Vec<proto::Header> {
    let mut headers: Vec<proto::Header> = Vec::new();
    for (name, value) in metadata.iter() {
        let value = match is_binary(name) {
            true => BASE64.encode(value),
            false => String::from_utf8_lossy(value).into_owned(),
        };
        match headers.iter_mut().find(|header| header.name == name) {
            Some(header) => header.value.push(value),
            None => headers.push(proto::Header { name: name.to_owned(), value: vec![value] }),
        }
    }
    headers
}

/// An error of `micro` as the suite describes it.
pub fn error(error: &Error) -> proto::Error {
    let details = error.details().iter().map(|detail| Any {
        type_url: format!("{TYPE_URL}{}", detail.type_name()),
        value: detail.value().to_vec(),
    });
    proto::Error {
        // Both have the numbers of gRPC.
        code: i32::try_from(error.code().number()).unwrap_or_default(),
        message: Some(error.message().to_owned()),
        details: details.collect(),
    }
}

/// An error that the suite asks for.
pub fn to_error(asked: &proto::Error) -> Error {
    let code = u32::try_from(asked.code).ok().and_then(Code::from_number).unwrap_or(Code::Unknown);
    let error = Error::new(code, asked.message.clone().unwrap_or_default());
    asked.details.iter().fold(error, |error, detail| {
        error.with_detail(Detail::new(type_name(&detail.type_url), detail.value.clone()))
    })
}

/// Puts a message into an `Any`.
pub fn pack<T: Message>(message: &T) -> Result<Any> {
    let detail = Detail::of(message)?;
    Ok(Any { type_url: format!("{TYPE_URL}{}", detail.type_name()), value: detail.value().to_vec() })
}

/// Takes the message out of an `Any`, which has to be of that type.
pub fn unpack<T: Message>(any: &Any) -> Result<T> {
    let name = type_name(&any.type_url);
    Detail::new(name, any.value.clone()).decode().unwrap_or_else(|| {
        Err(Error::invalid_argument(format!("a `{name}` where a `{}` is due", T::SHAPE.name)))
    })
}

fn type_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

fn is_binary(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("-bin")
}
