use bytes::{BufMut as _, BytesMut};
use http::header::ACCEPT;
use micro::codec::SerdeCodec;
use micro::{Client, Context, Error, Result};

use crate::envelope::envelope;
use crate::lab::{LabClient, Site};
use crate::wire::{Answer, BOTH, JSON, STREAM, Wire, full, post};

const TEXT: &str = "text/plain; charset=utf-8";

#[tokio::test]
async fn an_unknown_content_type_is_answered_with_the_known_ones() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for unknown in ["application/xml", "application/", "application/grpcx", "text/plain", "json", "/"] {
            let answer = wire.post("/Lab/Echo", unknown, r#""Ada""#).await;
            let message = if unknown.starts_with("application/") {
                answer.error(415, "unknown")
            } else {
                // Nobody who sends this reads an error of Connect.
                assert_eq!((answer.status.as_u16(), answer.header("content-type")), (415, TEXT));
                String::from_utf8(answer.body.to_vec()).unwrap()
            };
            assert!(message.contains(&format!("`{unknown}`")), "{message}");
            assert!(message.contains("send one of: application/json, application/proto"), "{message}");
            assert_eq!(answer.header("accept-post"), "application/json, application/proto");
        }
    }
}

#[tokio::test]
async fn a_missing_content_type_is_answered_with_the_line_to_add() {
    let site = Site::start().await;
    for version in BOTH {
        let mut request = post("/Lab/Echo", JSON, full(r#""Ada""#));
        request.headers_mut().clear();
        let answer = Wire::open(&site, version).await.send(request).await;
        let message = answer.error(415, "unknown");
        assert!(message.contains("there is no content type"), "{message}");
        assert!(message.contains("-H 'content-type: application/json'"), "{message}");
    }
}

#[tokio::test]
async fn a_message_that_has_no_protobuf_form_does_not_take_protobuf() {
    let site = Site::start().await;
    let answer = Wire::open(&site, BOTH[0]).await.post("/Lab/Order", "application/proto", "").await;
    answer.error(415, "unknown");
    assert_eq!(answer.header("accept-post"), JSON);
}

#[tokio::test]
async fn a_content_type_may_have_parameters_and_any_case() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for known in ["application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"]
        {
            let answer = wire.post("/Lab/Echo", known, r#""Ada""#).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, "Ada".into()), "{known}");
        }
    }
}

#[tokio::test]
async fn a_stream_wants_the_type_of_a_stream_and_a_single_message_that_of_a_message() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let answer = wire.post("/Lab/Sum", JSON, "1").await;
        let message = answer.error(415, "unknown");
        assert!(message.contains("streams, each message in an envelope"), "{message}");
        assert_eq!(answer.header("accept-post"), "application/connect+json, application/connect+proto");

        let answer = wire.post("/Lab/Echo", STREAM, envelope(0, r#""Ada""#)).await;
        answer.error(415, "unknown");
        assert_eq!(answer.header("accept-post"), "application/json, application/proto");
    }
}

async fn accepting(wire: &mut Wire, accept: &[&str]) -> Answer {
    let mut request = post("/Lab/Echo", JSON, full(r#""Ada""#));
    for accept in accept {
        request.headers_mut().append(ACCEPT, accept.parse().unwrap());
    }
    wire.send(request).await
}

#[tokio::test]
async fn accept_chooses_the_encoding_of_the_answer() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site, BOTH[1]).await;
    let proto: &[&[&str]] = &[
        &["application/proto"],
        &["text/html, application/proto"],
        &["text/html", "application/proto"],
        &["application/json;q=0.5, application/proto;q=0.9"],
        &["application/json;q=0, application/proto;q=0.1"],
        &["Application/Proto"],
    ];
    for accept in proto {
        let answer = accepting(&mut wire, accept).await;
        assert_eq!(answer.header("content-type"), "application/proto", "{accept:?}");
        assert_eq!(&answer.body[..], b"\x0a\x03Ada", "{accept:?}");
    }
    let json: &[&[&str]] = &[
        &[],
        &["*/*"],
        &["text/html"],
        &["application/json, application/proto"],
        &["application/proto;q=0"],
    ];
    for accept in json {
        let answer = accepting(&mut wire, accept).await;
        assert_eq!(answer.header("content-type"), JSON, "{accept:?}");
        assert_eq!(answer.json(), "Ada", "{accept:?}");
    }
}

#[tokio::test]
async fn an_error_is_json_whatever_is_accepted() {
    let site = Site::start().await;
    let mut request = post("/Lab/Echo", "application/proto", full("\x0a\x7f"));
    request.headers_mut().insert(ACCEPT, "application/proto".parse().unwrap());
    let answer = Wire::open(&site, BOTH[1]).await.send(request).await;
    let message = answer.error(400, "invalid_argument");
    assert!(message.contains("malformed protobuf"), "{message}");
}

/// JSON, shifted by one bit so that nothing else reads it.
#[derive(Debug)]
struct Shifted;

impl SerdeCodec for Shifted {
    fn name(&self) -> &str {
        "shifted"
    }

    fn encode(&self, message: &dyn erased_serde::Serialize, buffer: &mut BytesMut) -> Result<()> {
        let json = serde_json::to_vec(message).map_err(|error| Error::internal(error.to_string()))?;
        json.iter().for_each(|byte| buffer.put_u8(byte.rotate_left(1)));
        Ok(())
    }

    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<()>,
    ) -> Result<()> {
        let json: Vec<_> = bytes.iter().map(|byte| byte.rotate_right(1)).collect();
        let mut json = serde_json::Deserializer::from_slice(&json);
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))
    }
}

fn shifted(text: &str) -> Vec<u8> {
    text.bytes().map(|byte| byte.rotate_left(1)).collect()
}

#[tokio::test]
async fn a_codec_of_ones_own_serves_every_serde_message() {
    let site = Site::of(|service| service.codec(Shifted)).await;
    let mut wire = Wire::open(&site, BOTH[1]).await;
    let order = r#"{"item":"tea","lines":[{"count":2},{"count":3}]}"#;
    let answer = wire.post("/Lab/Order", "application/shifted", shifted(order)).await;
    assert_eq!(answer.header("content-type"), "application/shifted");
    assert_eq!(&answer.body[..], shifted("5"));

    let answer = wire.post("/Lab/Order", "application/shifted", "plain").await;
    let message = answer.error(400, "invalid_argument");
    assert!(message.starts_with("malformed shifted: "), "{message}");
    let answer = wire.post("/Lab/Order", "text/plain", "").await;
    assert_eq!(answer.header("accept-post"), "application/json, application/shifted");

    let client = Client::builder().address(site.address()).codec(Shifted).build();
    let lab = LabClient::new(&client);
    let reply = lab.echo(&Context::new(), "Ada".to_owned()).codec("shifted").await.unwrap();
    assert_eq!(reply, "Ada");
    let numbers = lab.count(&Context::new(), 3).codec("shifted").await.unwrap();
    assert_eq!(numbers.collect().await.unwrap(), [1, 2, 3]);
}
