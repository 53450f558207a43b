//! Metadata as HTTP headers: `-bin` values are base64 there, and the names that belong to HTTP and
//! to the protocols stay out of it.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::metadata::{Metadata, is_binary, is_reserved};

/// Writes without padding, reads both.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The headers that are metadata, those whose name begins with `prefix` without it.
pub(crate) fn to_metadata(headers: &HeaderMap, prefix: &str) -> Metadata {
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(prefix) else { continue };
        if !is_reserved(name) {
            add(&mut metadata, name, value.as_bytes());
        }
    }
    metadata
}

/// Adds one value as it is on the wire, where several `-bin` values may stand with commas between
/// them. What is no valid value is left out: a header that a proxy or a foreign client added must not
/// fail the call.
pub(crate) fn add(metadata: &mut Metadata, name: &str, value: &[u8]) {
    let valid = if is_binary(name) {
        let values = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        values.fold(true, |valid, value| {
            valid & BASE64.decode(value).is_ok_and(|value| metadata.append(name, value).is_ok())
        })
    } else {
        metadata.append(name, value).is_ok()
    };
    if !valid {
        tracing::debug!(name, "left out a header that is not valid metadata");
    }
}

/// Adds metadata to headers, each name behind `prefix`.
pub(crate) fn extend(headers: &mut HeaderMap, metadata: &Metadata, prefix: &str) {
    for (name, value) in metadata.iter() {
        let name = HeaderName::from_bytes(format!("{prefix}{name}").as_bytes());
        let value = HeaderValue::from_bytes(&to_wire(name_of(&name), value));
        // Both were checked when they were put into the metadata.
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
}

/// A value as it is written on the wire.
pub(crate) fn to_wire(name: &str, value: &[u8]) -> Vec<u8> {
    if is_binary(name) { BASE64.encode(value).into_bytes() } else { value.to_vec() }
}

fn name_of<E>(name: &Result<HeaderName, E>) -> &str {
    name.as_ref().map_or("", |name| name.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Names and values that metadata takes.
    fn entries() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
        let text =
            ("[a-z][a-z0-9_.-]{0,12}x", "[ -~\t]{0,20}").prop_map(|(name, value)| (name, value.into_bytes()));
        let bytes = ("[a-z]{1,8}-bin", vec(any::<u8>(), 0..20));
        vec(prop_oneof![text, bytes], 0..10)
    }

    proptest! {
        #[test]
        fn any_metadata_survives_the_way_through_headers(entries in entries()) {
            let mut metadata = Metadata::new();
            for (name, value) in &entries {
                metadata.append(name, value).unwrap();
            }
            for prefix in ["", "trailer-"] {
                let mut headers = HeaderMap::new();
                extend(&mut headers, &metadata, prefix);
                let back = to_metadata(&headers, prefix);
                prop_assert_eq!(back.len(), entries.len());
                // Names may change places, the values of one name may not.
                for (name, _) in &entries {
                    let of = |metadata: &Metadata| {
                        let all = metadata.iter().filter(|(known, _)| known == name);
                        all.map(|(_, value)| value.clone()).collect::<Vec<_>>()
                    };
                    prop_assert_eq!(of(&back), of(&metadata));
                }
            }
        }

        #[test]
        fn any_headers_are_metadata_or_left_out(
            entries in vec(("[!-~]{1,20}(-bin)?", vec(any::<u8>(), 0..20)), 0..10),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &entries {
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
                    headers.append(name, value);
                }
            }
            // A `-bin` header may have several values, with commas between them.
            let values = headers.values().map(|value| 1 + value.as_bytes().iter().filter(|byte| **byte == b',').count());
            prop_assert!(to_metadata(&headers, "").len() <= values.sum());
        }
    }

    #[test]
    fn metadata_survives_the_way_through_headers() {
        let mut metadata = Metadata::new();
        metadata.append("tenant", "acme").unwrap();
        metadata.append("tenant", "umbrella").unwrap();
        metadata.append("trace-bin", [0xff, 0x00, 0x01]).unwrap();
        for prefix in ["", "trailer-"] {
            let mut headers = HeaderMap::new();
            extend(&mut headers, &metadata, prefix);
            assert_eq!(to_metadata(&headers, prefix), metadata);
        }
    }

    #[test]
    fn binary_values_may_stand_in_one_header() {
        let mut headers = HeaderMap::new();
        headers.append("trace-bin", HeaderValue::from_static("AQI=,AwQ, /w=="));
        headers.append("trace-bin", HeaderValue::from_static("BQ"));
        let metadata = to_metadata(&headers, "");
        let values: Vec<_> = metadata.iter().map(|(_, value)| value.to_vec()).collect();
        assert_eq!(values, [vec![1, 2], vec![3, 4], vec![0xff], vec![5]]);
    }

    #[test]
    fn what_belongs_to_http_is_not_metadata() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("connect-timeout-ms", HeaderValue::from_static("1"));
        headers.insert("broken-bin", HeaderValue::from_static("***"));
        assert!(to_metadata(&headers, "").is_empty());
    }
}
