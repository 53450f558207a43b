//! Clients that mean harm. Whatever they send, the service goes on and nothing is left of them.

use bytes::Bytes;
use h2::Reason;
use http::{Request, Version};
use micro::server::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::lab::{Site, Tasks};
use crate::raw::{Raw, request};
use crate::soon::soon;
use crate::wire::{BOTH, JSON, Wire, full, post};

/// How a TLS client begins: a record that holds a ClientHello.
const TLS_HELLO: &[u8] = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\0\0\0\0\0\0\0\0\0\0\0\0";

async fn still_serves(site: &Site) {
    for version in BOTH {
        let mut wire = Wire::open(site, version).await;
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
    }
    site.handlers(0).await;
}

#[tokio::test]
async fn what_is_no_http_is_turned_away() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    let endless = "x".repeat(100_000);
    let nul = [0; 4096];
    let unbroken = format!("GET /{endless} HTTP/1.1\r\n\r\n");
    let garbage: [&[u8]; 8] = [
        TLS_HELLO,
        b"\r\n\r\n\r\n\0",
        b"\xff\xfe\xfd\xfc\xfb\xfa",
        b"HELO lab\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        &nul,
        endless.as_bytes(),
        unbroken.as_bytes(),
    ];
    for bytes in garbage {
        let mut raw = Raw::open(&site).await;
        // The server may close before it has everything.
        let _ = raw.stream.write_all(bytes).await;
        let answer = raw.closed().await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    still_serves(&site).await;
    tasks.again().await;
}

#[tokio::test]
async fn a_request_that_can_be_read_in_two_ways_is_refused() {
    let site = Site::start().await;
    let smuggled = [
        "POST /Lab/Echo HTTP/1.1\r\nhost: lab\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n\"Ada\"",
        "POST /Lab/Echo HTTP/1.1\r\nhost: lab\r\ncontent-length: five\r\n\r\n\"Ada\"",
        "POST /Lab/Echo HTTP/1.1\r\nhost: lab\r\ncontent-length: -5\r\n\r\n\"Ada\"",
        "POST /Lab/Echo HTTP/1.1\r\nhost: lab\r\ntransfer-encoding: chunked, identity\r\n\r\n\"Ada\"",
        "POST /Lab/Echo HTTP/1.1\r\nhost : lab\r\n\r\n",
        "POST /Lab/Echo HTTP/1.1\r\nx: a\0b\r\n\r\n",
    ];
    for request in smuggled {
        let mut raw = Raw::open(&site).await;
        raw.send(request).await;
        let answer = raw.closed().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request}: {answer}");
    }
    still_serves(&site).await;
}

