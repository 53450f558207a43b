//! The response of a call that reached its handler.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};

use super::refuse::{ended, json};
use crate::codec::Codec;
use crate::context::Incoming;
use crate::endpoint::Outbound;
use crate::error::Result;
use crate::protocol::body::{Enveloped, WireBody};
use crate::protocol::compressing::{self, Compress};
use crate::protocol::connect::STREAM_CONTENT_ENCODING;
use crate::protocol::connect::end_stream::EndStream;
use crate::protocol::connect::media_type::of_answer;
use crate::protocol::{head, headers};

pub(super) fn unary(
    answer: Result<Outbound>,
    codec: &Codec,
    compress: Option<Compress>,
    incoming: &Incoming,
) -> Response<WireBody> {
    let message = answer.and_then(Outbound::into_message);
    let mut response = match message.and_then(|message| whole(message, codec, compress)) {
        Ok(response) => response,
        Err(error) => json(error.code().http_status(), &error),
    };
    headers::extend(response.headers_mut(), &incoming.reply.take_headers(), "");
    headers::extend(response.headers_mut(), &incoming.reply.take_trailers(), "trailer-");
    match head::check(response.headers()) {
        Ok(()) => response,
        Err(error) => json(error.code().http_status(), &error),
    }
}

fn whole(message: Bytes, codec: &Codec, compress: Option<Compress>) -> Result<Response<WireBody>> {
    let (message, compression) = compressing::message(compress, message)?;
    let mut response = Response::new(WireBody::full(message));
    response.headers_mut().insert(CONTENT_TYPE, of_answer(codec, false));
    if let Some(compression) = compression {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(compression.name()));
    }
    Ok(response)
}

pub(super) async fn stream(
    answer: Result<Outbound>,
    codec: &Codec,
    compress: Option<Compress>,
    incoming: Arc<Incoming>,
) -> Response<WireBody> {
    let messages = match answer {
        Ok(answer) => answer.into_messages(),
        Err(error) => Outbound::failed(error),
    };
    let reply = incoming.clone();
    let end = move |ended: Result<()>, buffer: &mut BytesMut| {
        EndStream::new(ended, &reply.reply.take_trailers()).write(buffer)?;
        Ok(None)
    };
    let mut body = Enveloped::new(messages, compress, Box::new(end));
    body.begin(&incoming).await;
    let mut response = Response::new(WireBody::Stream(Box::pin(body)));
    response.headers_mut().insert(CONTENT_TYPE, of_answer(codec, true));
    if let Some(compress) = compress {
        let name = HeaderValue::from_static(compress.compression.name());
        response.headers_mut().insert(STREAM_CONTENT_ENCODING, name);
    }
    headers::extend(response.headers_mut(), &incoming.reply.take_headers(), "");
    match head::check(response.headers()) {
        Ok(()) => response,
        Err(error) => ended(of_answer(codec, true), &error),
    }
}
