use std::sync::Arc;
use std::time::Duration;

use micro::{Code, Context, Error, Result, Sender, Streaming};
use micro_interop_grpc::testing::{
    EchoStatus, Empty, ResponseParameters, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
    StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse, TestService,
};
use micro_interop_grpc::{INITIAL, TRAILING, payload, size};
use tokio::time::sleep;

use crate::load::{self, Load};

/// The service of the tests.
pub(crate) struct Tests {
    load: Arc<Load>,
}

impl Tests {
    pub(crate) fn new(load: Arc<Load>) -> Self {
        Self { load }
    }
}

#[micro::handler]
impl TestService for Tests {
    async fn empty_call(&self, _ctx: &Context, _request: Empty) -> Result<Empty> {
        Ok(Empty {})
    }

    async fn unary_call(&self, ctx: &Context, request: SimpleRequest) -> Result<SimpleResponse> {
        echo_metadata(ctx)?;
        as_asked(request.response_status)?;
        if let Some(report) = request.orca_per_query_report {
            load::report_behind(ctx, &report)?;
        }
        let payload = payload(usize_of(request.response_size)?);
        Ok(SimpleResponse { payload, server_id: "micro".to_owned() })
    }

    async fn streaming_output_call(
        &self,
        _ctx: &Context,
        request: StreamingOutputCallRequest,
        out: &mut Sender<StreamingOutputCallResponse>,
    ) -> Result<()> {
        as_asked(request.response_status)?;
        answer(&request.response_parameters, out).await
    }

    async fn streaming_input_call(
        &self,
        _ctx: &Context,
        mut messages: Streaming<StreamingInputCallRequest>,
    ) -> Result<StreamingInputCallResponse> {
        let mut sum = 0;
        while let Some(message) = messages.next().await? {
            sum += size(message.payload.as_ref());
        }
        let sum = i32::try_from(sum).map_err(|_| Error::out_of_range("over 2 GiB"))?;
        Ok(StreamingInputCallResponse { aggregated_payload_size: sum })
    }

    async fn full_duplex_call(
        &self,
        ctx: &Context,
        mut messages: Streaming<StreamingOutputCallRequest>,
        out: &mut Sender<StreamingOutputCallResponse>,
    ) -> Result<()> {
        echo_metadata(ctx)?;
        while let Some(message) = messages.next().await? {
            as_asked(message.response_status)?;
            if let Some(report) = &message.orca_oob_report {
                self.load.set(report);
            }
            answer(&message.response_parameters, out).await?;
        }
        Ok(())
    }
}

fn echo_metadata(ctx: &Context) -> Result<()> {
    if let Some(value) = ctx.metadata().get_bytes(INITIAL) {
        ctx.set_header(INITIAL, value)?;
    }
    if let Some(value) = ctx.metadata().get_bytes(TRAILING) {
        ctx.set_trailer(TRAILING, value)?;
    }
    Ok(())
}

fn as_asked(status: Option<EchoStatus>) -> Result<()> {
    let Some(EchoStatus { code, message }) = status else { return Ok(()) };
    match u32::try_from(code).ok().and_then(Code::from_number) {
        Some(code) => Err(Error::new(code, message)),
        None => Ok(()),
    }
}

async fn answer(answers: &[ResponseParameters], out: &mut Sender<StreamingOutputCallResponse>) -> Result<()> {
    for answer in answers {
        if let Ok(micros @ 1..) = u64::try_from(answer.interval_us) {
            sleep(Duration::from_micros(micros)).await;
        }
        out.send(StreamingOutputCallResponse { payload: payload(usize_of(answer.size)?) }).await?;
    }
    Ok(())
}

fn usize_of(size: i32) -> Result<usize> {
    usize::try_from(size).map_err(|_| Error::invalid_argument(format!("a payload of {size} bytes")))
}
