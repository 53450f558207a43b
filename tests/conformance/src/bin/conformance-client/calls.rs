//! Makes one call and tells what came of it.

use std::time::Duration;

use micro::endpoint::Body;
use micro::{Call, Context, Error, Message, Result, Streaming};
use micro_conformance::convert::metadata;
use micro_conformance::proto::{
    ClientCompatRequest, ClientResponseResult, Codec, ConformanceServiceClient, StreamType,
};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::answers::{Answers, Payload, answered, failed};
use crate::cancel::{Cancel, cancelled};
use crate::requests::{Requests, only};

/// Makes the call. The error is one of this program, and not of the call.
pub(crate) async fn make(
    client: &ConformanceServiceClient,
    asked: &ClientCompatRequest,
) -> Result<ClientResponseResult> {
    let service = ConformanceServiceClient::DESCRIPTOR.name;
    if asked.service() != service {
        return Err(Error::unimplemented(format!("`{}`: this program knows `{service}`", asked.service())));
    }
    let ctx = &Context::new();
    match asked.method() {
        "Unary" => {
            let call = client.unary(ctx, only(asked)?);
            one_answer(asked, call, None, |answer| answer.payload).await
        }
        "IdempotentUnary" => {
            let call = client.idempotent_unary(ctx, only(asked)?);
            one_answer(asked, call, None, |answer| answer.payload).await
        }
        "Unimplemented" => {
            let call = client.unimplemented(ctx, only(asked)?);
            one_answer(asked, call, None, |_| None).await
        }
        "ClientStream" => {
            let (sender, requests) = Requests::of(asked)?;
            let call = client.client_stream(ctx, requests);
            one_answer(asked, call, Some(sender), |answer| answer.payload).await
        }
        "ServerStream" => {
            let call = client.server_stream(ctx, only(asked)?);
            many_answers(asked, call, |answer| answer.payload).await
        }
        "BidiStream" => {
            let (sender, requests) = Requests::of(asked)?;
            let call = client.bidi_stream(ctx, requests);
            both_ways(asked, call, sender, |answer| answer.payload).await
        }
        other => Err(Error::unimplemented(format!("this program knows no method `{other}`"))),
    }
}

/// A call with one answer: its future is polled while the requests are sent.
async fn one_answer<A: Body, B: Body>(
    asked: &ClientCompatRequest,
    call: Call<A, B>,
    requests: Option<Requests<A::Message>>,
    payload: Payload<B>,
) -> Result<ClientResponseResult> {
    let call = with_options(asked, call)?;
    let (cancel, due) = oneshot::channel();
    let answering = async {
        tokio::select! {
            biased;
            answered = call.response() => answered,
            Ok(()) = due => Err(cancelled()),
        }
    };
    let sending = async {
        let mut unsent = 0;
        let mut requests = requests;
        if let Some(requests) = &mut requests {
            while requests.next().await {}
            unsent = requests.unsent();
        }
        match Cancel::of(asked) {
            Cancel::Never | Cancel::AfterAnswers(_) => return (unsent, None),
            Cancel::InsteadOfEnd => {}
            Cancel::AfterEnd(delay) => {
                requests = None;
                sleep(delay).await;
            }
        }
        // It does not matter if the call is over.
        let _ = cancel.send(());
        // What was not ended is held until the call is cancelled.
        (unsent, requests)
    };
    let (outcome, (unsent, _requests)) = tokio::join!(answering, sending);
    let result = outcome.map_or_else(|error| failed(&error), |response| answered(response, payload));
    Ok(ClientResponseResult { num_unsent_requests: unsent, ..result })
}

/// A call with one request and a stream of answers.
async fn many_answers<A: Message, B: Message>(
    asked: &ClientCompatRequest,
    call: Call<A, Streaming<B>>,
    payload: Payload<B>,
) -> Result<ClientResponseResult> {
    let cancel = Cancel::of(asked);
    let mut answers = Answers::new(with_options(asked, call)?.response().await, payload, cancel);
    if let Cancel::AfterEnd(delay) = cancel {
        sleep(delay).await;
        answers.cancel();
    }
    Ok(answers.rest(0).await)
}

/// A call with streams in both directions.
async fn both_ways<A: Message, B: Message>(
    asked: &ClientCompatRequest,
    call: Call<Streaming<A>, Streaming<B>>,
    mut requests: Requests<A>,
    payload: Payload<B>,
) -> Result<ClientResponseResult> {
    let cancel = Cancel::of(asked);
    let mut answers = Answers::new(with_options(asked, call)?.response().await, payload, cancel);
    let in_turns = asked.stream_type() == StreamType::FullDuplexBidiStream;
    while requests.next().await {
        if in_turns && !answers.next().await {
            break;
        }
    }
    let unsent = requests.unsent();
    if cancel == Cancel::InsteadOfEnd {
        answers.cancel();
    }
    drop(requests);
    if let Cancel::AfterEnd(delay) = cancel {
        sleep(delay).await;
        answers.cancel();
    }
    Ok(answers.rest(unsent).await)
}

fn with_options<A: Body, B: Body>(asked: &ClientCompatRequest, call: Call<A, B>) -> Result<Call<A, B>> {
    let mut call = match asked.codec() {
        Codec::Proto => call.codec("proto"),
        Codec::Json => call.codec("json"),
        other => return Err(Error::unimplemented(format!("this program knows no codec {other:?}"))),
    };
    if let Some(timeout) = asked.timeout_ms {
        call = call.timeout(Duration::from_millis(timeout.into()));
    }
    for (name, value) in metadata(&asked.request_headers)?.iter() {
        call = call.metadata(name, value);
    }
    Ok(call)
}