#[tokio::test]
async fn a_chunk_that_lies_about_its_size_is_an_error_of_that_request() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    let chunks = ["fffffffffffffffff\r\n", "-1\r\n", "5\r\n\"Ada\"x", "zz\r\n"];
    for chunk in chunks {
        let mut raw = Raw::open(&site).await;
        let head = "POST /Lab/Echo HTTP/1.1\r\nhost: lab\r\ncontent-type: application/json";
        raw.send(format!("{head}\r\ntransfer-encoding: chunked\r\n\r\n{chunk}")).await;
        let answer = raw.closed().await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{chunk}: {answer}");
    }
    still_serves(&site).await;
    tasks.again().await;
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused_and_one_below_it_is_not() {
    let site = Site::with(Limits::new().max_header_size(8 * 1024)).await;
    for version in BOTH {
        let with = |size: usize| {
            let mut request = post("/Lab/Echo", JSON, full(r#""Ada""#));
            request.headers_mut().insert("x", "x".repeat(size).parse().unwrap());
            request
        };
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(wire.send(with(7 * 1024)).await.json(), "Ada");
        match wire.start(with(100 * 1024)).await {
            Ok(answer) => assert_eq!(answer.status(), 431),
            // HTTP/2 may also refuse the stream.
            Err(error) => assert_eq!(version, Version::HTTP_2, "{error:?}"),
        }
    }
    still_serves(&site).await;
}

#[tokio::test]
async fn many_small_headers_are_a_large_head_as_well() {
    let site = Site::start().await;
    for version in BOTH {
        let mut request = post("/Lab/Echo", JSON, full(r#""Ada""#));
        for number in 0..5_000 {
            request.headers_mut().append("x", number.to_string().parse().unwrap());
        }
        let mut wire = Wire::open(&site, version).await;
        match wire.start(request).await {
            Ok(answer) => assert_eq!(answer.status(), 431),
            Err(error) => assert_eq!(version, Version::HTTP_2, "{error:?}"),
        }
    }
    still_serves(&site).await;
}

#[tokio::test]
async fn ten_thousand_requests_at_once_on_one_connection_are_answered_in_order() {
    const REQUESTS: usize = 10_000;
    let site = Site::start().await;
    let tasks = Tasks::now();
    let (mut reading, mut writing) = TcpStream::connect(site.address()).await.unwrap().into_split();
    let requests: String =
        (0..REQUESTS).map(|number| request("/Lab/Echo", &format!("\"#{number}\""))).collect();
    let written = tokio::spawn(async move {
        writing.write_all(requests.as_bytes()).await.unwrap();
        writing
    });
    let mut answers = Vec::new();
    let mut next = 0;
    let mut from = 0;
    while next < REQUESTS {
        assert!(soon(reading.read_buf(&mut answers)).await.unwrap() > 0, "closed after {next} answers");
        loop {
            let expected = format!("\r\n\r\n\"#{next}\"");
            let rest = &answers[from..];
            let Some(at) = rest.windows(expected.len()).position(|bytes| bytes == expected.as_bytes()) else {
                break;
            };
            assert!(rest.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(rest));
            from += at + expected.len();
            next += 1;
        }
    }
    drop((reading, written.await.unwrap()));
    still_serves(&site).await;
    tasks.again().await;
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_at_once_leave_nothing_behind() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    let mut reset = 0;
    while reset < 2_000 {
        let stream = TcpStream::connect(site.address()).await.unwrap();
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        // The server hangs up on a client that does this too fast; the client comes again.
        while reset < 2_000 && std::future::poll_fn(|task| sender.poll_ready(task)).await.is_ok() {
            let head = Request::post("http://lab/Lab/Hang").header("content-type", JSON).body(()).unwrap();
            let Ok((_, mut body)) = sender.send_request(head, false) else { break };
            let _ = body.send_data(Bytes::from_static(b"\"\""), true);
            if reset % 2 == 0 {
                // Half of them get as far as the handler.
                tokio::task::yield_now().await;
            }
            body.send_reset(Reason::CANCEL);
            reset += 1;
        }
        drop(sender);
        let _ = soon(connection).await;
    }
    still_serves(&site).await;
    tasks.again().await;
}

#[tokio::test]
async fn a_flood_of_http2_frames_that_mean_nothing_ends_the_connection_or_is_borne() {
    let ping = b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0".as_slice();
    let settings = b"\0\0\0\x04\0\0\0\0\0".as_slice();
    let window_update_of_zero = b"\0\0\x04\x08\0\0\0\0\0\0\0\0\0".as_slice();
    let unknown = b"\0\0\x01\xee\0\0\0\0\0x".as_slice();
    let continuation = b"\0\0\x01\x09\0\0\0\0\x01\x83".as_slice();
    let data_of_no_stream = b"\0\0\x01\x00\0\0\0\0\x07x".as_slice();
    let site = Site::start().await;
    let tasks = Tasks::now();
    for frame in [ping, settings, window_update_of_zero, unknown, continuation, data_of_no_stream] {
        let (mut reading, mut writing) = TcpStream::connect(site.address()).await.unwrap().into_split();
        let drained =
            tokio::spawn(async move { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await });
        let flood = async {
            writing.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
            writing.write_all(settings).await?;
            writing.write_all(&frame.repeat(20_000)).await
        };
        let _ = soon(flood).await;
        drop(writing);
        let _ = soon(drained).await;
    }
    still_serves(&site).await;
    tasks.again().await;
}

#[tokio::test]
async fn a_thousand_connections_that_come_and_go_leave_nothing_behind() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    for round in 0..1_000 {
        let mut stream = TcpStream::connect(site.address()).await.unwrap();
        if round % 2 == 0 {
            stream.write_all(b"POST /Lab/Hang HTTP/1.1\r\n").await.unwrap();
        }
    }
    still_serves(&site).await;
    tasks.again().await;
}
