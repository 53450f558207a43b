//! Content types: which codec a request means, and which one its answer gets.

use http::header::{ACCEPT, HeaderMap, HeaderValue};

use super::media_type;
use crate::codec::Codec;
use crate::endpoint::MethodDescriptor;
use crate::protocol::Site;
use crate::protocol::media_type::{essence, without_prefix};

/// The codec that the content type names, if the method takes it.
pub(super) fn named(site: &Site, method: &MethodDescriptor, content_type: &str) -> Option<Codec> {
    let (stream, name) = subtype(content_type)?;
    let codec = find(site, name).filter(|codec| method.request.reads(codec))?;
    (stream != method.is_unary()).then(|| codec.clone())
}

/// The codec of the answer, where the caller asks for another one than its own. A caller that
/// accepts nothing that there is gets its own.
pub(super) fn accepted(site: &Site, method: &MethodDescriptor, headers: &HeaderMap) -> Option<Codec> {
    let mut best: Option<(f32, &Codec)> = None;
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for choice in values.flat_map(|value| value.split(',')) {
        let Some((_, name)) = subtype(choice) else { continue };
        let Some(codec) = find(site, name).filter(|codec| method.response.reads(codec)) else { continue };
        let weight = weight(choice);
        // Of those with the same weight the first one is taken.
        if weight > best.map_or(0.0, |(best, _)| best) {
            best = Some((weight, codec));
        }
    }
    best.map(|(_, codec)| codec.clone())
}

/// The content type of an answer. Its codec was found by its name in a header, so the name is good
/// for a header.
pub(super) fn of_answer(codec: &Codec, stream: bool) -> HeaderValue {
    media_type(codec, stream).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// `application/json; charset=utf-8` to `json`, and whether it is one of Connect's streaming types.
pub(super) fn subtype(content_type: &str) -> Option<(bool, &str)> {
    let name = without_prefix(essence(content_type), "application/")?;
    Some(without_prefix(name, "connect+").map_or((false, name), |name| (true, name)))
}

fn find<'a>(site: &'a Site, name: &str) -> Option<&'a Codec> {
    site.codecs
        .find(name)
        .or_else(|| site.codecs.iter().find(|codec| codec.name().eq_ignore_ascii_case(name)))
}

/// The `q` of a choice in `Accept`: 1 unless given, 0 is "not this one".
fn weight(choice: &str) -> f32 {
    choice
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(1.0, |(_, value)| value.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_a_media_type_or_none(text in any::<String>()) {
            if let Some((_, name)) = subtype(&text) {
                prop_assert!(text.contains(name));
            }
            let _ = weight(&text);
        }
    }

    #[test]
    fn a_subtype_is_found_in_any_case_and_without_its_parameters() {
        assert_eq!(subtype("application/json"), Some((false, "json")));
        assert_eq!(subtype(" Application/JSON ; charset=utf-8"), Some((false, "JSON")));
        assert_eq!(subtype("application/connect+proto"), Some((true, "proto")));
        assert_eq!(subtype("text/json"), None);
        assert_eq!(subtype("application"), None);
        assert_eq!(subtype(""), None);
    }

    #[test]
    fn a_choice_weighs_what_its_q_says() {
        assert_eq!(weight("application/json"), 1.0);
        assert_eq!(weight("application/json;q=0.5"), 0.5);
        assert_eq!(weight("application/json; charset=utf-8; Q=0"), 0.0);
        assert_eq!(weight("application/json;q=much"), 0.0);
    }
}
