//! Protocols: bytes to calls and back, a server half and a client half each.
//!
//! What a server half needs to know of its server is a [`Site`]; what a client half is given is an
//! [`Outgoing`], and it returns an [`Answer`]. Which protocol a request is in shows in its headers
//! ([`serve`]); which one a call is made in is a matter of the node ([`Protocol`]).

mod answers;
pub(crate) mod body;
mod choice;
mod claims;
mod compressing;
mod connect;
mod envelope;
mod form;
mod go_micro;
mod grpc;
mod grpc_web;
mod head;
mod headers;
pub(crate) mod http2;
mod http_status;
mod linger;
mod media_type;
mod mucp;
pub(crate) mod native;
pub(crate) mod read_limits;
mod reading;
mod reset;
mod sending;
mod unread;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Version};
use http_body::Body;
use tokio::time::Instant;

use crate::call::Interceptors;
use crate::codec::{Codec, Codecs, Compression};
use crate::context::Origin;
use crate::endpoint::{Inbound, MethodDescriptor, Outbound, Routes, Subscribers};
use crate::error::Result;
use crate::metadata::{Around, Metadata};
use body::WireBody;
pub(crate) use choice::PROTOCOLS;
pub use choice::Protocol;
pub(crate) use claims::claims;
pub(crate) use form::Form;
use grpc::Dialect;
use unread::Unread;

/// What a server half works with.
pub(crate) struct Site {
    pub(crate) routes: Routes,
    pub(crate) subscribers: Subscribers,
    pub(crate) codecs: Codecs,
    pub(crate) interceptors: Arc<Interceptors>,
    /// The largest message, in bytes.
    pub(crate) max_message_size: usize,
    /// How long the next bytes of a message that has begun may take.
    pub(crate) body_timeout: Duration,
    /// The size, in bytes, from which on answers are compressed for every caller that reads that;
    /// where there is none, only who compresses gets compressed answers.
    pub(crate) compress_from: Option<usize>,
}

/// A call that a client half sends.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) codec: Codec,
    /// How the messages of the request are compressed.
    pub(crate) compression: Option<Compression>,
    /// Whether a call that may be made with GET is.
    pub(crate) http_get: bool,
    pub(crate) metadata: Metadata,
    pub(crate) deadline: Option<Instant>,
    pub(crate) body: Outbound,
    /// The largest message to be read, in bytes.
    pub(crate) max_message_size: usize,
}

/// Where a call goes: what its request says of the connection it is sent on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// The name that the called service is registered by.
    pub(crate) service: &'a str,
    pub(crate) scheme: &'a Scheme,
    pub(crate) authority: &'a Authority,
    pub(crate) version: Version,
}

impl Outgoing {
    /// The body, for the request; the rest of the call is still looked at.
    pub(crate) fn take_body(&mut self) -> Outbound {
        std::mem::replace(&mut self.body, Outbound::One(Bytes::new()))
    }

    /// The call to be made, and made once more where its request is one message. A stream goes with the
    /// first of them.
    pub(crate) fn again(&mut self) -> Self {
        let body = match &self.body {
            Outbound::One(message) => Outbound::One(message.clone()),
            Outbound::Many(_) | Outbound::Carried(_) => self.take_body(),
        };
        Self {
            method: self.method,
            codec: self.codec.clone(),
            compression: self.compression,
            http_get: self.http_get,
            metadata: self.metadata.clone(),
            deadline: self.deadline,
            body,
            max_message_size: self.max_message_size,
        }
    }

    /// The time left until the deadline, now that the call goes out.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// What came back.
pub(crate) struct Answer {
    /// The metadata around it, where there is any or may be.
    pub(crate) around: Option<Arc<Around>>,
    pub(crate) body: Inbound,
}

/// Serves one request, in the protocol that its headers are of.
// No `async fn`, here and in the protocols: its future would keep the room of what it is given, beside what it
// makes of that.
pub(crate) fn serve<B>(
    site: &Site,
    request: Request<B>,
    peer: Arc<Origin>,
) -> impl Future<Output = Response<WireBody>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (request, unread) = Unread::of(request, linger::most(site.max_message_size));
    async move {
        let mut response = match Dialect::of(request.headers()) {
            Some(dialect @ Dialect::Grpc) => grpc::server::serve(site, request, peer, dialect).await,
            // In boxes, so that the future of every call is no larger for them.
            Some(dialect) => Box::pin(grpc_web::server::serve(site, request, peer, dialect)).await,
            None if mucp::server::is_message(&request) => {
                Box::pin(mucp::server::serve(site, request, peer)).await
            }
            None => connect::server::serve(site, request, peer).await,
        };
        unread.close_after(&mut response);
        response
    }
}

/// Makes one call. `send` puts the request on its way at once, and its future is the head of the
/// response.
pub(crate) async fn call<B, Fut>(
    protocol: Protocol,
    outgoing: Outgoing,
    target: Target<'_>,
    send: impl FnOnce(Request<WireBody>) -> Fut,
) -> Result<Answer>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<B>>> + Send + 'static,
{
    match protocol {
        // The native wire is not HTTP and has a way of its own; what is called over HTTP in its place is Connect.
        Protocol::Connect | Protocol::Native => connect::client::call(outgoing, target, send).await,
        Protocol::Grpc => grpc::client::call(outgoing, target, Dialect::Grpc, send).await,
        Protocol::GrpcWeb => grpc::client::call(outgoing, target, Dialect::Web, send).await,
        // In boxes, so that the future of every call is no larger for them.
        Protocol::GrpcWebText => Box::pin(grpc_web::client::call_in_text(outgoing, target, send)).await,
        Protocol::Mucp => Box::pin(mucp::client::call(outgoing, target, send)).await,
    }
}
