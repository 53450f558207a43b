//! Inputs to begin with: one of each kind that is good, and words that mean something.

mod http1;
mod http2;
mod native;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::input::number;
use crate::wrap::envelope;

/// Words that mean something to a reader.
pub const TOKENS: &[&str] = &[
    "application/",
    "application/connect+json",
    "application/connect+proto",
    "application/grpc",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/json; charset=utf-8",
    "application/protobuf",
    "gzip",
    "zstd;q=0.5",
    "identity",
    "99999999H",
    "18446744073709551615",
    "1n",
    "100-continue",
    "chunked",
    "\r\n",
    "\r\n\r\n",
    "HTTP/1.1 ",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "/fuzz.v1.Lab/Join",
    "content-length: ",
    "transfer-encoding: chunked\r\n",
    "grpc-status: 5\r\n",
    "grpc-message: %41\r\n",
    "{\"code\":\"not_found\",\"message\":\"\",\"details\":[{\"type\":\"a.B\",\"value\":\"AAA\"}]}",
    "{\"error\":{\"code\":\"aborted\"},\"metadata\":{\"x-a\":[\"1\"],\"x-bin\":[\"AAA\"]}}",
    "{\"id\":\"a\",\"code\":404,\"detail\":\"b\",\"status\":\"c\"}",
    "\"@type\":\"type.googleapis.com/google.protobuf.Duration\"",
    "\"value\":",
    "null",
    "NaN",
    "-Infinity",
    "1e400",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999+23:59",
    "-315576000000.999999999s",
    "%f0%9f",
    "%",
    "rpc: can't find service ",
    "https://shop.example",
    "POST",
];

/// The good inputs of a target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "connection" => connections(),
        "request" => requests(),
        "server" => servers(),
        "answer" => answers(),
        "native" => native::calls(),
        "native-answer" => native::answers(),
        "message" => messages(),
        "record" => records(),
        _ => Vec::new(),
    }
}

fn connections() -> Vec<Vec<u8>> {
    let streams = http1::requests().into_iter().chain(http2::requests());
    let streams: Vec<_> = streams.collect();
    // Whole, in pieces, slowly, and to the service that is dressed.
    [0, 0b1_0000, 0b11_1001, 0b11]
        .iter()
        .flat_map(|how| streams.iter().map(move |stream| [&[*how][..], stream].concat()))
        .collect()
}

