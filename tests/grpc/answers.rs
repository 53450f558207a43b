//! What answers look like on the wire.

use bytes::Bytes;
use micro::client::Protocol;

use crate::envelope::envelope;
use crate::lab::Site;
use crate::soon::soon;
use crate::wire::{GRPC, JSON, call, open_body, send, start, with};

const ADA: &[u8] = b"\x0a\x03Ada";

#[tokio::test]
async fn an_answer_is_a_head_an_envelope_and_trailers() {
    let site = Site::start().await;
    let answer = send(&site, call("Echo", JSON, envelope(0, r#""Ada""#))).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, JSON));
    assert!(answer.header("grpc-status").is_empty());
    assert_eq!(answer.message(), br#""Ada""#);
    assert_eq!(answer.trailers.unwrap().len(), 1);
}

#[tokio::test]
async fn a_content_type_without_a_codec_means_protobuf_and_comes_back_as_it_was() {
    let site = Site::start().await;
    for content_type in [GRPC, "application/grpc+proto"] {
        let answer = send(&site, call("Echo", content_type, envelope(0, ADA))).await;
        assert_eq!((answer.header("content-type"), answer.message()), (content_type, ADA));
    }
    let answer = send(&site, call("Echo", "Application/GRPC; charset=utf-8", envelope(0, ADA))).await;
    assert_eq!((answer.header("content-type"), answer.message()), (GRPC, ADA));
}

#[tokio::test]
async fn an_error_is_one_head_unless_the_handler_set_headers() {
    let site = Site::start().await;
    let answer = send(&site, call("Fail", JSON, envelope(0, r#""100% no""#))).await;
    assert_eq!(answer.refusal("9"), "100%25 no");
    assert_eq!(
        (answer.header("why"), answer.header("why-bin"), answer.header("tail")),
        ("so", "/gA", "last")
    );
    assert!(!answer.header("grpc-status-details-bin").is_empty());

    let answer = send(&site, call("Fail", JSON, envelope(0, r#""with headers""#))).await;
    assert_eq!((answer.header("head"), answer.header("why")), ("first", ""));
    assert_eq!((answer.trailer("grpc-status"), answer.trailer("why")), ("9", "so"));

    let answer = send(&site, call("FailAfter", JSON, envelope(0, "0"))).await;
    assert_eq!(answer.refusal("9"), "enough");
    let answer = send(&site, call("FailAfter", JSON, envelope(0, "1"))).await;
    assert_eq!((&answer.body[..], answer.trailer("grpc-status")), (&envelope(0, "1")[..], "9"));
}

#[tokio::test]
async fn binary_metadata_may_be_several_values_in_one_header() {
    let site = Site::start().await;
    let request = with(call("Echo", GRPC, envelope(0, ADA)), "trace-bin", "AQI,/w==");
    let answer = send(&site, with(request, "trace-bin", "Aw")).await;
    let values: Vec<_> = answer.headers.get_all("head-trace-bin").iter().collect();
    assert_eq!(values, ["AQI", "/w", "Aw"]);
}

#[tokio::test]
async fn the_timeout_of_the_caller_holds_whatever_its_unit() {
    let site = Site::start().await;
    for (timeout, least, most) in [("8S", 5000, 8000), ("2M", 110_000, 120_000), ("9000000u", 6000, 9000)] {
        let answer =
            send(&site, with(call("Time", JSON, envelope(0, "null")), "grpc-timeout", timeout)).await;
        let left: u64 = std::str::from_utf8(answer.message()).unwrap().parse().unwrap();
        assert!((least..=most).contains(&left), "{left} ms of {timeout}");
    }
    for timeout in ["40m", "1n", "0H"] {
        let request = call("Hang", JSON, envelope(0, "null"));
        let answer = send(&site, with(request, "grpc-timeout", timeout)).await;
        assert!(answer.refusal("4").contains("not done within"), "{answer:?}");
        site.handlers(0).await;
    }
}

#[tokio::test]
async fn a_stream_that_the_client_resets_cancels_its_handler() {
    let site = Site::start().await;
    let stream = tokio::net::TcpStream::connect(site.running.address()).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (head, _) = call("Hang", JSON, "").into_parts();
    let (response, mut body) = sender.send_request(http::Request::from_parts(head, ()), false).unwrap();
    body.send_data(envelope(0, "null"), true).unwrap();
    site.handlers(1).await;
    body.send_reset(h2::Reason::CANCEL);
    site.handlers(0).await;
    drop(response);
}

#[tokio::test]
async fn answers_of_a_stream_do_not_wait_for_the_end_of_the_questions() {
    let site = Site::start().await;
    let (body, held) = open_body(envelope(0, "21"));
    let (head, _) = call("Double", JSON, "").into_parts();
    let response = start(&site, http::Request::from_parts(head, body)).await;
    let mut body = response.into_body();
    let first = soon(http_body_util::BodyExt::frame(&mut body)).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), envelope(0, "42"));
    drop(held);
    let last = soon(http_body_util::BodyExt::frame(&mut body)).await.unwrap().unwrap();
    assert_eq!(last.into_trailers().unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn our_client_says_what_grpc_wants_to_hear() {
    let (address, mut heads) = crate::servers::recording().await;
    let lab = crate::lab::client(&address, Protocol::Grpc, |client| client);
    let call = lab.echo(&micro::Context::new(), "Ada".to_owned()).metadata("tenant", "acme");
    let _ = call.timeout(std::time::Duration::from_secs(5)).await;
    let head = soon(heads.recv()).await.unwrap();
    assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/lab.v1.Lab/Echo"));
    let header = |name| crate::wire::text(&head.headers, name);
    assert_eq!((header("content-type"), header("te")), ("application/grpc+json", "trailers"));
    assert!(header("user-agent").starts_with("micro/"));
    assert_eq!(header("tenant"), "acme");
    let timeout: u64 = header("grpc-timeout").strip_suffix('m').unwrap().parse().unwrap();
    assert!((4_000..=5_000).contains(&timeout), "{timeout}");
    if cfg!(feature = "gzip") {
        assert!(header("grpc-accept-encoding").contains("gzip"));
    }
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn who_compresses_gets_a_compressed_answer_where_it_is_worth_it() {
    use std::io::{Read as _, Write as _};

    let site = Site::start().await;
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        Bytes::from(encoder.finish().unwrap())
    };
    let long = format!("\"{}\"", "x".repeat(5000));
    let request = with(call("Echo", JSON, envelope(1, gzip(&long))), "grpc-encoding", "gzip");
    let answer = send(&site, request).await;
    assert_eq!((answer.header("grpc-encoding"), answer.body[0]), ("gzip", 1));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer.body[5..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, long);

    let request = with(call("Echo", JSON, envelope(1, gzip(r#""Ada""#))), "grpc-encoding", "gzip");
    let answer = send(&site, request).await;
    assert_eq!((answer.header("grpc-encoding"), answer.message()), ("", &br#""Ada""#[..]));

    // Who does not read it gets it as it is.
    let request = with(call("Echo", JSON, envelope(1, gzip(&long))), "grpc-encoding", "gzip");
    let answer = send(&site, with(request, "grpc-accept-encoding", "identity")).await;
    assert_eq!((answer.header("grpc-encoding"), answer.message()), ("", long.as_bytes()));
}
