#[cfg(any(feature = "consul", feature = "etcd", feature = "mdns-go-micro", feature = "nats"))]
#[allow(dead_code, reason = "each driver needs a part of it")]
pub(super) mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[cfg(any(feature = "etcd", feature = "nats"))]
#[allow(unused_imports, reason = "each driver needs a part of it")]
pub(super) use self::read::{bounded, parse, read};

/// Names and values that describe a service, an endpoint or a node.
pub type Labels = BTreeMap<String, String>;

/// One version of a service with all of its nodes, as people and go-micro see it.
///
/// As JSON it is go-micro's registry record: the same keys in the same order. Reading is lenient,
/// because Go writes `null` for empty maps and lists: nulls and unknown keys are accepted.
///
/// ```
/// use micro_runtime::registry::ServiceRecord;
///
/// let json = r#"{"name":"greeter","version":"latest","metadata":null,"endpoints":null,
///     "nodes":[{"metadata":{"protocol":"mucp"},"id":"greeter-1","address":"10.0.0.5:34567"}]}"#;
/// let record: ServiceRecord = serde_json::from_str(json)?;
/// assert_eq!(record.nodes[0].metadata["protocol"], "mucp");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceRecord {
    /// The name clients call the service by: `greeter`.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    /// The version of the service: `latest` where nobody said.
    #[serde(default, deserialize_with = "lenient")]
    pub version: String,
    /// What describes all nodes of this version.
    #[serde(default, deserialize_with = "lenient", serialize_with = "null_where_empty")]
    pub metadata: Labels,
    /// What can be called.
    #[serde(default, deserialize_with = "lenient")]
    pub endpoints: Vec<EndpointRecord>,
    /// Where it can be called.
    #[serde(default, deserialize_with = "lenient")]
    pub nodes: Vec<Node>,
}

/// What a registry says about one method of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EndpointRecord {
    /// What the method takes.
    #[serde(default)]
    pub request: Option<ValueRecord>,
    /// What the method answers.
    #[serde(default)]
    pub response: Option<ValueRecord>,
    /// What else is known of it: see the constants of this type.
    #[serde(default, deserialize_with = "lenient")]
    pub metadata: Labels,
    /// `Greeter.Hello`: the last part of the contract's name and the method's name.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
}

impl EndpointRecord {
    /// The metadata key of the route: `/greeter.v1.Greeter/Hello`.
    pub const PATH: &'static str = "path";
    /// The metadata key that is `true` on a method that streams in either direction.
    pub const STREAM: &'static str = "stream";
    /// The metadata key that is `true` on a method that may be called twice for once.
    pub const IDEMPOTENT: &'static str = "idempotent";
    /// The metadata key that is `true` on a method that is marked as deprecated.
    pub const DEPRECATED: &'static str = "deprecated";
    /// The metadata key that is `true` on a method that is not called but given events.
    pub const SUBSCRIBER: &'static str = "subscriber";
    /// The metadata key of the topic whose events a subscriber is given.
    pub const TOPIC: &'static str = "topic";
}

/// The outline of a message, or of one field of it, at most three levels deep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ValueRecord {
    /// The name of the field; for a whole message the name of its type.
    #[serde(default, deserialize_with = "lenient")]
    pub name: String,
    /// The name of the type, without its package: `HelloRequest`, `string`, `[]Line`, `map`.
    #[serde(default, rename = "type", deserialize_with = "lenient")]
    pub kind: String,
    /// The fields.
    #[serde(default, deserialize_with = "lenient", serialize_with = "null_where_empty")]
    pub values: Vec<Self>,
}

/// One running instance of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Node {
    /// What describes this node: the protocols it speaks, its zone.
    #[serde(default, deserialize_with = "lenient")]
    pub metadata: Labels,
    /// The identity of the node, unique in the service: `greeter-6f9b…`.
    #[serde(default, deserialize_with = "lenient")]
    pub id: String,
    /// Where it listens: `10.0.0.5:34567`.
    #[serde(default, deserialize_with = "lenient")]
    pub address: String,
}

impl Node {
    /// A node with no metadata.
    pub fn new(id: impl Into<String>, address: impl Into<String>) -> Self {
        Self { id: id.into(), address: address.into(), metadata: Labels::new() }
    }
}

