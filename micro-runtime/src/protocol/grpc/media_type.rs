//! Content types: which kind of gRPC a request is in, and which codec it means.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::codec::{Codec, Codecs};
use crate::protocol::media_type::{essence, without_prefix};

/// A kind of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// gRPC itself: HTTP/2 alone, the trailers are those of HTTP.
    Grpc,
    /// gRPC-Web: any HTTP, the trailers stand in the body.
    Web,
    /// gRPC-Web with all of the body in base64.
    WebText,
}

impl Dialect {
    /// The kind of gRPC that these headers are of, if they are of one.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        [Self::Grpc, Self::Web, Self::WebText]
            .into_iter()
            .find(|dialect| dialect.subtype(content_type).is_some())
    }

    /// The content type without the codec.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web",
            Self::WebText => "application/grpc-web-text",
        }
    }

    /// The name of the codec in a content type of this kind; empty where it names none.
    pub(super) fn subtype(self, content_type: &str) -> Option<&str> {
        let rest = without_prefix(essence(content_type), self.media_type())?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('+') }
    }

    /// The codec that a content type of this kind means: protobuf where it names none.
    pub(super) fn codec<'a>(self, codecs: &'a Codecs, content_type: &str) -> Option<&'a Codec> {
        let name = self.subtype(content_type).map(|name| if name.is_empty() { "proto" } else { name })?;
        codecs.find(name).or_else(|| codecs.iter().find(|codec| codec.name().eq_ignore_ascii_case(name)))
    }

    /// Whether a content type of this kind means this codec.
    pub(super) fn means(self, content_type: &str, codec: &Codec) -> bool {
        match self.subtype(content_type) {
            Some("") => codec.name() == "proto",
            Some(name) => codec.name().eq_ignore_ascii_case(name),
            None => false,
        }
    }

    /// The content type of messages in this codec, as text.
    pub(super) fn content_type(self, codec: &Codec) -> String {
        format!("{}+{}", self.media_type(), codec.name())
    }

    /// The content type of messages in this codec; `None` where its name cannot be in a header.
    pub(super) fn header(self, codec: &Codec) -> Option<HeaderValue> {
        match (self, codec.name()) {
            (Self::Grpc, "proto") => Some(HeaderValue::from_static("application/grpc+proto")),
            (Self::Grpc, "json") => Some(HeaderValue::from_static("application/grpc+json")),
            _ => HeaderValue::try_from(self.content_type(codec)).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(content_type: &'static str) -> Option<(Dialect, &'static str)> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Dialect::of(&headers).map(|dialect| (dialect, dialect.subtype(content_type).unwrap()))
    }

    #[test]
    fn the_content_type_tells_the_kind_and_the_codec() {
        assert_eq!(of("application/grpc"), Some((Dialect::Grpc, "")));
        assert_eq!(of("Application/gRPC+proto; x=y"), Some((Dialect::Grpc, "proto")));
        assert_eq!(of("application/grpc-web+json"), Some((Dialect::Web, "json")));
        assert_eq!(of("application/grpc-web-text"), Some((Dialect::WebText, "")));
        assert_eq!(of("application/grpc-web-text+proto"), Some((Dialect::WebText, "proto")));
        for other in ["application/grpcx", "application/grpc-", "application/json", "application/gr", ""] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_content_type_without_a_codec_means_protobuf() {
        assert!(Dialect::Web.means("application/grpc-web", &Codec::PROTO));
        assert!(Dialect::Grpc.means("application/grpc+PROTO", &Codec::PROTO));
        assert!(!Dialect::Grpc.means("application/grpc", &Codec::JSON));
        assert!(!Dialect::Grpc.means("application/grpc-web", &Codec::PROTO));
    }

    proptest! {
        #[test]
        fn any_text_is_a_content_type_or_none(text in "(application/grpc(-web)?(-text)?)?.*") {
            for dialect in [Dialect::Grpc, Dialect::Web, Dialect::WebText] {
                let _ = dialect.codec(&Codecs::default(), &text);
                prop_assert!(dialect.subtype(&text).is_none_or(|name| text.contains(name)));
            }
        }
    }
}
