//! What is asked of JetStream, and what its errors mean.

use std::fmt;

use async_nats::jetstream::context::{RequestError, RequestErrorKind};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{Config, Info};
use async_nats::jetstream::{Error as Refusal, ErrorCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::link::Link;
use crate::error::{Error, Result};

/// The stream whose subjects include a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Captured {
    By(String),
    Nobody,
    /// The server has no JetStream.
    Off,
}

/// What an asked-for thing is: there, or not.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    Is(T),
    /// The server said no.
    Refused(Refusal),
    /// Nobody answers: JetStream is not there.
    Nobody,
}

impl Link {
    /// Asks JetStream.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        subject: &str,
        question: &serde_json::Value,
    ) -> Result<Answer<T>> {
        self.ready().await?;
        match self.jetstream.request(subject.to_owned(), question).await {
            Ok(Response::Ok(answer)) => Ok(Answer::Is(answer)),
            Ok(Response::Err { error }) if is_off(&error) => Ok(Answer::Nobody),
            Ok(Response::Err { error }) => Ok(Answer::Refused(error)),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(Answer::Nobody),
            Err(error) => Err(self.unanswered(error)),
        }
    }

    /// Which stream has what is published to this subject.
    pub(crate) async fn stream_of(&self, subject: &str) -> Result<Captured> {
        #[derive(Deserialize)]
        struct Names {
            streams: Option<Vec<String>>,
        }
        Ok(match self.ask::<Names>("STREAM.NAMES", &json!({"subject": subject})).await? {
            Answer::Is(names) => {
                names.streams.unwrap_or_default().into_iter().next().map_or(Captured::Nobody, Captured::By)
            }
            Answer::Nobody => Captured::Off,
            Answer::Refused(error) => return Err(self.refused("look for a stream", &error)),
        })
    }

    /// What a stream is like; `None` where there is none of this name.
    pub(crate) async fn stream(&self, name: &str) -> Result<Option<Info>> {
        match self.ask(&format!("STREAM.INFO.{name}"), &json!({})).await? {
            Answer::Is(info) => Ok(Some(info)),
            Answer::Refused(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            Answer::Refused(error) => Err(self.refused(&format!("look at the stream `{name}`"), &error)),
            Answer::Nobody => Err(self.off()),
        }
    }

    /// Makes a stream. One that somebody else made in the meantime, for the same subject, will do as well.
    pub(crate) async fn make_stream(&self, config: &Config) -> Result<()> {
        let wanted = serde_json::to_value(config)
            .map_err(|error| Error::internal("cannot write the settings of a stream").with_source(error))?;
        match self.ask::<Info>(&format!("STREAM.CREATE.{}", config.name), &wanted).await? {
            Answer::Is(_) => Ok(()),
            Answer::Refused(error)
                if matches!(
                    error.error_code(),
                    ErrorCode::STREAM_NAME_EXIST | ErrorCode::STREAM_SUBJECT_OVERLAP
                ) =>
            {
                Ok(())
            }
            Answer::Refused(error) => {
                Err(self.refused(&format!("make the stream `{}`", config.name), &error))
            }
            Answer::Nobody => Err(self.off()),
        }
    }

    /// The error where the server has no JetStream.
    #[cold]
    pub(crate) fn off(&self) -> Error {
        Error::failed_precondition(format!(
            "the NATS server at {} has no JetStream, so it keeps no event until it was handled: start nats-server with \
             `-js` (or `jetstream {{}}` in its file, and for the account), or ask for at-most-once",
            self.servers
        ))
    }

    /// The error where JetStream says no.
    #[cold]
    pub(crate) fn refused(&self, what: &str, error: &Refusal) -> Error {
        let text = format!("NATS at {} cannot {what}: {error}", self.servers);
        match (error.code(), error.error_code().0) {
            (_, FULL) => Error::resource_exhausted(format!(
                "{text}. Nothing is lost by that: somebody has to consume, or the limits of the stream are raised"
            )),
            (_, TOO_LARGE) => Error::invalid_argument(text),
            (_, 10_002 | 10_023 | 10_026 | 10_027 | 10_028 | 10_047) => Error::resource_exhausted(text),
            (500.., _) => Error::unavailable(text),
            _ => Error::failed_precondition(text),
        }
    }

    #[cold]
    fn unanswered(&self, error: RequestError) -> Error {
        Error::unavailable(format!("JetStream of NATS at {} did not answer: {error}", self.servers))
            .with_source(error)
    }
}

/// `JSStreamStoreFailedF` of the server: among others a stream that has as much as it may.
const FULL: u64 = 10_077;

/// `JSStreamMessageExceedsMaximumErr`: larger than the stream takes.
const TOO_LARGE: u64 = 10_054;

/// JetStream is off for the server or for the account (`JSNotEnabledErr`, `JSNotEnabledForAccountErr`).
fn is_off(error: &Refusal) -> bool {
    matches!(error.error_code().0, 10_039 | 10_076)
}

impl fmt::Display for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(stream) => write!(f, "the stream `{stream}`"),
            Self::Nobody => f.write_str("no stream"),
            Self::Off => f.write_str("no JetStream"),
        }
    }
}