/// `null` is the default value.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Empty is written as `null` where Go's own records have it so.
fn null_where_empty<S, T>(items: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    T: Serialize,
    for<'a> &'a T: IntoIterator,
{
    if items.into_iter().next().is_none() { serializer.serialize_none() } else { items.serialize(serializer) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn labels() -> impl Strategy<Value = Labels> {
        btree_map(any::<String>(), any::<String>(), 0..3)
    }

    fn value() -> impl Strategy<Value = ValueRecord> {
        let leaf =
            any::<(String, String)>().prop_map(|(name, kind)| ValueRecord { name, kind, values: Vec::new() });
        leaf.prop_recursive(3, 12, 3, |inner| {
            (any::<(String, String)>(), vec(inner, 0..3)).prop_map(|((name, kind), values)| ValueRecord {
                name,
                kind,
                values,
            })
        })
    }

    fn endpoint() -> impl Strategy<Value = EndpointRecord> {
        (option::of(value()), option::of(value()), labels(), any::<String>()).prop_map(
            |(request, response, metadata, name)| EndpointRecord { request, response, metadata, name },
        )
    }

    fn node() -> impl Strategy<Value = Node> {
        (labels(), any::<(String, String)>()).prop_map(|(metadata, (id, address))| Node {
            metadata,
            id,
            address,
        })
    }

    proptest! {
        #[test]
        fn any_record_comes_back(
            (name, version) in any::<(String, String)>(),
            metadata in labels(),
            endpoints in vec(endpoint(), 0..3),
            nodes in vec(node(), 0..3),
        ) {
            let record = ServiceRecord { name, version, metadata, endpoints, nodes };
            let json = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(serde_json::from_str::<ServiceRecord>(&json).unwrap(), record);
        }

        #[test]
        fn a_record_that_is_damaged_is_another_one_or_an_error(
            flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            end in any::<prop::sample::Index>(),
        ) {
            let mut json = FROM_GO.as_bytes().to_vec();
            for (index, byte) in flips {
                *index.get_mut(&mut json) = byte;
            }
            json.truncate(end.index(json.len() + 1));
            if let Ok(record) = serde_json::from_slice::<ServiceRecord>(&json) {
                let again = serde_json::to_vec(&record).unwrap();
                prop_assert_eq!(serde_json::from_slice::<ServiceRecord>(&again).unwrap(), record);
            }
        }
    }

    const FROM_GO: &str = concat!(
        r#"{"name":"greeter","version":"latest","metadata":null,"#,
        r#""endpoints":[{"request":{"name":"Request","type":"Request","values":"#,
        r#"[{"name":"name","type":"string","values":null}]},"#,
        r#""response":{"name":"Response","type":"Response","values":"#,
        r#"[{"name":"msg","type":"string","values":null}]},"metadata":{},"name":"Say.Hello"}],"#,
        r#""nodes":[{"metadata":{"protocol":"mucp","server":"mucp"},"#,
        r#""id":"greeter-6f9b","address":"10.0.0.5:34567"}]}"#
    );

    #[test]
    fn a_record_of_go_micro_is_written_as_it_was_read() -> serde_json::Result<()> {
        let record: ServiceRecord = serde_json::from_str(FROM_GO)?;
        assert_eq!(record.endpoints[0].name, "Say.Hello");
        assert_eq!(record.endpoints[0].request.as_ref().map(|value| value.values.len()), Some(1));
        assert_eq!(serde_json::to_string(&record)?, FROM_GO);
        Ok(())
    }

    #[test]
    fn nulls_and_unknown_keys_are_accepted_everywhere() -> serde_json::Result<()> {
        let record: ServiceRecord = serde_json::from_str(
            r#"{"name":"a","version":null,"metadata":null,"endpoints":null,"nodes":[
                {"id":"1","address":null,"metadata":null,"new":[1,2]}],"later":{"x":1}}"#,
        )?;
        assert_eq!(record.nodes, [Node::new("1", "")]);
        let endpoint: EndpointRecord =
            serde_json::from_str(r#"{"name":null,"request":null,"response":null,"metadata":null}"#)?;
        assert_eq!(endpoint, EndpointRecord::default());
        Ok(())
    }
}
