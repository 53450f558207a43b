//! What an answer must be, whatever was asked.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use micro::Code;
use serde_json::Value;

/// An answer of a server.
#[derive(Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: HeaderMap,
    /// Whether it was there to its end.
    whole: bool,
}

impl Reply {
    pub(crate) async fn read(response: Response<Incoming>) -> Self {
        let (head, mut incoming) = response.into_parts();
        let (mut body, mut trailers, mut whole) = (Vec::new(), HeaderMap::new(), true);
        while let Some(frame) = incoming.frame().await {
            let Ok(frame) = frame else {
                whole = false;
                break;
            };
            match frame.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
        Self { status: head.status, headers: head.headers, body, trailers, whole }
    }
}

/// Panics unless a client of the protocol that the answer is in can read how the call ended.
pub(crate) fn check(reply: &Reply) {
    if !reply.whole {
        return;
    }
    let given = reply.headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let given = String::from_utf8_lossy(given).to_ascii_lowercase();
    let readable = if let Some(error) = reply.headers.get("micro-error") {
        reply.status == StatusCode::OK && is_go_micro(error.as_bytes())
    } else if given.starts_with("application/grpc-web-text") {
        pieces(&reply.body).is_some_and(|body| ends_as_grpc_web(reply, &body))
    } else if given.starts_with("application/grpc-web") {
        ends_as_grpc_web(reply, &reply.body)
    } else if given.starts_with("application/grpc") {
        envelopes(&reply.body).is_some() && (has_status(&reply.trailers) || has_status(&reply.headers))
    } else if given.starts_with("application/connect+") {
        ends_as_connect(&reply.body)
    } else if reply.status == StatusCode::OK || !given.starts_with("application/json") {
        true
    } else {
        // There is no body after HEAD.
        reply.body.is_empty() || serde_json::from_slice(&reply.body).is_ok_and(|error| is_connect(&error))
    };
    assert!(readable, "nobody can read the answer {reply:?}");
}

fn is_go_micro(error: &[u8]) -> bool {
    let error: Result<Value, _> = serde_json::from_slice(error);
    error.is_ok_and(|error| error["code"].as_i64().is_some_and(|code| code > 0))
}

fn is_connect(error: &Value) -> bool {
    error["code"].as_str().is_some_and(|code| code.parse::<Code>().is_ok())
}

fn has_status(headers: &HeaderMap) -> bool {
    let number = headers.get("grpc-status").and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    number.is_some_and(|number| number == 0 || Code::from_number(number).is_some())
}

fn ends_as_grpc_web(reply: &Reply, body: &[u8]) -> bool {
    let Some(envelopes) = envelopes(body) else { return false };
    let Some(((0b1000_0000, trailers), messages)) = envelopes.split_last() else {
        return has_status(&reply.headers);
    };
    let text = String::from_utf8_lossy(trailers);
    let status = text.lines().find_map(|line| line.strip_prefix("grpc-status: "));
    let number = status.and_then(|number| number.parse::<u32>().ok());
    messages.iter().all(|(flags, _)| *flags < 2)
        && number.is_some_and(|number| number == 0 || Code::from_number(number).is_some())
}

fn ends_as_connect(body: &[u8]) -> bool {
    let Some(envelopes) = envelopes(body) else { return false };
    let Some(((0b10, end), messages)) = envelopes.split_last() else { return false };
    let Ok(end) = serde_json::from_slice::<Value>(end) else { return false };
    messages.iter().all(|(flags, _)| *flags < 2) && end.get("error").is_none_or(is_connect)
}

/// The flags and the messages of a body of envelopes.
fn envelopes(mut body: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut envelopes = Vec::new();
    while !body.is_empty() {
        let ([flags, length @ ..], rest) = body.split_first_chunk::<5>()?;
        let (message, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        envelopes.push((*flags, message));
        body = rest;
    }
    Some(envelopes)
}

/// The bytes of pieces of base64, each of which may be padded.
fn pieces(text: &[u8]) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let base64 = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let mut bytes = Vec::new();
    for four in text.chunks(4) {
        base64.decode_vec(four, &mut bytes).ok()?;
    }
    Some(bytes)
}
