//! The suite's service. `Unimplemented` is left out, as the suite wants it.

use micro::protobuf::Any;
use micro::{Context, Result, Sender, Streaming};
use micro_conformance::convert::pack;
use micro_conformance::proto::conformance_payload::RequestInfo;
use micro_conformance::proto::{
    BidiStreamRequest, BidiStreamResponse, ClientStreamRequest, ClientStreamResponse, ConformanceService,
    IdempotentUnaryRequest, IdempotentUnaryResponse, ServerStreamRequest, ServerStreamResponse, UnaryRequest,
    UnaryResponse,
};

use crate::answers::{Answers, one, request_info};

pub(crate) struct Suite;

#[micro::handler]
impl ConformanceService for Suite {
    async fn unary(&self, ctx: &Context, request: UnaryRequest) -> Result<UnaryResponse> {
        let requests = vec![pack(&request)?];
        let payload = one(ctx, request.response_definition, requests).await?;
        Ok(UnaryResponse { payload: Some(payload) })
    }

    async fn idempotent_unary(
        &self,
        ctx: &Context,
        request: IdempotentUnaryRequest,
    ) -> Result<IdempotentUnaryResponse> {
        let requests = vec![pack(&request)?];
        let payload = one(ctx, request.response_definition, requests).await?;
        Ok(IdempotentUnaryResponse { payload: Some(payload) })
    }

    async fn client_stream(
        &self,
        ctx: &Context,
        mut messages: Streaming<ClientStreamRequest>,
    ) -> Result<ClientStreamResponse> {
        let mut definition = None;
        let mut requests = Vec::new();
        while let Some(message) = messages.next().await? {
            let packed = pack(&message)?;
            if requests.is_empty() {
                definition = message.response_definition;
            }
            requests.push(packed);
        }
        let payload = one(ctx, definition, requests).await?;
        Ok(ClientStreamResponse { payload: Some(payload) })
    }

    async fn server_stream(
        &self,
        ctx: &Context,
        request: ServerStreamRequest,
        out: &mut Sender<ServerStreamResponse>,
    ) -> Result<()> {
        let requests = vec![pack(&request)?];
        let Some(definition) = request.response_definition else { return Ok(()) };
        let mut answers = Answers::new(ctx, definition)?;
        while answers.remain() {
            // Only the first one tells of the request: nothing in it changes after that.
            let info = answers.is_first().then(|| request_info(ctx, requests.clone()));
            let payload = answers.next(info).await;
            out.send(ServerStreamResponse { payload }).await?;
        }
        answers.end(|| request_info(ctx, requests))
    }

    async fn bidi_stream(
        &self,
        ctx: &Context,
        mut messages: Streaming<BidiStreamRequest>,
        out: &mut Sender<BidiStreamResponse>,
    ) -> Result<()> {
        let Some(mut first) = messages.next().await? else { return Ok(()) };
        let mut requests = vec![pack(&first)?];
        let mut answers = Answers::new(ctx, first.response_definition.take().unwrap_or_default())?;
        if first.full_duplex {
            // One answer for each request, which tells of what came since the last one.
            while answers.remain() {
                send(ctx, &mut answers, &mut requests, out).await?;
                match messages.next().await? {
                    Some(message) => requests.push(pack(&message)?),
                    None => break,
                }
            }
        } else {
            while let Some(message) = messages.next().await? {
                requests.push(pack(&message)?);
            }
        }
        while answers.remain() {
            send(ctx, &mut answers, &mut requests, out).await?;
        }
        answers.end(|| request_info(ctx, requests))
    }
}

/// Sends the next answer, with the requests that no answer told of yet.
async fn send(
    ctx: &Context,
    answers: &mut Answers,
    requests: &mut Vec<Any>,
    out: &mut Sender<BidiStreamResponse>,
) -> Result<()> {
    let requests = std::mem::take(requests);
    let info = match answers.is_first() {
        true => Some(request_info(ctx, requests)),
        false if requests.is_empty() => None,
        false => Some(RequestInfo { requests, ..RequestInfo::default() }),
    };
    let payload = answers.next(info).await;
    out.send(BidiStreamResponse { payload }).await
}
