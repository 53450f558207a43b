//! The cases of <https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md>.

use std::time::Duration;

use micro::{Code, Context, Metadata, Result, Streaming};
use micro_interop_grpc::testing::{
    EchoStatus, Empty, ResponseParameters, SimpleRequest, StreamingInputCallRequest,
    StreamingOutputCallRequest,
};
use micro_interop_grpc::{INITIAL, TRAILING, payload, size};

use crate::peer::{Peer, check, failed};

/// The sizes of what streams send and answer.
const SENT: [usize; 4] = [27182, 8, 1828, 45904];
const ANSWERED: [usize; 4] = [31415, 9, 2653, 58979];

/// Metadata and what it is to come back as.
const INITIAL_VALUE: &str = "test_initial_metadata_value";
const TRAILING_VALUE: &[u8] = &[0x0a, 0x0b, 0x0a, 0x0b, 0x0a, 0x0b];

pub(crate) async fn empty_unary(peer: &Peer) -> Result<()> {
    peer.tests.empty_call(&Context::new(), Empty {}).await.map(drop)
}

pub(crate) async fn large_unary(peer: &Peer) -> Result<()> {
    let request =
        SimpleRequest { response_size: 314_159, payload: payload(271_828), ..SimpleRequest::default() };
    let answer = peer.tests.unary_call(&Context::new(), request).await?;
    let size = size(answer.payload.as_ref());
    check(size == 314_159, || format!("an answer of {size} bytes"))
}

pub(crate) async fn client_streaming(peer: &Peer) -> Result<()> {
    let messages = SENT.map(|size| StreamingInputCallRequest { payload: payload(size) });
    let call = peer.tests.streaming_input_call(&Context::new(), Streaming::from_iter(messages));
    let sum = call.await?.aggregated_payload_size;
    check(sum == 74922, || format!("{sum} bytes arrived"))
}

pub(crate) async fn server_streaming(peer: &Peer) -> Result<()> {
    let request = StreamingOutputCallRequest {
        response_parameters: ANSWERED.map(parameters).to_vec(),
        ..StreamingOutputCallRequest::default()
    };
    let answers = peer.tests.streaming_output_call(&Context::new(), request).await?;
    let sizes: Vec<_> = answers.collect().await?.iter().map(|answer| size(answer.payload.as_ref())).collect();
    check(sizes == ANSWERED, || format!("answers of {sizes:?} bytes"))
}

pub(crate) async fn ping_pong(peer: &Peer) -> Result<()> {
    let (mut out, messages) = Streaming::channel();
    let mut answers = peer.tests.full_duplex_call(&Context::new(), messages).await?;
    for (sent, due) in SENT.into_iter().zip(ANSWERED) {
        out.send(message(sent, due)).await?;
        let answer = answers.next().await?.map(|answer| size(answer.payload.as_ref()));
        check(answer == Some(due), || format!("an answer of {answer:?} bytes, and {due} are due"))?;
    }
    drop(out);
    let behind = answers.next().await?;
    check(behind.is_none(), || "there is an answer without a question".to_owned())
}

pub(crate) async fn empty_stream(peer: &Peer) -> Result<()> {
    let mut answers = peer.tests.full_duplex_call(&Context::new(), Streaming::empty()).await?;
    let answer = answers.next().await?;
    check(answer.is_none(), || "there is an answer without a question".to_owned())
}

pub(crate) async fn timeout_on_sleeping_server(peer: &Peer) -> Result<()> {
    let (mut out, messages) = Streaming::channel();
    let call = peer.tests.full_duplex_call(&Context::new(), messages).timeout(Duration::from_millis(1));
    let outcome = async {
        let mut answers = call.await?;
        // The call may be over by now, and then says so itself.
        let _ = out.send(message(27182, 31415)).await;
        // The other side waits for the next one, for ever.
        while answers.next().await?.is_some() {}
        Ok(())
    };
    let error = failed(outcome.await)?;
    check(error.code() == Code::DeadlineExceeded, || format!("{error:?}"))
}

pub(crate) async fn cancel_after_begin(peer: &Peer) -> Result<()> {
    let (out, messages) = Streaming::<StreamingInputCallRequest>::channel();
    let call = peer.tests.streaming_input_call(&Context::new(), messages);
    let call = tokio::spawn(call.metadata("key1", "value1").metadata("key2", "value2").send());
    tokio::task::yield_now().await;
    call.abort();
    let ended = call.await;
    check(ended.is_err_and(|ended| ended.is_cancelled()), || "the call was not dropped".to_owned())?;
    out.closed().await;
    // Nobody else is concerned.
    empty_unary(peer).await
}

