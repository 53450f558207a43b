//! What a request says of its call, in the headers of a POST or in the query of a GET.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Method, Response};
use http_body::Body;
use percent_encoding::percent_decode;

use super::refuse;
use crate::codec::{Codec, Compression};
use crate::endpoint::{Inbound, MethodDescriptor};
use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::connect::media_type::named;
use crate::protocol::connect::{END_STREAM, STREAM_ACCEPT_ENCODING, STREAM_CONTENT_ENCODING, TIMEOUT};
use crate::protocol::envelope::Envelopes;
use crate::protocol::read_limits::{ReadLimits, read_all};
use crate::protocol::reading::{Expected, read};
use crate::protocol::{Site, compressing};

/// What is in a query may be padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A call, its body not read yet.
pub(super) struct Call {
    pub(super) codec: Codec,
    pub(super) compression: Option<Compression>,
    pub(super) timeout: Option<Duration>,
    stream: bool,
    /// The message of a call whose body is not looked at.
    message: Option<Bytes>,
}

impl Call {
    /// Reads the head. An error is the response already.
    pub(super) fn read(
        site: &Site,
        method: &MethodDescriptor,
        head: &Parts,
    ) -> Result<Self, Box<Response<WireBody>>> {
        match head.method {
            Method::POST => Self::of_post(site, method, &head.headers),
            Method::GET if method.http_get => Self::of_get(site, method, head),
            _ => Err(Box::new(refuse::wrong_method(&head.method, method))),
        }
    }

    fn of_post(
        site: &Site,
        method: &MethodDescriptor,
        headers: &HeaderMap,
    ) -> Result<Self, Box<Response<WireBody>>> {
        let given = headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or("?"));
        let codec =
            named(site, method, given).ok_or_else(|| Box::new(refuse::unsupported(site, method, given)))?;
        let stream = !method.is_unary();
        let encoding = if stream { STREAM_CONTENT_ENCODING } else { CONTENT_ENCODING };
        let rest = || Ok((timeout(headers)?, compressing::named(headers, &encoding)?));
        let (timeout, compression) = rest().map_err(|error| Box::new(refuse::failed(headers, &error)))?;
        Ok(Self { codec, compression, timeout, stream, message: None })
    }

    fn of_get(site: &Site, method: &MethodDescriptor, head: &Parts) -> Result<Self, Box<Response<WireBody>>> {
        let query = Query::read(head.uri.query().unwrap_or_default());
        let codec = site.codecs.find(&query.encoding).filter(|codec| method.request.reads(codec));
        let codec =
            codec.ok_or_else(|| Box::new(refuse::unsupported_in_query(site, method, &query.encoding)))?;
        let rest = || Ok((timeout(&head.headers)?, query.compression()?, query.message()?));
        let (timeout, compression, message) =
            rest().map_err(|error| Box::new(refuse::failed(&head.headers, &error)))?;
        Ok(Self { codec: codec.clone(), compression, timeout, stream: false, message: Some(message) })
    }

    /// The header in which the caller says how the answer may be compressed.
    pub(super) fn accept_encoding(&self) -> HeaderName {
        if self.stream { STREAM_ACCEPT_ENCODING } else { ACCEPT_ENCODING }
    }

    /// The one message of a unary call.
    pub(super) async fn read_message<B>(self, body: B, limits: ReadLimits) -> Result<Inbound>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let encoded = if self.compression.is_some() { limits.of_encoded() } else { limits };
        let message = match self.message {
            Some(message) => {
                encoded.check(message.len() as u64, true)?;
                message
            }
            None => read_all(body, encoded).await?,
        };
        Ok(Inbound::One(match self.compression {
            Some(compression) => compression.decompress(&message, limits.max_message_size)?,
            None => message,
        }))
    }

    /// The messages of any other call.
    pub(super) async fn read_stream<B>(
        self,
        body: B,
        method: &MethodDescriptor,
        limits: ReadLimits,
    ) -> Result<Inbound>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        // Clients end by ending the body; some put an empty last envelope in front of that.
        let expected = Expected { last: END_STREAM, strict: false, ends: true };
        read(Envelopes::of_request(body, limits, self.compression), method, expected).await
    }
}

