//! What our client makes of servers that speak gRPC-Web, right and wrong.

use micro::client::Protocol;
use micro::{Code, Context, Error, Result};

use crate::envelope::envelope;
use crate::lab::client;
use crate::servers::{Told, serve, told};

const HEAD: &[(&str, &str)] = &[("content-type", "application/grpc-web+json")];

async fn echo(told: Told) -> Result<String> {
    let lab = client(&serve(told).await, Protocol::GrpcWeb, |client| client);
    lab.echo(&Context::new(), "Ada".to_owned()).await
}

async fn error(told: Told) -> Error {
    echo(told).await.unwrap_err()
}

fn answer(trailers: &str) -> Told {
    told(HEAD).body([envelope(0, r#""Ada""#), envelope(0x80, trailers)].concat())
}

#[tokio::test]
async fn trailers_are_read_in_any_form_that_is_around() {
    for trailers in ["grpc-status: 0\r\n", "Grpc-Status:0\r\n\r\n", "grpc-message: \ngrpc-status: 0"] {
        assert_eq!(echo(answer(trailers)).await.unwrap(), "Ada");
    }
    let error = error(answer("grpc-status: 5\r\ngrpc-message: no%20user\r\nwhy: so\r\n")).await;
    assert_eq!((error.code(), error.message()), (Code::NotFound, "no user"));
    assert_eq!(error.metadata().get("why"), Some("so"));
}

#[tokio::test]
async fn a_head_that_is_alone_has_the_status() {
    let error = error(told(&[HEAD[0], ("grpc-status", "5"), ("grpc-message", "no user")])).await;
    assert_eq!((error.code(), error.message()), (Code::NotFound, "no user"));
    // And one that is not has none.
    let both = told(&[HEAD[0], ("grpc-status", "8")]).body(envelope(0x80, "grpc-status: 9\r\n"));
    assert_eq!(self::error(both).await.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn the_codec_of_an_answer_without_messages_does_not_matter() {
    let plain: &[(&str, &str)] = &[("content-type", "application/grpc-web")];
    let error = error(told(plain).body(envelope(0x80, "grpc-status: 5\r\n"))).await;
    assert_eq!(error.code(), Code::NotFound);
    let error = self::error(told(plain).body(envelope(0, r#""Ada""#))).await;
    assert!(
        error.message().contains("`application/grpc-web` and not `application/grpc-web+json`"),
        "{error}"
    );
}

#[tokio::test]
async fn trailers_that_are_wrong_are_errors() {
    let behind = [envelope(0x80, "grpc-status: 0\r\n"), envelope(0, r#""Ada""#)].concat();
    let cases = [
        (answer("grpc-status"), "not a name and a value"),
        (answer(""), "do not say how the call ended"),
        (told(HEAD).body(envelope(0, r#""Ada""#)), "did not say how the call ended"),
        (told(HEAD).body(behind), "went on behind the trailers"),
        (told(HEAD).body(envelope(0x82, "grpc-status: 0")), "flags"),
        (told(HEAD).body(envelope(0x81, "grpc-status: 0")), "compressed"),
    ];
    for (told, words) in cases {
        let error = error(told).await;
        assert_eq!(error.code(), Code::Internal, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn trailers_may_be_compressed() {
    use std::io::Write as _;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(b"grpc-status: 5\r\ngrpc-message: gone\r\n").unwrap();
    let trailers = envelope(0x81, encoder.finish().unwrap());
    let error = error(told(&[HEAD[0], ("grpc-encoding", "gzip")]).body(trailers)).await;
    assert_eq!((error.code(), error.message()), (Code::NotFound, "gone"));
}
