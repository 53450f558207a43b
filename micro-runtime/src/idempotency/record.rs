//! An answer as it is kept: JSON, with bytes as base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::endpoint::MethodDescriptor;
use crate::error::{Code, Detail, Error, Result};
use crate::message::AnyMessage;
use crate::metadata::Metadata;

/// An answer, and what stood around it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    answer: Answer,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trailers: Vec<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Message {
        format: String,
        message: String,
    },
    Error {
        code: u32,
        message: String,
        details: Vec<(String, String)>,
        metadata: Vec<(String, String)>,
    },
    /// There was one, and it could not be kept.
    Lost,
}

impl Record {
    /// The record of an answer.
    pub(super) fn write(
        answer: std::result::Result<&AnyMessage, &Error>,
        (headers, trailers): (Metadata, Metadata),
    ) -> Result<Bytes> {
        let answer = match answer {
            Ok(message) => {
                let mut buffer = BytesMut::new();
                let format = message.encode_own(&mut buffer)?.to_owned();
                Answer::Message { format, message: STANDARD.encode(buffer) }
            }
            Err(error) => Answer::Error {
                code: error.code().number(),
                message: error.message().to_owned(),
                details: (error.details().iter())
                    .map(|detail| (detail.type_name().to_owned(), STANDARD.encode(detail.value())))
                    .collect(),
                metadata: entries(error.metadata()),
            },
        };
        let record = Self { answer, headers: entries(&headers), trailers: entries(&trailers) };
        let json = serde_json::to_vec(&record);
        json.map(Bytes::from)
            .map_err(|error| Error::internal("an answer cannot be written down").with_source(error))
    }

    /// The record of an answer that cannot be kept.
    pub(super) const LOST: &'static [u8] = br#"{"answer":"lost"}"#;

    /// Reads what was written.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(unreadable)
    }

    pub(super) fn headers(&self) -> Result<Metadata> {
        metadata(&self.headers)
    }

    pub(super) fn trailers(&self) -> Result<Metadata> {
        metadata(&self.trailers)
    }

    /// The answer itself.
    pub(super) fn into_answer(self, method: &MethodDescriptor) -> Result<AnyMessage> {
        match self.answer {
            Answer::Message { format, message } => method.response.decode(&format, decode(&message)?),
            Answer::Lost => Err(Error::data_loss(
                "the call with this idempotency key was done, and its answer could not be kept: look at what it did, and \
                 do not make it again",
            )),
            Answer::Error { code, message, details, metadata: entries } => {
                let mut error = Error::new(Code::from_number(code).unwrap_or(Code::Unknown), message);
                for (name, value) in details {
                    error = error.with_detail(Detail::new(name, decode(&value)?));
                }
                *error.metadata_mut() = metadata(&entries)?;
                Err(error)
            }
        }
    }
}

fn entries(metadata: &Metadata) -> Vec<(String, String)> {
    metadata.iter().map(|(name, value)| (name.to_owned(), STANDARD.encode(value))).collect()
}

fn metadata(entries: &[(String, String)]) -> Result<Metadata> {
    let mut metadata = Metadata::new();
    for (name, value) in entries {
        metadata.append(name, decode(value)?).map_err(unreadable)?;
    }
    Ok(metadata)
}

fn decode(text: &str) -> Result<Bytes> {
    STANDARD.decode(text).map(Bytes::from).map_err(unreadable)
}

#[cold]
fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("the answer that was kept for this idempotency key cannot be read").with_source(error)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const METHOD: MethodDescriptor =
        MethodDescriptor::new::<(), Vec<String>>("test.v1.Probe", "Ask", "/test.v1.Probe/Ask", "");

    #[test]
    fn an_answer_that_was_not_kept_is_said_to_be_lost() {
        let record = Record::read(Record::LOST).unwrap();
        assert_eq!(record.into_answer(&METHOD).unwrap_err().code(), Code::DataLoss);
    }

    proptest! {
        #[test]
        fn an_answer_is_read_as_it_was_written(
            message in any::<Vec<String>>(),
            token in vec(any::<u8>(), 0..20),
            word in "[ -~]{0,20}",
        ) {
            let (mut headers, mut trailers) = (Metadata::new(), Metadata::new());
            headers.append("token-bin", &token).unwrap();
            trailers.append("word", &word).unwrap();
            let any = AnyMessage::new(message.clone());
            let record = Record::write(Ok(&any), (headers.clone(), trailers.clone())).unwrap();
            let record = Record::read(&record).unwrap();
            prop_assert_eq!(record.headers().unwrap(), headers);
            prop_assert_eq!(record.trailers().unwrap(), trailers);
            prop_assert_eq!(record.into_answer(&METHOD).unwrap().take::<Vec<String>>().unwrap(), message);
        }

        #[test]
        fn an_error_is_read_as_it_was_written(
            code in proptest::sample::select(Code::ALL),
            message in any::<String>(),
            details in vec(("[a-z.]{1,10}", vec(any::<u8>(), 0..10)), 0..3),
        ) {
            let mut error = Error::new(code, message);
            for (name, value) in details {
                error = error.with_detail(Detail::new(name, value));
            }
            error.metadata_mut().append("why", "x").unwrap();
            let record = Record::write(Err(&error), Default::default()).unwrap();
            let read = Record::read(&record).unwrap().into_answer(&METHOD).unwrap_err();
            prop_assert_eq!((read.code(), read.message()), (error.code(), error.message()));
            prop_assert_eq!(read.details(), error.details());
            prop_assert_eq!(read.metadata(), error.metadata());
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(
            bytes in vec(any::<u8>(), 0..60),
            text in "[A-Za-z0-9+/=]{0,12}",
            format in "json|proto|.{0,5}",
        ) {
            let _ = Record::read(&bytes);
            let json = serde_json::json!({
                "answer": { "message": { "format": format, "message": text } },
                "headers": [[format, text]],
            });
            if let Ok(record) = Record::read(json.to_string().as_bytes()) {
                let _ = (record.headers(), record.into_answer(&METHOD));
            }
        }
    }
}
