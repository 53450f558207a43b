//! The response of a call that reached its handler.

use std::sync::Arc;

use bytes::BytesMut;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::caller::Caller;
use crate::codec::Compression;
use crate::context::Incoming;
use crate::endpoint::Outbound;
use crate::error::{Error, Result};
use crate::metadata::{Metadata, NONE};
use crate::protocol::body::{Enveloped, WireBody};
use crate::protocol::compressing::{self, Compress};
use crate::protocol::grpc::{Dialect, ENCODING};
use crate::protocol::{head, headers};

/// The answer of a method that answers one message.
pub(super) fn one(
    answer: Result<Outbound>,
    caller: &Caller,
    content_type: HeaderValue,
    compress: Option<Compress>,
    incoming: &Incoming,
) -> Response<WireBody> {
    let (metadata, trailers) = (incoming.reply.take_headers(), incoming.reply.take_trailers());
    let message = answer.and_then(Outbound::into_message);
    let answer = message.and_then(|message| compressing::message(compress, message));
    let compression = match &answer {
        Ok((_, compression)) => *compression,
        Err(_) => None,
    };
    let head = match head_of(&content_type, compression, &metadata) {
        Ok(head) => head,
        Err(error) => return trailers_only(caller, content_type, error),
    };
    let body = answer.and_then(|(message, compression)| {
        WireBody::envelope(message, compression.is_some(), Some(caller.trailers(Ok(()), &trailers)))
    });
    let body = match body {
        Ok(body) => body,
        Err(error) => return ended(caller, head, caller.trailers(Err(error), &trailers), &metadata),
    };
    respond(head, body)
}

/// The answer of a method that answers a stream.
pub(super) async fn stream(
    answer: Result<Outbound>,
    caller: Caller,
    content_type: HeaderValue,
    compress: Option<Compress>,
    incoming: Arc<Incoming>,
) -> Response<WireBody> {
    let messages = match answer {
        Ok(answer) => answer.into_messages(),
        Err(error) => Outbound::failed(error),
    };
    let end = {
        let (caller, incoming) = (caller.clone(), incoming.clone());
        move |ended: Result<()>, _: &mut BytesMut| {
            Ok(Some(caller.trailers(ended, &incoming.reply.take_trailers())))
        }
    };
    let mut body = Enveloped::new(messages, compress, Box::new(end));
    body.begin(&incoming).await;
    let metadata = incoming.reply.take_headers();
    let compression = compress.map(|compress| compress.compression);
    let head = match head_of(&content_type, compression, &metadata) {
        Ok(head) => head,
        Err(error) => return trailers_only(&caller, content_type, error),
    };
    match body.take_trailers_alone() {
        Some(trailers) => ended(&caller, head, trailers, &metadata),
        None => respond(head, WireBody::Stream(Box::pin(body))),
    }
}

/// A response of nothing but an error.
#[cold]
pub(super) fn trailers_only(caller: &Caller, content_type: HeaderValue, error: Error) -> Response<WireBody> {
    let mut head = HeaderMap::new();
    head.insert(CONTENT_TYPE, content_type);
    ended(caller, head, caller.trailers(Err(error), &NONE), &NONE)
}

/// A response without messages. Over HTTP/2 it is one head where the handler set no headers: then
/// everything in it is known to be trailers. In gRPC-Web trailers are always in the body, where a
/// browser lets a page see them whatever the origin of the page is.
fn ended(
    caller: &Caller,
    mut head: HeaderMap,
    trailers: HeaderMap,
    headers: &Metadata,
) -> Response<WireBody> {
    if caller.dialect != Dialect::Grpc || !headers.is_empty() {
        return respond(head, WireBody::trailers(Some(trailers)));
    }
    head.remove(ENCODING);
    head.extend(trailers);
    respond(head, WireBody::trailers(None))
}

/// The head of a response, unless the handler set more metadata than clients take.
fn head_of(
    content_type: &HeaderValue,
    compression: Option<Compression>,
    metadata: &Metadata,
) -> Result<HeaderMap> {
    let mut head = HeaderMap::with_capacity(2 + metadata.len());
    head.insert(CONTENT_TYPE, content_type.clone());
    if let Some(compression) = compression {
        head.insert(ENCODING, HeaderValue::from_static(compression.name()));
    }
    headers::extend(&mut head, metadata, "");
    head::check(&head)?;
    Ok(head)
}

fn respond(head: HeaderMap, body: WireBody) -> Response<WireBody> {
    let mut response = Response::new(body);
    *response.headers_mut() = head;
    response
}
