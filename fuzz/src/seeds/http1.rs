//! Requests and answers of HTTP/1.1, as bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::wrap::envelope;

/// One request in each protocol, and some that make more of a connection.
pub(super) fn requests() -> Vec<Vec<u8>> {
    let post = |path: &str, headers: &str, body: &[u8]| {
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: lab\r\n{headers}\r\ncontent-length: {length}\r\n\r\n");
        [head.as_bytes(), body].concat()
    };
    let echo = "/fuzz.v1.Lab/Echo";
    let unary = post(echo, "content-type: application/json", b"\"Ada\"");
    let message = envelope(0, b"\"a\"");
    vec![
        unary.repeat(2),
        post(echo, "content-type: application/json\r\nconnect-timeout-ms: 5000\r\nx-bin: AAA", b"\"Ada\""),
        post("/fuzz.v1.Lab/Split", "content-type: application/connect+json", &envelope(0, b"\"abc\"")),
        post("/fuzz.v1.Lab/Chat", "content-type: application/connect+json", &message.repeat(2)),
        post(echo, "content-type: application/grpc-web+json\r\ngrpc-timeout: 5S", &message),
        post(echo, "content-type: application/grpc-web-text+json", b"AAAAAAMiYSI="),
        post(
            "/",
            "micro-endpoint: Lab.Echo\r\nmicro-service: lab\r\ncontent-type: application/json",
            b"\"Ada\"",
        ),
        post("/", "micro-topic: said\r\ncontent-type: application/json", b"\"Ada\""),
        post(echo, "content-type: application/json\r\nexpect: 100-continue", b"\"Ada\""),
        b"GET /fuzz.v1.Lab/Echo?connect=v1&encoding=json&message=%22Ada%22 HTTP/1.1\r\nhost: lab\r\n\r\n"
            .to_vec(),
        b"POST /fuzz.v1.Lab/Join HTTP/1.1\r\nhost: lab\r\ncontent-type: application/connect+json\r\n\
            transfer-encoding: chunked\r\n\r\n8\r\n\0\0\0\0\x03\"a\"\r\n0\r\n\r\n"
            .to_vec(),
        b"OPTIONS /fuzz.v1.Lab/Echo HTTP/1.1\r\nhost: lab\r\norigin: https://shop.example\r\n\
            access-control-request-method: POST\r\naccess-control-request-headers: content-type\r\n\r\n"
            .to_vec(),
        b"HEAD / HTTP/1.0\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nhost: lab\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n".to_vec(),
        b"\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03".to_vec(),
    ]
}

/// Answers in a protocol, by its number: a success and an error.
pub(super) fn answers(protocol: u8) -> Vec<Vec<u8>> {
    let of = |status: &str, headers: &str, body: &[u8]| {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\n{headers}\r\ncontent-length: {length}\r\n\r\n");
        [head.as_bytes(), body].concat()
    };
    match protocol {
        0 => vec![
            of("200 OK", "content-type: application/json\r\ntrailer-x-a: 1", b"\"Ada\""),
            of(
                "200 OK",
                "content-type: application/connect+json",
                &[envelope(0, b"\"a\""), envelope(0b10, br#"{"metadata":{"x-a":["1"]}}"#)].concat(),
            ),
            of(
                "404 Not Found",
                "content-type: application/json",
                br#"{"code":"not_found","message":"gone"}"#,
            ),
        ],
        1 | 2 => vec![
            of(
                "200 OK",
                "content-type: application/grpc-web+json",
                &[envelope(0, b"\"a\""), envelope(0b1000_0000, b"grpc-status: 0\r\n")].concat(),
            ),
            of(
                "200 OK",
                "content-type: application/grpc-web+json\r\ngrpc-status: 5\r\ngrpc-message: g%6fne",
                b"",
            ),
        ],
        3 => {
            let body = [envelope(0, b"\"a\""), envelope(0b1000_0000, b"grpc-status: 0\r\n")]
                .map(|part| STANDARD.encode(part));
            vec![of("200 OK", "content-type: application/grpc-web-text+json", body.concat().as_bytes())]
        }
        _ => vec![
            of("200 OK", "content-type: application/json", b"\"Ada\""),
            of("200 OK", r#"micro-error: {"id":"a","code":404,"detail":"gone","status":"Not Found"}"#, b""),
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n\
                5\r\n\"Ada\"\r\n0\r\n\r\n"
                .to_vec(),
        ],
    }
}
