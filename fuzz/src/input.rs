//! An input, read from its start; what it does not have is zero.

use http::header::{self, HeaderName, HeaderValue};

/// What is left of an input.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// The next bytes, whose number stands in front of them, in one byte.
    pub(crate) fn short(&mut self) -> &'a [u8] {
        let length = self.byte();
        self.take(length.into())
    }

    /// One of these.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.index(all.len())]
    }

    fn index(&mut self, length: usize) -> usize {
        usize::from(self.byte()) % length
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// The names of headers that mean something to somebody.
const NAMES: [HeaderName; 48] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCESS_CONTROL_REQUEST_HEADERS,
    header::ACCESS_CONTROL_REQUEST_METHOD,
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::ORIGIN,
    header::RETRY_AFTER,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
    header::VARY,
    HeaderName::from_static("connect-accept-encoding"),
    HeaderName::from_static("connect-content-encoding"),
    HeaderName::from_static("connect-protocol-version"),
    HeaderName::from_static("connect-timeout-ms"),
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-status-details-bin"),
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("micro-endpoint"),
    HeaderName::from_static("micro-error"),
    HeaderName::from_static("micro-id"),
    HeaderName::from_static("micro-method"),
    HeaderName::from_static("micro-service"),
    HeaderName::from_static("micro-stream"),
    HeaderName::from_static("micro-topic"),
    HeaderName::from_static("timeout"),
    HeaderName::from_static("trailer-x-a"),
    HeaderName::from_static("trailer-x-bin"),
    HeaderName::from_static("x-a"),
    HeaderName::from_static("x-b"),
    HeaderName::from_static("x-bin"),
    HeaderName::from_static("x-content-type"),
    HeaderName::from_static("x-micro-endpoint"),
    HeaderName::from_static("x-micro-method"),
    HeaderName::from_static("x-micro-service"),
    HeaderName::from_static("x-micro-topic"),
    HeaderName::from_static("x-user-agent"),
];

/// Headers: how many in one byte, up to 7; each the number of a name, and a value behind its length.
/// What cannot be a value is left out.
pub(crate) fn headers(input: &mut Input<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let count = input.byte() % 8;
    let mut header = |_| {
        let (name, value) = (input.index(NAMES.len()), input.short());
        Some((NAMES[name].clone(), HeaderValue::from_bytes(value).ok()?))
    };
    (0..count).filter_map(&mut header).collect()
}

/// The number of a name, for those who write inputs.
pub(crate) fn number(name: &str) -> u8 {
    let number = NAMES.iter().position(|known| known == name);
    number.and_then(|number| u8::try_from(number).ok()).expect("the name is one of the list")
}
