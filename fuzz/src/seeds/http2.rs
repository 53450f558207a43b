//! Requests and answers of HTTP/2, as bytes (RFC 9113), with headers that are not compressed (RFC
//! 7541).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::wrap::envelope;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// One connection for each protocol, and some that misuse theirs.
pub(super) fn requests() -> Vec<Vec<u8>> {
    let open = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let call = |stream, path: &str, content_type: &str, body: &[u8]| {
        let head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "lab"),
            (":path", path),
            ("content-type", content_type),
            ("te", "trailers"),
            ("grpc-timeout", "5S"),
        ];
        [frame(HEADERS, END_HEADERS, stream, &block(&head)), frame(DATA, END_STREAM, stream, body)].concat()
    };
    let echo = "/fuzz.v1.Lab/Echo";
    let grpc = |stream| call(stream, echo, "application/grpc+proto", &envelope(0, b"\n\x01a"));
    let with = |frames: Vec<Vec<u8>>| [open.clone(), frames.concat()].concat();
    let get = block(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "lab")]);
    vec![
        with(vec![grpc(1), grpc(3), frame(PING, 0, 0, &[0; 8])]),
        with(vec![call(1, echo, "application/json", b"\"Ada\"")]),
        with(vec![call(1, "/fuzz.v1.Lab/Chat", "application/grpc+json", &envelope(0, b"\"a\""))]),
        with(vec![call(1, "/fuzz.v1.Lab/Split", "application/connect+json", &envelope(0, b"\"abc\""))]),
        with(vec![call(1, "/fuzz.v1.Lab/Echo", "application/grpc-web-text+json", b"AAAAAAMiYSI=")]),
        with(vec![
            grpc(1),
            frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
            grpc(3),
            grpc(5),
            grpc(7),
            grpc(9),
            grpc(11),
        ]),
        with(vec![frame(HEADERS, END_STREAM, 1, &get[..9]), frame(CONTINUATION, END_HEADERS, 1, &get[9..])]),
        with(vec![
            frame(WINDOW_UPDATE, 0, 0, &[0, 1, 0, 0]),
            frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\0"),
            grpc(1),
        ]),
        with(vec![frame(GOAWAY, 0, 0, &[0; 8]), grpc(1)]),
    ]
}

/// Answers in a protocol, by its number: a success and an error. The opening is not among them.
pub(super) fn answers(protocol: u8) -> Vec<Vec<u8>> {
    let success = |content_type: &str, body: &[u8], trailers: &[(&str, &str)]| {
        let head = [(":status", "200"), ("content-type", content_type), ("x-bin", "AAA")];
        let (last, trailers) = match trailers {
            [] => (END_STREAM, Vec::new()),
            all => (0, frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(all))),
        };
        [frame(HEADERS, END_HEADERS, 1, &block(&head)), frame(DATA, last, 1, body), trailers].concat()
    };
    let alone = |head: &[(&str, &str)]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(head));
    match protocol {
        0 => vec![
            success("application/json", b"\"Ada\"", &[]),
            success(
                "application/connect+json",
                &[envelope(0, b"\"a\""), envelope(0b10, b"{}")].concat(),
                &[],
            ),
            alone(&[(":status", "404")]),
        ],
        1 => vec![
            success("application/grpc+json", &envelope(0, b"\"a\""), &[("grpc-status", "0"), ("x-a", "1")]),
            success("application/grpc+proto", &envelope(0, b"\n\x01a"), &[("grpc-status", "0")]),
            alone(&[
                (":status", "200"),
                ("content-type", "application/grpc+json"),
                ("grpc-status", "5"),
                ("grpc-message", "g%6fne"),
                ("grpc-status-details-bin", "CAUSAXg"),
            ]),
            frame(RST_STREAM, 0, 1, &[0, 0, 0, 7]),
            frame(GOAWAY, 0, 0, &[0; 8]),
        ],
        3 => {
            let body = [envelope(0, b"\"a\""), envelope(0b1000_0000, b"grpc-status: 0\r\n")]
                .map(|part| STANDARD.encode(part));
            vec![success("application/grpc-web-text+json", body.concat().as_bytes(), &[])]
        }
        _ => vec![success(
            "application/grpc-web+json",
            &[envelope(0, b"\"a\""), envelope(0b1000_0000, b"grpc-status: 0\r\n")].concat(),
            &[],
        )],
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A block of headers, each a literal that is not to be remembered.
fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap_or_default()][..], text.as_bytes()].concat();
    headers.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}
