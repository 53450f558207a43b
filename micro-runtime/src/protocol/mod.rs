//! Protocols: bytes to calls and back, a server half and a client half each.
//!
//! What a server half needs to know of its server is a [`Site`]; what a client half is given is an
//! [`Outgoing`], and it returns an [`Answer`].

pub(crate) mod body;
mod claims;
pub(crate) mod connect;
mod envelope;
mod headers;
pub(crate) mod http2;
mod linger;

pub(crate) use claims::{Form, claims};
pub(crate) use connect::server::serve;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::call::Interceptors;
use crate::codec::{Codec, Codecs};
use crate::endpoint::{Inbound, MethodDescriptor, Outbound, Routes};
use crate::metadata::{Around, Metadata};

/// What a server half works with.
pub(crate) struct Site {
    pub(crate) routes: Routes,
    pub(crate) codecs: Codecs,
    pub(crate) interceptors: Arc<Interceptors>,
    /// The largest message, in bytes.
    pub(crate) max_message_size: usize,
    /// How long the next bytes of a message that has begun may take.
    pub(crate) body_timeout: Duration,
}

/// A call that a client half sends.
pub(crate) struct Outgoing {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) codec: Codec,
    pub(crate) metadata: Metadata,
    pub(crate) deadline: Option<Instant>,
    pub(crate) body: Outbound,
    /// The largest message to be read, in bytes.
    pub(crate) max_message_size: usize,
}

impl Outgoing {
    /// The time left until the deadline, now that the call goes out.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) around: Arc<Around>,
    pub(crate) body: Inbound,
}
