//! A stream of answers, and what is told of it.

use micro::{Error, Message, Response, Result, Streaming};
use micro_conformance::convert::{error, headers};
use micro_conformance::proto::{ClientResponseResult, ConformancePayload};

use crate::cancel::{Cancel, cancelled};

/// How an answer holds what the suite looks at.
pub(crate) type Payload<B> = fn(B) -> Option<ConformancePayload>;

/// The answers of a call, read one by one.
pub(crate) struct Answers<B> {
    /// `None` once there will be no more.
    messages: Option<Streaming<B>>,
    payload: Payload<B>,
    cancel: Cancel,
    result: ClientResponseResult,
}

impl<B: Message> Answers<B> {
    pub(crate) fn new(called: Result<Response<Streaming<B>>>, payload: Payload<B>, cancel: Cancel) -> Self {
        let (messages, result) = match called {
            Ok(response) => (Some(response.into_inner()), ClientResponseResult::default()),
            Err(failed) => (None, self::failed(&failed)),
        };
        Self { messages, payload, cancel, result }
    }

    /// Reads the next one and says whether there was one.
    pub(crate) async fn next(&mut self) -> bool {
        let Some(messages) = &mut self.messages else { return false };
        match messages.next().await {
            Ok(Some(answer)) => {
                self.result.payloads.push((self.payload)(answer).unwrap_or_default());
                if self.cancel == Cancel::AfterAnswers(self.result.payloads.len()) {
                    self.cancel();
                }
                true
            }
            Ok(None) => {
                self.end(None);
                false
            }
            Err(failed) => {
                self.end(Some(failed));
                false
            }
        }
    }

    /// Cancels the call, unless it is over.
    pub(crate) fn cancel(&mut self) {
        if self.messages.is_some() {
            self.end(Some(cancelled()));
        }
    }

    /// Reads the rest.
    pub(crate) async fn rest(mut self, unsent: i32) -> ClientResponseResult {
        while self.next().await {}
        ClientResponseResult { num_unsent_requests: unsent, ..self.result }
    }

    fn end(&mut self, failed: Option<Error>) {
        let Some(messages) = self.messages.take() else { return };
        self.result.response_headers = messages.headers().map(headers).unwrap_or_default();
        self.result.response_trailers = match &failed {
            Some(failed) => headers(failed.metadata()),
            None => messages.trailers().map(headers).unwrap_or_default(),
        };
        self.result.error = failed.as_ref().map(error);
    }
}

/// What is told of a call that failed as a whole. Its error has all the metadata there was, which is
/// to be told as trailers.
pub(crate) fn failed(failed: &Error) -> ClientResponseResult {
    ClientResponseResult {
        error: Some(error(failed)),
        response_trailers: headers(failed.metadata()),
        ..ClientResponseResult::default()
    }
}

/// What is told of a call with one answer.
pub(crate) fn answered<B>(response: Response<B>, payload: Payload<B>) -> ClientResponseResult {
    ClientResponseResult {
        response_headers: headers(response.headers()),
        response_trailers: headers(response.trailers()),
        payloads: vec![payload(response.into_inner()).unwrap_or_default()],
        ..ClientResponseResult::default()
    }
}
