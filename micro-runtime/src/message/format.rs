use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// One encoding of a message type: its name, which is the content subtype (`json` in
/// `application/json`), and the functions that encode and decode.
pub struct Format<T> {
    /// The content subtype.
    pub name: &'static str,
    /// Appends the encoded message to the buffer.
    pub encode: fn(&T, &mut BytesMut) -> Result<()>,
    /// Reads one message from all of the bytes.
    pub decode: fn(Bytes) -> Result<T>,
}

impl<T: Serialize + DeserializeOwned> Format<T> {
    /// JSON through serde.
    pub const fn json() -> Self {
        Self { name: "json", encode: encode_json, decode: decode_json }
    }
}

#[cfg(feature = "protobuf")]
impl<T: prost::Message + Default> Format<T> {
    /// Protobuf, for generated types.
    pub const fn proto() -> Self {
        Self { name: "proto", encode: encode_proto, decode: decode_proto }
    }
}

fn encode_json<T: Serialize>(message: &T, buffer: &mut BytesMut) -> Result<()> {
    serde_json::to_writer(buffer.writer(), message).map_err(|error| {
        Error::internal(format!("cannot write the message as JSON: {error}")).with_source(error)
    })
}

fn decode_json<T: DeserializeOwned>(bytes: Bytes) -> Result<T> {
    serde_json::from_slice(&bytes).map_err(|_| explain_json::<T>(&bytes))
}

/// Reads once more, slowly, to say which field is wrong.
#[cold]
fn explain_json<T: DeserializeOwned>(bytes: &[u8]) -> Error {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) => {
            let path = error.path().to_string();
            let cause = error.into_inner();
            let place =
                if cause.is_data() && path != "." { format!("field `{path}`: ") } else { String::new() };
            let what = if bytes.is_empty() {
                "malformed JSON: the body is empty"
            } else if cause.is_data() {
                "unexpected JSON"
            } else {
                "malformed JSON"
            };
            Error::invalid_argument(format!("{what}: {place}{}", short(&cause))).with_source(cause)
        }
        Ok(_) => match reader.end() {
            Err(cause) => Error::invalid_argument(format!("malformed JSON: {cause}")).with_source(cause),
            Ok(()) => Error::invalid_argument("malformed JSON"),
        },
    }
}

/// The words of an error, which may quote the message: not all of a large one, and always the end,
/// which tells the place.
fn short(error: &serde_json::Error) -> String {
    const MOST: usize = 200;
    let text = error.to_string();
    if text.len() <= MOST {
        return text;
    }
    let start: String = text.chars().take(MOST / 2).collect();
    let end: Vec<_> = text.chars().rev().take(MOST / 2).collect();
    let end: String = end.into_iter().rev().collect();
    format!("{start}…{end}")
}

#[cfg(feature = "protobuf")]
fn encode_proto<T: prost::Message>(message: &T, buffer: &mut BytesMut) -> Result<()> {
    message.encode(buffer).map_err(|error| {
        Error::internal(format!("cannot write the message as protobuf: {error}")).with_source(error)
    })
}

#[cfg(feature = "protobuf")]
fn decode_proto<T: prost::Message + Default>(mut bytes: Bytes) -> Result<T> {
    let length = bytes.len();
    T::decode(&mut bytes).map_err(|error| {
        // Where reading stopped; what is wrong begins at most a field before that.
        let offset = length - bytes.len();
        Error::invalid_argument(format!("malformed protobuf at byte {offset}: {error}")).with_source(error)
    })
}

impl<T> Clone for Format<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Format<T> {}

impl<T> fmt::Debug for Format<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Format").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::error::Code;

    type Nested = BTreeMap<String, Vec<Option<i16>>>;

    proptest! {
        #[test]
        fn any_bytes_are_json_of_the_type_or_an_error_that_says_so_in_few_words(
            bytes in prop_oneof![
                r#"[\[\]{}":,. a0-9nul-]{0,40}"#.prop_map(String::into_bytes),
                "\"[a-z]{0,2000}\"".prop_map(String::into_bytes),
                vec(any::<u8>(), 0..40),
            ],
        ) {
            let length = bytes.len();
            match (Format::<Nested>::json().decode)(bytes.into()) {
                Ok(message) => {
                    let mut buffer = BytesMut::new();
                    (Format::json().encode)(&message, &mut buffer).unwrap();
                    prop_assert_eq!((Format::<Nested>::json().decode)(buffer.freeze()).unwrap(), message);
                }
                Err(error) => {
                    prop_assert_eq!(error.code(), Code::InvalidArgument);
                    prop_assert!(error.message().contains("JSON"), "{}", error);
                    prop_assert!(length > 40 || error.message().len() < 400, "{}", error);
                    prop_assert!(error.message().len() < 1000, "{}", error);
                }
            }
        }

        #[cfg(feature = "protobuf")]
        #[test]
        fn any_bytes_are_protobuf_of_the_type_or_an_error(bytes in vec(any::<u8>(), 0..40)) {
            if let Err(error) = (Format::<String>::proto().decode)(bytes.into()) {
                prop_assert_eq!(error.code(), Code::InvalidArgument);
                prop_assert!(error.message().starts_with("malformed protobuf at byte "), "{}", error);
            }
        }
    }
}
