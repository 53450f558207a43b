//! Records from others, which may be made to become much more in memory than they are on the way.
//!
//! The three bytes `{},` are an endpoint, of some two hundred bytes. So what is read is counted.

use serde::de::DeserializeOwned;

use super::{EndpointRecord, ServiceRecord, ValueRecord};
use crate::error::{Error, Result};

/// The most endpoints of one record, with their subscribers; of values in all of them, those in others included; and of nodes.
/// A program with as many methods as this has none to spare for calling them.
pub(in crate::registry) const MOST_ENDPOINTS: usize = 1000;
const MOST_VALUES: usize = 20_000;
const MOST_NODES: usize = 4096;

/// The most objects and lists in the JSON of one record: a record with the most of everything has less.
const MOST_PARTS: usize = 1 << 16;

/// A record as JSON.
pub(in crate::registry) fn read(json: &[u8]) -> Result<ServiceRecord> {
    bounded(parse(json)?)
}

/// Anything as JSON that has a record, or a part of one, in it: not more than a record may have. What is in it is still to be
/// looked at, with [`bounded`] or [`are_bounded`].
pub(in crate::registry) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    if parts(json) > MOST_PARTS {
        return Err(too_many("objects and lists", MOST_PARTS));
    }
    serde_json::from_slice(json)
        .map_err(|error| Error::invalid_argument(format!("it is no record: {error}")).with_source(error))
}

/// The record, where it has not too much of anything.
pub(in crate::registry) fn bounded(record: ServiceRecord) -> Result<ServiceRecord> {
    if record.nodes.len() > MOST_NODES {
        return Err(too_many("nodes", MOST_NODES));
    }
    are_bounded(&record.endpoints)?;
    Ok(record)
}

/// Fails where these are more than the endpoints of one node may be.
pub(in crate::registry) fn are_bounded(endpoints: &[EndpointRecord]) -> Result<()> {
    if endpoints.len() > MOST_ENDPOINTS {
        return Err(too_many("endpoints", MOST_ENDPOINTS));
    }
    if endpoints.iter().map(EndpointRecord::values).sum::<usize>() > MOST_VALUES {
        return Err(too_many("values in its endpoints", MOST_VALUES));
    }
    Ok(())
}

impl EndpointRecord {
    /// How many values its outlines have.
    pub(in crate::registry) fn values(&self) -> usize {
        self.request.iter().chain(&self.response).map(ValueRecord::count).sum()
    }
}

impl ValueRecord {
    /// It and all that is in it. It is not deeper than a parser goes.
    fn count(&self) -> usize {
        1 + self.values.iter().map(Self::count).sum::<usize>()
    }
}

/// How many objects and lists there are in a text, if it is JSON.
fn parts(json: &[u8]) -> usize {
    let (mut count, mut in_text, mut is_escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

#[cold]
fn too_many(what: &str, most: usize) -> Error {
    Error::invalid_argument(format!("the record has too many {what}: {most} is the limit"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// So often this, with commas.
    fn times(count: usize, part: &str) -> String {
        vec![part; count].join(",")
    }

    #[test]
    fn a_record_with_the_most_of_everything_is_read_and_one_with_more_is_too_many() {
        let record = |endpoints: usize, values: usize, nodes: usize| {
            let first = format!(
                r#"{{"request":{{"values":[{}]}},"metadata":{{}},"name":"["}}"#,
                times(values - 1, r#"{"name":"\"{","values":[]}"#)
            );
            let others = times(endpoints - 1, r#"{"metadata":{},"name":"{[\\"}"#);
            let nodes = times(nodes, r#"{"id":"1","address":"b:1","metadata":{"a":"{"}}"#);
            read(format!(r#"{{"name":"a","endpoints":[{first},{others}],"nodes":[{nodes}]}}"#).as_bytes())
        };
        let most = record(MOST_ENDPOINTS, MOST_VALUES, MOST_NODES);
        assert_eq!(most.map(|record| record.nodes.len()).ok(), Some(MOST_NODES));
        for (more, of) in [
            (record(MOST_ENDPOINTS + 1, 1, 1), "endpoints"),
            (record(2, MOST_VALUES + 1, 1), "values"),
            (record(2, 1, MOST_NODES + 1), "nodes"),
        ] {
            let error = more.expect_err(of);
            assert!(error.message().contains("too many") && error.message().contains(of), "{error}");
        }
    }

    #[test]
    fn what_would_become_much_more_is_not_even_read() {
        for part in ["{}", "[]"] {
            let json = format!(r#"{{"endpoints":[{}]}}"#, times(MOST_PARTS, part));
            let error = parse::<ServiceRecord>(json.as_bytes()).expect_err(part);
            assert!(error.message().contains("objects and lists"), "{error}");
        }
        assert!(read(b"no record").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_or_an_error(
            json in r#"\{"endpoints":(null|\[(\{\}|\[\]|,|"[\\"]*")*\])\}?|.{0,30}"#,
        ) {
            let parsed = serde_json::from_str::<ServiceRecord>(&json).ok();
            prop_assert_eq!(read(json.as_bytes()).ok(), parsed);
        }
    }
}
