use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use tokio::net::TcpStream;

use crate::envelope::envelope;
use crate::lab::Site;
use crate::soon::soon;
use crate::wire::{BOTH, JSON, STREAM, Wire, full, piecemeal, post};

const TIMEOUT: &str = "connect-timeout-ms";

#[tokio::test]
async fn a_timeout_that_is_no_number_is_refused_with_the_form_it_has() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for wrong in ["", "soon", "-1", "+1", "1.5", "1s", "0x10", "12345678901"] {
            let mut request = post("/Lab/Echo", JSON, full(r#""Ada""#));
            request.headers_mut().insert(TIMEOUT, wrong.parse().unwrap());
            let message = wire.send(request).await.error(400, "invalid_argument");
            assert!(message.contains(&format!("`{TIMEOUT}: {wrong}`")), "{message}");
            assert!(message.contains("milliseconds"), "{message}");

            let mut request = post("/Lab/Sum", STREAM, full(envelope(0, "1")));
            request.headers_mut().insert(TIMEOUT, wrong.parse().unwrap());
            wire.send(request).await.stream_error("invalid_argument");
        }
        for good in ["9999999999", "60000", "0060000"] {
            let mut request = post("/Lab/Echo", JSON, full(r#""Ada""#));
            request.headers_mut().insert(TIMEOUT, good.parse().unwrap());
            assert_eq!(wire.send(request).await.json(), "Ada", "{good}");
        }
    }
}

#[tokio::test]
async fn a_handler_that_is_too_slow_is_dropped_and_the_answer_says_how_long_it_had() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let mut request = post("/Lab/Hang", JSON, full(r#""""#));
        request.headers_mut().insert(TIMEOUT, "30".parse().unwrap());
        let message = wire.send(request).await.error(504, "deadline_exceeded");
        assert_eq!(message, "Lab/Hang was not done within 30ms");
        site.handlers(0).await;
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""still here""#).await.json(), "still here");
    }
}

#[tokio::test]
async fn the_deadline_holds_while_the_request_arrives() {
    let site = Site::start().await;
    for version in BOTH {
        for (path, content_type) in [("/Lab/Echo", JSON), ("/Lab/Sum", STREAM), ("/Lab/Double", STREAM)] {
            let mut wire = Wire::open(&site, version).await;
            let (_sender, body) = piecemeal();
            let mut request = post(path, content_type, body);
            request.headers_mut().insert(TIMEOUT, "30".parse().unwrap());
            let begun = Instant::now();
            let answer = wire.send(request).await;
            assert!(begun.elapsed() < Duration::from_secs(10));
            if content_type == JSON {
                answer.error(504, "deadline_exceeded");
            } else {
                answer.stream_error("deadline_exceeded");
            }
            site.handlers(0).await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_never_waits_ends_in_time_as_well() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let mut request = post("/Lab/Count", STREAM, full(envelope(0, u64::MAX.to_string())));
        request.headers_mut().insert(TIMEOUT, "50".parse().unwrap());
        wire.send(request).await.stream_error("deadline_exceeded");
        site.handlers(0).await;
    }
}

#[tokio::test]
async fn a_stream_whose_answers_nobody_takes_ends_in_time_as_well() {
    let site = Site::start().await;
    let stream = TcpStream::connect(site.address()).await.unwrap();
    let settings = h2::client::Builder::new().initial_window_size(0).handshake::<_, Bytes>(stream);
    let (mut sender, connection) = settings.await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://lab/Lab/Count").header("content-type", STREAM).header(TIMEOUT, "200");
    let (response, mut body) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    body.send_data(envelope(0, u64::MAX.to_string()), true).unwrap();
    let _answer = soon(response).await.unwrap();
    site.handlers(1).await;
    site.handlers(0).await;
}
