//! Answers as a request defines them.

use std::time::Duration;

use micro::protobuf::Any;
use micro::{Context, Detail, Error, Result};
use micro_conformance::convert::{headers, metadata, to_error};
use micro_conformance::proto::conformance_payload::RequestInfo;
use micro_conformance::proto::unary_response_definition::Response;
use micro_conformance::proto::{
    self, ConformancePayload, Header, StreamResponseDefinition, UnaryResponseDefinition,
};
use tokio::time::sleep;

/// What the server saw of a call.
pub(crate) fn request_info(ctx: &Context, requests: Vec<Any>) -> RequestInfo {
    RequestInfo {
        request_headers: headers(ctx.metadata()),
        timeout_ms: ctx.remaining().and_then(|left| i64::try_from(left.as_millis()).ok()),
        requests,
        // A handler cannot see how it was called.
        connect_get_info: None,
    }
}

/// The one answer of a method without a stream of them, or the error that it ends with.
pub(crate) async fn one(
    ctx: &Context,
    definition: Option<UnaryResponseDefinition>,
    requests: Vec<Any>,
) -> Result<ConformancePayload> {
    let info = request_info(ctx, requests);
    let Some(definition) = definition else {
        return Ok(ConformancePayload { request_info: Some(info), ..ConformancePayload::default() });
    };
    set_around(ctx, &definition.response_headers, &definition.response_trailers)?;
    sleep(Duration::from_millis(definition.response_delay_ms.into())).await;
    match definition.response {
        Some(Response::Error(asked)) => Err(failure(&asked, Some(info))?),
        Some(Response::ResponseData(data)) => Ok(ConformancePayload { data, request_info: Some(info) }),
        None => Ok(ConformancePayload { request_info: Some(info), ..ConformancePayload::default() }),
    }
}

/// A stream of answers.
pub(crate) struct Answers {
    data: std::vec::IntoIter<Vec<u8>>,
    delay: Duration,
    error: Option<proto::Error>,
    sent: usize,
}

impl Answers {
    /// Sets the headers and trailers, which are to be there whatever comes.
    pub(crate) fn new(ctx: &Context, definition: StreamResponseDefinition) -> Result<Self> {
        set_around(ctx, &definition.response_headers, &definition.response_trailers)?;
        Ok(Self {
            data: definition.response_data.into_iter(),
            delay: Duration::from_millis(definition.response_delay_ms.into()),
            error: definition.error,
            sent: 0,
        })
    }

    pub(crate) fn remain(&self) -> bool {
        self.data.len() > 0
    }

    pub(crate) fn is_first(&self) -> bool {
        self.sent == 0
    }

    /// The next one, when its time has come.
    pub(crate) async fn next(&mut self, request_info: Option<RequestInfo>) -> Option<ConformancePayload> {
        let data = self.data.next()?;
        sleep(self.delay).await;
        self.sent += 1;
        Some(ConformancePayload { data, request_info })
    }

    /// How the stream ends. An error without an answer before it tells of the request.
    pub(crate) fn end(self, info: impl FnOnce() -> RequestInfo) -> Result<()> {
        match self.error {
            Some(asked) => Err(failure(&asked, (self.sent == 0).then(info))?),
            None => Ok(()),
        }
    }
}

fn failure(asked: &proto::Error, info: Option<RequestInfo>) -> Result<Error> {
    let error = to_error(asked);
    Ok(match info {
        Some(info) => error.with_detail(Detail::of(&info)?),
        None => error,
    })
}

fn set_around(ctx: &Context, headers: &[Header], trailers: &[Header]) -> Result<()> {
    metadata(headers)?.iter().try_for_each(|(name, value)| ctx.set_header(name, value))?;
    metadata(trailers)?.iter().try_for_each(|(name, value)| ctx.set_trailer(name, value))
}
