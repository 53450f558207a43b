//! Content types of events: those of calls, and the names that go-micro has for them.

use crate::codec::{Codec, Codecs};
use crate::error::{Error, Result};

/// What an event in this encoding says of itself.
pub(super) fn media_type(codec: &Codec) -> String {
    match codec.name() {
        // go-micro's subscribers know it by this name only.
        "proto" => "application/protobuf".to_owned(),
        name => format!("application/{name}"),
    }
}

/// The encoding of an event that says this of itself; JSON where it says nothing.
pub(crate) fn codec<'a>(codecs: &'a Codecs, content_type: Option<&str>) -> Result<&'a Codec> {
    let given = content_type.unwrap_or("application/json");
    let essence = given.split(';').next().unwrap_or(given).trim();
    let name = match essence.to_ascii_lowercase().as_str() {
        "application/protobuf"
        | "application/x-protobuf"
        | "application/proto"
        | "application/grpc+proto" => "proto".to_owned(),
        "application/grpc+json" => "json".to_owned(),
        other => other.strip_prefix("application/").unwrap_or_default().to_owned(),
    };
    codecs.find(&name).ok_or_else(|| unknown(codecs, given))
}

#[cold]
fn unknown(codecs: &Codecs, given: &str) -> Error {
    let known: Vec<_> = codecs.iter().map(media_type).collect();
    Error::invalid_argument(format!(
        "the content type of the event is `{given}`, which nobody reads here; known: {}",
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_others_have_for_an_encoding_are_read() {
        let codecs = Codecs::default();
        let name = |content_type| codec(&codecs, content_type).map(|codec| codec.name().to_owned());
        assert_eq!(name(None).unwrap(), "json");
        assert_eq!(name(Some("application/json; charset=utf-8")).unwrap(), "json");
        #[cfg(feature = "protobuf")]
        for known in
            ["application/protobuf", "application/proto", "Application/X-Protobuf", "application/grpc+proto"]
        {
            assert_eq!(name(Some(known)).unwrap(), "proto");
        }
        for unknown in ["", "text/plain", "application/", "json", "application/octet-stream"] {
            let error = name(Some(unknown)).unwrap_err();
            assert!(error.message().contains("known: application/json"), "{error}");
        }
    }
}