pub(crate) async fn cancel_after_first_response(peer: &Peer) -> Result<()> {
    let (mut out, messages) = Streaming::channel();
    let mut answers = peer.tests.full_duplex_call(&Context::new(), messages).await?;
    out.send(message(27182, 31415)).await?;
    let answer = answers.next().await?;
    check(answer.is_some(), || "there is no answer".to_owned())?;
    drop(answers);
    out.closed().await;
    empty_unary(peer).await
}

pub(crate) async fn status_code_and_message(peer: &Peer) -> Result<()> {
    let status = EchoStatus { code: 2, message: "test status message".to_owned() };
    one_status(peer, &status).await?;
    let message = StreamingOutputCallRequest {
        response_status: Some(status.clone()),
        ..StreamingOutputCallRequest::default()
    };
    let messages = Streaming::from_iter([message]);
    let mut answers = peer.tests.full_duplex_call(&Context::new(), messages).await?;
    let error = failed(answers.next().await)?;
    let is_right = error.code() == Code::Unknown && error.message() == status.message;
    check(is_right, || format!("{error:?}"))
}

pub(crate) async fn special_status_message(peer: &Peer) -> Result<()> {
    let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n".to_owned();
    one_status(peer, &EchoStatus { code: 2, message }).await
}

async fn one_status(peer: &Peer, status: &EchoStatus) -> Result<()> {
    let request = SimpleRequest { response_status: Some(status.clone()), ..SimpleRequest::default() };
    let error = failed(peer.tests.unary_call(&Context::new(), request).await)?;
    let is_right = error.code() == Code::Unknown && error.message() == status.message && error.is_remote();
    check(is_right, || format!("{error:?}"))
}

pub(crate) async fn custom_metadata(peer: &Peer) -> Result<()> {
    let request = SimpleRequest { response_size: 1, payload: payload(1), ..SimpleRequest::default() };
    let call = peer.tests.unary_call(&Context::new(), request);
    let call = call.metadata(INITIAL, INITIAL_VALUE).metadata(TRAILING, TRAILING_VALUE);
    let response = call.response().await?;
    came_back(response.headers(), response.trailers())?;

    let messages = Streaming::from_iter([message(1, 1)]);
    let call = peer.tests.full_duplex_call(&Context::new(), messages);
    let call = call.metadata(INITIAL, INITIAL_VALUE).metadata(TRAILING, TRAILING_VALUE);
    let mut answers = call.await?;
    while answers.next().await?.is_some() {}
    let none = Metadata::new();
    came_back(answers.headers().unwrap_or(&none), answers.trailers().unwrap_or(&none))
}

fn came_back(headers: &Metadata, trailers: &Metadata) -> Result<()> {
    let initial: Vec<_> = headers.get_all(INITIAL).collect();
    check(initial == [INITIAL_VALUE], || format!("the headers have {initial:?}"))?;
    let trailing = trailers.iter().filter(|(name, _)| *name == TRAILING);
    let trailing: Vec<_> = trailing.map(|(_, value)| value.to_vec()).collect();
    check(trailing == [TRAILING_VALUE], || format!("the trailers have {trailing:?}"))
}

pub(crate) async fn unimplemented_method(peer: &Peer) -> Result<()> {
    let error = failed(peer.left_out.unimplemented_call(&Context::new(), Empty {}).await)?;
    check(error.code() == Code::Unimplemented && error.is_remote(), || format!("{error:?}"))
}

pub(crate) async fn unimplemented_service(peer: &Peer) -> Result<()> {
    let error = failed(peer.nowhere.unimplemented_call(&Context::new(), Empty {}).await)?;
    check(error.code() == Code::Unimplemented && error.is_remote(), || format!("{error:?}"))
}

fn parameters(size: usize) -> ResponseParameters {
    ResponseParameters { size: i32::try_from(size).unwrap_or(i32::MAX), interval_us: 0 }
}

/// A message of this size that is to be answered with one of that size.
pub(crate) fn message(sent: usize, answered: usize) -> StreamingOutputCallRequest {
    StreamingOutputCallRequest {
        response_parameters: vec![parameters(answered)],
        payload: payload(sent),
        ..StreamingOutputCallRequest::default()
    }
}
