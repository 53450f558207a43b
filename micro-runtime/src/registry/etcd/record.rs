//! Where a node is kept, and as what.

use crate::error::{Error, Result};
use crate::registry::{self, Registration};

/// What all keys begin with.
pub(super) const ALL: &str = "/micro/registry/";

/// The key of a node.
pub(super) fn key(service: &str, id: &str) -> String {
    format!("{}{}", prefix(service), part(id))
}

/// What the keys of a service's nodes begin with.
pub(super) fn prefix(service: &str) -> String {
    format!("{ALL}{}/", part(service))
}

/// The value of a node.
pub(super) fn encode(registration: &Registration) -> Result<Vec<u8>> {
    serde_json::to_vec(&registration.to_record())
        .map_err(|error| Error::internal("cannot write a record").with_source(error))
}

/// The nodes in a value. There is one in what go-micro and we write.
pub(super) fn decode(value: &[u8]) -> Result<Vec<Registration>> {
    let mut nodes = Registration::from_record(registry::record::read(value)?);
    nodes.retain(|node| !node.node.id.is_empty() && !node.node.address.is_empty());
    Ok(nodes)
}

/// Names of go-micro may have slashes, which would make one service seem to be part of another.
fn part(name: &str) -> String {
    name.replace('/', "-")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::registry::Node;

    #[test]
    fn a_node_has_the_key_and_the_record_of_go_micro() -> Result<()> {
        let mut node = Registration::new("go.greeter", Node::new("greeter-6f9b", "10.0.0.5:34567"));
        node.node.metadata.insert("protocol".into(), "mucp".into());
        assert_eq!(key(&node.service, &node.node.id), "/micro/registry/go.greeter/greeter-6f9b");
        assert_eq!(key("a/b", "c/d"), "/micro/registry/a-b/c-d");
        let due = concat!(
            r#"{"name":"go.greeter","version":"latest","metadata":null,"endpoints":[],"nodes":[{"metadata":"#,
            r#"{"protocol":"mucp"},"id":"greeter-6f9b","address":"10.0.0.5:34567"}]}"#
        );
        assert_eq!(String::from_utf8_lossy(&encode(&node)?), due);
        Ok(())
    }

    #[test]
    fn a_record_may_have_several_nodes_and_those_without_an_address_are_left_out() {
        let value =
            br#"{"name":"a","version":"1","nodes":[{"id":"1","address":"b:1"},{"id":"2","address":""},
            {"id":"3","address":"b:3"}]}"#;
        let ids: Vec<_> = decode(value).unwrap_or_default().into_iter().map(|node| node.node.id).collect();
        assert_eq!(ids, ["1", "3"]);
        assert!(decode(b"no record").is_err());
    }

    proptest! {
        #[test]
        fn any_value_is_nodes_or_an_error(value in vec(any::<u8>(), 0..200)) {
            let _ = decode(&value);
        }

        #[test]
        fn what_is_written_is_read(service: String, version: String, id in ".+", address in ".+") {
            let mut node = Registration::new(service, Node::new(id, address));
            node.version = version;
            prop_assert_eq!(decode(&encode(&node).unwrap()).unwrap(), [node]);
        }
    }
}