/// The time that the caller gives: milliseconds, at most ten digits.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let valid = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(millis) if valid => Ok(Some(Duration::from_millis(millis))),
        _ => Err(Error::invalid_argument(format!(
            "the header `{TIMEOUT}: {text}` is not a number of milliseconds of at most ten digits"
        ))),
    }
}

/// The parameters of a call that is made with GET.
#[derive(Default)]
struct Query<'a> {
    encoding: Cow<'a, str>,
    compression: Cow<'a, str>,
    message: Option<Cow<'a, [u8]>>,
    base64: bool,
}

impl<'a> Query<'a> {
    /// Parameters that are not known are left out, as everywhere on the web.
    fn read(query: &'a str) -> Self {
        let mut read = Self::default();
        for (name, value) in query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
            match name {
                "encoding" => read.encoding = text(value),
                "compression" => read.compression = text(value),
                "base64" => read.base64 = value == "1",
                "message" => read.message = Some(bytes(value)),
                _ => {}
            }
        }
        read
    }

    fn compression(&self) -> Result<Option<Compression>> {
        match &*self.compression {
            "" | "identity" => Ok(None),
            name => Compression::named(name)
                .map(Some)
                .ok_or_else(|| compressing::unknown(name, "`compression` of the query")),
        }
    }

    fn message(&self) -> Result<Bytes> {
        let message = self.message.as_ref().ok_or_else(|| {
            Error::invalid_argument(
                "a call with GET has its message in the query, as `message`, and there is none",
            )
        })?;
        if !self.base64 {
            return Ok(Bytes::copy_from_slice(message));
        }
        BASE64.decode(message).map(Bytes::from).map_err(|error| {
            Error::invalid_argument(format!(
                "the `message` of the query is not base64 of the URL-safe kind: {error}"
            ))
        })
    }
}

fn text(value: &str) -> Cow<'_, str> {
    match bytes(value) {
        Cow::Borrowed(_) => Cow::Borrowed(value),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// A value of a query without its escapes: `%41` is `A`, and `+` is a space as in HTML forms.
fn bytes(value: &str) -> Cow<'_, [u8]> {
    let value = value.as_bytes();
    if value.contains(&b'+') {
        let spaced: Vec<_> = value.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        return Cow::Owned(percent_decode(&spaced).collect());
    }
    percent_decode(value).into()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn of(value: &[u8]) -> Result<Option<Duration>> {
        let mut headers = HeaderMap::new();
        headers.insert(TIMEOUT, HeaderValue::from_bytes(value).unwrap());
        timeout(&headers)
    }

    proptest! {
        #[test]
        fn a_timeout_of_up_to_ten_digits_is_milliseconds(millis in 0..=9_999_999_999_u64) {
            prop_assert_eq!(of(millis.to_string().as_bytes()).unwrap(), Some(Duration::from_millis(millis)));
        }

        #[test]
        fn any_other_timeout_is_refused(value in vec(prop_oneof![Just(b'-'), 32..=126_u8, 128..=255_u8], 0..20)) {
            let digits = (1..=10).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
            prop_assert_eq!(of(&value).is_ok(), digits);
        }

        #[test]
        fn any_query_is_a_call_or_an_error(query in "[ -~]{0,100}") {
            let query = Query::read(&query);
            let _ = (query.compression(), query.message());
        }

        #[test]
        fn any_message_comes_out_of_a_query_as_it_went_in(message in vec(any::<u8>(), 0..100)) {
            let encoded = base64::engine::general_purpose::URL_SAFE.encode(&message);
            for encoded in [encoded.as_str(), encoded.trim_end_matches('=')] {
                let query = format!("connect=v1&message={encoded}&base64=1&encoding=proto");
                prop_assert_eq!(&Query::read(&query).message().unwrap()[..], &message[..]);
            }
            let escaped: String = message.iter().map(|byte| format!("%{byte:02x}")).collect();
            let query = format!("message={escaped}");
            prop_assert_eq!(&Query::read(&query).message().unwrap()[..], &message[..]);
        }
    }
}
