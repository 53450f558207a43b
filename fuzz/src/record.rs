//! What comes from a registry, and texts that are read.

use micro::client::Protocol;
use micro::codec::Compression;
use micro::registry::ServiceRecord;
use micro::{Code, Metadata};

use crate::input::Input;

/// Reads the record of a service, metadata, or a name; the first byte says which.
pub fn record(input: &[u8]) {
    let mut input = Input(input);
    match input.byte() % 4 {
        0 => service(input.0),
        1 => metadata(input),
        _ => {
            let Ok(text) = std::str::from_utf8(input.0) else { return };
            if let Ok(code) = text.parse::<Code>() {
                assert_eq!(code.as_str(), text);
            }
            if let Ok(protocol) = text.parse::<Protocol>() {
                assert_eq!(protocol.name(), text);
            }
            if let Some(compression) = Compression::named(text) {
                assert!(compression.name().eq_ignore_ascii_case(text));
            }
        }
    }
}

/// A record that was read is written as one that is read as the same.
fn service(json: &[u8]) {
    let Ok(record) = serde_json::from_slice::<ServiceRecord>(json) else { return };
    let written = serde_json::to_string(&record).expect("a record can be written");
    let again: ServiceRecord = serde_json::from_str(&written).expect("what was written is read");
    assert_eq!(record, again);
}

/// What metadata took is in it.
fn metadata(mut input: Input<'_>) {
    let mut metadata = Metadata::new();
    while !input.0.is_empty() {
        let (name, value) = (input.short(), input.short());
        let Ok(name) = std::str::from_utf8(name) else { continue };
        let before = metadata.len();
        match metadata.append(name, value) {
            Ok(()) => {
                assert_eq!(metadata.len(), before + 1);
                let mut last = metadata.iter().last().map(|(name, value)| (name.to_owned(), value.clone()));
                let (known, kept) = last.take().expect("there is one");
                assert_eq!((known, &kept[..]), (name.to_ascii_lowercase(), value));
            }
            Err(error) => {
                assert_eq!((metadata.len(), error.code()), (before, Code::InvalidArgument));
            }
        }
        if value.first().is_some_and(|first| first % 7 == 0) {
            metadata.remove(name);
            assert!(metadata.get_bytes(name).is_none());
        }
    }
}