fn requests() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for form in 0..9_u8 {
        let wrapped = matches!(form, 1 | 3 | 4 | 5);
        for (method, json, proto) in [
            (0, &b"\"Ada\""[..], &b"\n\x03Ada"[..]),
            (1, b"\"abc\"", b"\n\x03abc"),
            (2, b"\"a\"", b"\n\x01a"),
            (3, b"\"a\"", b"\n\x01a"),
            (4, br#"{"duration":"1.5s","value":[1,null]}"#, b"\x12\x04\x08\x01\x10\x05"),
            (5, b"\"not_found why\"", b"\n\x0dnot_found why"),
            (8, br#"{"service":"fuzz.v1.Lab"}"#, b"\n\x0bfuzz.v1.Lab"),
            (9, br#"{"fileContainingSymbol":"fuzz.v1.Lab"}"#, b"\x22\x0bfuzz.v1.Lab"),
            (10, b"\"said\"", b"\n\x04said"),
        ] {
            for (codec, body) in [(0, json), (1, proto)] {
                for (compression, wrap) in [(0, 0), (1, 0b10), (2, 0b10)] {
                    let wrap = if wrapped { wrap | 0b101 } else { wrap };
                    all.push([&[form, method, codec, compression, wrap, 0, 0][..], body].concat());
                }
            }
        }
        let header = |name, value: &[u8]| {
            [&[number(name), u8::try_from(value.len()).unwrap_or_default()][..], value].concat()
        };
        for headers in [
            vec![
                header("grpc-timeout", b"5S"),
                header("connect-timeout-ms", b"5000"),
                header("timeout", b"5000"),
            ],
            vec![header("x-bin", b"AAA="), header("x-a", b"1"), header("accept", b"application/proto;q=0.5")],
            vec![header("accept-encoding", b"zstd, gzip;q=0"), header("grpc-accept-encoding", b"gzip")],
            vec![
                header("origin", b"https://shop.example"),
                header("x-content-type", b"application/grpc+json"),
            ],
            vec![
                header("expect", b"100-continue"),
                header("micro-stream", b"1"),
                header("micro-error", b"EOS"),
            ],
        ] {
            let count = u8::try_from(headers.len()).unwrap_or_default();
            let wrap = u8::from(wrapped);
            let head = [form, 0, 0, 0, wrap, 1, count];
            all.push([&head[..], &headers.concat(), b"\"Ada\""].concat());
        }
    }
    all
}

/// Each call, over each version of HTTP, in each codec.
fn calls() -> impl Iterator<Item = [u8; 3]> {
    (0..5).flat_map(|protocol| (0..6).flat_map(move |method| (0..4).map(move |how| [protocol, method, how])))
}

fn servers() -> Vec<Vec<u8>> {
    let of = |call: [u8; 3]| {
        let (protocol, http1) = (call[0], call[2] & 2 != 0 || call[0] == 4);
        let answers = if http1 { http1::answers(protocol) } else { http2::answers(protocol) };
        answers.into_iter().map(move |answer| [&call[..], &[u8::from(!http1)], &answer].concat())
    };
    calls().flat_map(of).collect()
}

fn answers() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for call in calls() {
        let (json, proto) = (&b"\"Ada\""[..], &b"\n\x03Ada"[..]);
        let body = if call[2] & 1 == 0 { json } else { proto };
        let status = [1, number("grpc-status"), 1, b'0'];
        let (wrap, trailers): (u8, &[u8]) = match (call[0], call[1]) {
            (0, 1..=3) => (0b1001, &[0]),
            (1, _) => (1, &status),
            (2 | 3, _) => (0b1_0001, &[0]),
            _ => (0, &[0]),
        };
        // A success, a compressed one, and an error.
        all.push([&call[..], &[0, 0, wrap, 0, 0], trailers, body].concat());
        all.push([&call[..], &[0, 1, wrap | 0b10, 0, 0], trailers, body].concat());
        let error: &[u8] = match call[0] {
            0 => br#"{"code":"not_found","message":"gone","details":[{"type":"a.B","value":"AAA"}]}"#,
            _ => b"",
        };
        all.push([&call[..], &[6, 0, 0, 0, 0, 0], error].concat());
        let end = br#"{"error":{"code":"aborted"},"metadata":{"x-a":["1"],"x-bin":["AAA"]}}"#;
        all.push([&call[..], &[0, 0, 0, 0, 0, 0], &envelope(0b10, end)].concat());
        let status = STANDARD_NO_PAD.encode(b"\x08\x05\x12\x01x\x1a\x07\n\x03a.B\x12\0");
        let details = [number("grpc-status-details-bin"), u8::try_from(status.len()).unwrap_or_default()];
        let trailers = [&[2, number("grpc-status"), 1, b'5'][..], &details, status.as_bytes()].concat();
        all.push([&call[..], &[0, 0, 0, 0b1000, 0], &trailers].concat());
        let trailers = b"grpc-status: 5\r\ngrpc-message: g%6fne\r\nx-bin: AAA\r\n";
        all.push([&call[..], &[0, 0, 0, 0, 0, 0], &envelope(0b1000_0000, trailers)].concat());
        let error = br#"{"id":"a","code":404,"detail":"gone","status":"Not Found"}"#;
        let length = u8::try_from(error.len()).unwrap_or_default();
        all.push([&call[..], &[0, 0, 0, 0, 1, number("micro-error"), length], error, &[0]].concat());
    }
    all
}

fn messages() -> Vec<Vec<u8>> {
    let json: [(u8, &str); 14] = [
        (
            0,
            r#"{"double":1.5,"float":"NaN","int64":"-5","uint64":"7","bool":true,"string":"a","bytes":"AAA=","color":"COLOR_RED"}"#,
        ),
        (1, r#"{"double":0,"int32":1e2,"message":{"sint32":-1},"bytes":null,"color":1}"#),
        (
            2,
            r#"{"doubles":[1,"-Infinity"],"int64s":["1",2],"strings":["a"],"bytesList":[""],"messages":[{}]}"#,
        ),
        (
            3,
            r#"{"strings":{"a":"b"},"numbers":{"-1":"2"},"large":{"1":1.5},"flags":{"true":""},"times":{"1":"1s"},"values":{"a":null}}"#,
        ),
        (4, r#"{"again":{"time":"2024-02-29T12:00:00.5Z"},"after":"x"}"#),
        (4, r#"{"nothing":null,"wrapped":"5"}"#),
        (
            5,
            r#"{"any":{"@type":"type.googleapis.com/conformance.v1.Scalars","int32":5},"duration":"-1.000000001s","mask":"a.bC,d"}"#,
        ),
        (
            5,
            r#"{"any":{"value":"1s","@type":"type.googleapis.com/google.protobuf.Duration"},"list":[1,[2]],"struct":{"a":{}},"timestamp":"1970-01-01T00:00:00Z"}"#,
        ),
        (6, r#"{"double":1,"int64":"5","bytes":"_-8","int64s":["1"]}"#),
        (7, r#"{"snakeCase":"a","somethingElse":"b","other":"c","another":"d"}"#),
        (8, r#"{"left":{"left":{"value":1}},"named":{"a":{"more":[{}]}}}"#),
        (9, r#"{"f0":1,"f65":2}"#),
        (10, r#""a\ud83d\ude00""#),
        (12, "-0.0"),
    ];
    let proto: [(u8, &[u8]); 6] = [
        (0x80, b"\x09\0\0\0\0\0\0\xf8\x3f\x18\x05\x72\x01a\x7a\x01b\x80\x01\x05"),
        (0x83, b"\x0a\x06\x0a\x01a\x12\x01b"),
        (0x84, b"\x5a\x06\x32\x04\x08\x01\x10\x02"),
        (0x85, b"\x0a\x2f\x0a\x27type.googleapis.com/conformance.v1.Tree\x12\x04\x0a\x02\x28\x01"),
        (0x88, b"\x0a\x04\x0a\x02\x28\x01"),
        (0x8a, b"\x0a\x01a"),
    ];
    let json = json.iter().map(|(kind, text)| [&[*kind][..], text.as_bytes()].concat());
    json.chain(proto.iter().map(|(kind, bytes)| [&[*kind][..], bytes].concat())).collect()
}

fn records() -> Vec<Vec<u8>> {
    let record = br#"{"name":"a","version":"latest","metadata":null,"endpoints":[{"request":{"name":"R","type":"R","values":[{"name":"n","type":"string","values":null}]},"response":null,"metadata":{"stream":"true"},"name":"Say.Hello"}],"nodes":[{"metadata":{"protocol":"mucp"},"id":"a-1","address":"10.0.0.5:1"}]}"#;
    vec![
        [&b"\0"[..], record].concat(),
        b"\x01\x03x-a\x01b\x05x-bin\x02\xff\0\x0ccontent-type\0".to_vec(),
        b"\x02not_found".to_vec(),
        b"\x02grpc-web".to_vec(),
        b"\x02GZIP".to_vec(),
    ]
}
