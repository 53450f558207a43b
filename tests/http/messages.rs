use crate::envelope::envelope;
use crate::lab::Site;
use crate::wire::{BOTH, JSON, STREAM, Wire};

/// What is wrong with an order, and the words for it.
const WRONG_ORDERS: [(&str, &str); 9] = [
    (
        r#"{"item":"tea","lines":[{"count":1},{"count":"two"}]}"#,
        "field `lines[1].count`: invalid type: string",
    ),
    (r#"{"item":7,"lines":[]}"#, "field `item`: invalid type: integer `7`"),
    (r#"{"item":"tea","lines":[{"count":-1}]}"#, "field `lines[0].count`: invalid value"),
    (r#"{"item":"tea"}"#, "missing field `lines`"),
    (r#"{"item":"tea","lines":[],}"#, "trailing comma at line 1 column 26"),
    (r#"{"item":"tea","lines":[]} more"#, "trailing characters at line 1 column 27"),
    (r#"{"item":"tea","#, "EOF while parsing"),
    ("", "EOF while parsing a value at line 1 column 0"),
    ("null", "invalid type: null"),
];

#[tokio::test]
async fn malformed_json_is_named_by_field_and_place() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for (order, words) in WRONG_ORDERS {
            let message = wire.post("/Lab/Order", JSON, order).await.error(400, "invalid_argument");
            assert!(message.contains("JSON: "), "{message}");
            assert!(message.contains(words), "{message}");
            assert!(message.contains("line 1 column"), "{message}");
        }
    }
    site.handlers(0).await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_malformed_json() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site, BOTH[0]).await;
    for bytes in [&b"\"\xff\xfe\""[..], b"\0\0\0\0\x01", b"\"\xed\xa0\x80\""] {
        let message = wire.post("/Lab/Echo", JSON, bytes).await.error(400, "invalid_argument");
        assert!(message.contains("JSON: "), "{message}");
    }
}

#[tokio::test]
async fn json_that_is_nested_without_end_is_refused_and_not_followed() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site, BOTH[1]).await;
    let message = wire.post("/Lab/Echo", JSON, "[".repeat(1_000_000)).await.error(400, "invalid_argument");
    assert!(message.contains("JSON: "), "{message}");
    let deep = format!(r#"{{"item":"tea","lines":[],"more":{}1"#, r#"{"a":"#.repeat(100_000));
    let message = wire.post("/Lab/Order", JSON, deep).await.error(400, "invalid_argument");
    assert!(message.contains("JSON: "), "{message}");
}

#[tokio::test]
async fn malformed_json_inside_a_stream_ends_the_stream_after_what_was_good() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let body = [envelope(0, "1"), envelope(0, "2"), envelope(0, r#""three""#)].concat();
        let (messages, message) =
            wire.post("/Lab/Double", STREAM, body.clone()).await.stream_error("invalid_argument");
        assert_eq!(messages, [2, 4]);
        assert!(message.contains("unexpected JSON: invalid type: string \"three\""), "{message}");
        assert!(message.contains("line 1 column 7"), "{message}");

        let (messages, _) = wire.post("/Lab/Sum", STREAM, body).await.stream_error("invalid_argument");
        assert!(messages.is_empty(), "{messages:?}");
    }
    site.handlers(0).await;
}

#[tokio::test]
async fn malformed_protobuf_is_the_callers_fault() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let wrong: [&[u8]; 5] = [
            b"\x0a\x7fAda",
            b"\x0a",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x0a\x01\xff",
            b"\x08\x01",
        ];
        for bytes in wrong {
            let answer = wire.post("/Lab/Echo", "application/proto", bytes).await;
            let message = answer.error(400, "invalid_argument");
            assert!(message.starts_with("malformed protobuf at byte "), "{message}");
        }
        // No byte at all is a message whose fields all have their defaults.
        let answer = wire.post("/Lab/Echo", "application/proto", "").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b""[..]));
    }
}
