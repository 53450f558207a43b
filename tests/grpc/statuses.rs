//! What our client makes of a server that resets a stream.

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::Response;
use micro::client::Protocol;
use micro::{Code, Context, Streaming};
use tokio::net::TcpListener;

use crate::envelope::envelope;
use crate::lab::{LabClient, client};
use crate::soon::soon;

/// What a server does with a call.
type Treat = fn(RecvStream, SendResponse<Bytes>);

/// A client of a server that treats every call so.
async fn lab(treat: Treat) -> LabClient {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, respond))) = connection.accept().await {
                    treat(request.into_body(), respond);
                }
            });
        }
    });
    client(&address, Protocol::Grpc, |client| client)
}

macro_rules! reset {
    ($($reason:ident => $code:ident, $never_processed:literal;)*) => {
        [$((
            (|_, mut respond| respond.send_reset(Reason::$reason)) as Treat,
            Code::$code,
            $never_processed,
        )),*]
    };
}

#[tokio::test]
async fn the_reason_of_a_reset_is_a_code() {
    let cases = reset! {
        NO_ERROR => Internal, false;
        PROTOCOL_ERROR => Internal, false;
        INTERNAL_ERROR => Internal, false;
        FLOW_CONTROL_ERROR => Internal, false;
        REFUSED_STREAM => Unavailable, true;
        CANCEL => Canceled, false;
        ENHANCE_YOUR_CALM => ResourceExhausted, false;
        INADEQUATE_SECURITY => PermissionDenied, false;
    };
    for (treat, code, never_processed) in cases {
        let call = lab(treat).await.echo(&Context::new(), "Ada".to_owned());
        let error = soon(call.send()).await.unwrap_err();
        assert_eq!(error.code(), code, "{error:?}");
        assert_eq!(error.was_never_processed(), never_processed, "{error:?}");
        assert!(!error.is_remote());
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_later_has_the_code_too() {
    let lab = lab(|mut request, mut respond| {
        let head = Response::builder().header("content-type", "application/grpc+json");
        let mut body = respond.send_response(head.body(()).unwrap(), false).unwrap();
        tokio::spawn(async move {
            request.data().await.unwrap().unwrap();
            body.send_data(envelope(0, "7"), false).unwrap();
            // The answer was read when there is another question: a reset overtakes what waits.
            request.data().await.unwrap().unwrap();
            body.send_reset(Reason::ENHANCE_YOUR_CALM);
        });
    });
    let (mut questions, stream) = Streaming::channel();
    let mut answers = lab.await.double(&Context::new(), stream).await.unwrap();
    questions.send(1).await.unwrap();
    assert_eq!(soon(answers.next()).await.unwrap(), Some(7));
    questions.send(2).await.unwrap();
    let error = soon(answers.next()).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted, "{error:?}");
}
