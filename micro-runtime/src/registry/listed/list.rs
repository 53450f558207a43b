//! What a list of nodes says, and the two ways to write it down: JSON and one line.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, Result};
use crate::registry::{Node, Registration, ServiceRecord, address};

/// The most nodes that a list may have, of all services together.
const MOST_NODES: usize = 100_000;

/// The nodes of every service that is listed, and the services and ids of all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List(BTreeMap<String, Vec<Arc<Registration>>>, HashSet<(String, String)>);

impl List {
    /// The nodes of a service; none where it is not listed.
    pub(super) fn nodes(&self, service: &str) -> &[Arc<Registration>] {
        self.0.get(service).map_or(&[], Vec::as_slice)
    }

    pub(super) fn services(&self) -> Vec<ServiceRecord> {
        ServiceRecord::group(self.0.values().flatten().map(|node| &**node))
    }

    /// Adds a node. One without an id is known by its address.
    fn add(&mut self, mut node: Registration) -> Result<(), String> {
        if let Some(fault) = address::fault(&node.node.address) {
            return Err(fault);
        }
        if node.service.is_empty() {
            return Err(format!("the node at `{}` is of no service: its name is empty", node.node.address));
        }
        if node.node.id.is_empty() {
            node.node.id.clone_from(&node.node.address);
        }
        if self.1.len() >= MOST_NODES {
            return Err(format!("there are more than {MOST_NODES} nodes"));
        }
        let nodes = self.0.entry(node.service.clone()).or_default();
        if !self.1.insert((node.service.clone(), node.node.id.clone()))
            && let Some(same) = nodes.iter().find(|known| known.node.id == node.node.id)
        {
            return Err(format!(
                "`{}` has two nodes with the id `{}`, at `{}` and `{}`: one id is one node",
                node.service, node.node.id, same.node.address, node.node.address
            ));
        }
        nodes.push(Arc::new(node));
        Ok(())
    }

    fn add_record(&mut self, record: ServiceRecord) -> Result<(), String> {
        // A version without nodes is nobody who could be called, and still a service people look for.
        self.0.entry(record.name.clone()).or_default();
        Registration::from_record(record).into_iter().try_for_each(|node| self.add(node))
    }

    /// Services with the addresses of their nodes.
    pub(super) fn of(services: impl IntoIterator<Item = (String, Vec<String>)>) -> Result<Self, String> {
        let mut list = Self::default();
        for (service, addresses) in services {
            list.0.entry(service.clone()).or_default();
            for address in addresses {
                list.add(Registration::new(service.clone(), Node::new("", address)))?;
            }
        }
        Ok(list)
    }

    /// Records as registries have them.
    pub(super) fn of_records(records: impl IntoIterator<Item = ServiceRecord>) -> Result<Self, String> {
        let mut list = Self::default();
        records.into_iter().try_for_each(|record| list.add_record(record))?;
        Ok(list)
    }

    /// `greeter=host:port,host:port;other=host:port`.
    pub(super) fn from_line(line: &str) -> Result<Self, String> {
        let mut services = Vec::new();
        for part in line.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((service, addresses)) = part.split_once('=') else {
                return Err(format!(
                    "`{}` has no `=`: write `service=host:port,host:port;other=host:port`",
                    part.escape_debug()
                ));
            };
            let addresses = addresses.split(',').map(str::trim).filter(|address| !address.is_empty());
            services.push((service.trim().to_owned(), addresses.map(str::to_owned).collect()));
        }
        Self::of(services)
    }

    /// One record of a service, a list of them, or the short form `{"greeter": ["host:port", …]}`.
    pub(super) fn from_json(json: &[u8]) -> Result<Self> {
        // With the path to what is wrong, beside its line and column.
        let mut reader = serde_json::Deserializer::from_slice(json);
        let list = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let at = if path == "." { String::new() } else { format!(" (at `{path}`)") };
            Error::invalid_argument(format!("{}{at}", error.inner()))
        })?;
        reader.end().map_err(|error| Error::invalid_argument(error.to_string()))?;
        Ok(list)
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = List;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a list of service records, or services with their addresses: {\"greeter\": [\"host:port\"]}",
        )
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<List, A::Error> {
        let mut list = List::default();
        while let Some(record) = records.next_element::<ServiceRecord>()? {
            list.add_record(record).map_err(de::Error::custom)?;
        }
        Ok(list)
    }

    /// The short form; or a single record, which is known by its first key with a text for a value.
    fn visit_map<A: MapAccess<'de>>(self, mut services: A) -> Result<List, A::Error> {
        let mut list = List::default();
        while let Some(service) = services.next_key::<String>()? {
            match services.next_value()? {
                Entry::Nodes(nodes) => {
                    list.0.entry(service.clone()).or_default();
                    for node in nodes {
                        list.add(Registration::new(service.clone(), node)).map_err(de::Error::custom)?;
                    }
                }
                Entry::Text(name) if service == "name" && list.0.is_empty() => {
                    let rest = ServiceRecord::deserialize(MapAccessDeserializer::new(services))?;
                    list.add_record(ServiceRecord { name, ..rest }).map_err(de::Error::custom)?;
                    return Ok(list);
                }
                Entry::Text(_) => {
                    return Err(de::Error::custom(format_args!(
                        "`{}` has a text for a value: a service has a list of addresses, `[\"host:port\"]`, and a \
                         record begins with its `name`",
                        service.escape_debug()
                    )));
                }
            }
        }
        Ok(list)
    }
}

/// The value of a key at the top.
enum Entry {
    Nodes(Vec<Node>),
    Text(String),
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of addresses: [\"host:port\"]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut nodes: A) -> Result<Entry, A::Error> {
                let mut all = Vec::new();
                while let Some(NodeEntry(node)) = nodes.next_element()? {
                    all.push(node);
                }
                Ok(Entry::Nodes(all))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Entry, E> {
                Ok(Entry::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(EntryVisitor)
    }
}

/// A node: its address, or all of it.
struct NodeEntry(Node);

impl<'de> Deserialize<'de> for NodeEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;
        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = NodeEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an address, \"host:port\", or a node, {\"address\": \"host:port\", \"metadata\": {…}}",
                )
            }

            fn visit_str<E: de::Error>(self, address: &str) -> Result<NodeEntry, E> {
                match address::fault(address) {
                    Some(fault) => Err(E::custom(fault)),
                    None => Ok(NodeEntry(Node::new(address, address))),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, node: A) -> Result<NodeEntry, A::Error> {
                Node::deserialize(MapAccessDeserializer::new(node)).map(NodeEntry)
            }
        }
        deserializer.deserialize_any(NodeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addresses(list: &List, service: &str) -> Vec<String> {
        list.nodes(service).iter().map(|node| node.node.address.clone()).collect()
    }

    #[test]
    fn the_short_form_the_record_and_the_list_of_records_say_the_same() -> Result<()> {
        let short = List::from_json(br#"{"greeter": ["10.0.0.1:80", "10.0.0.2:80"], "idle": []}"#)?;
        assert_eq!(addresses(&short, "greeter"), ["10.0.0.1:80", "10.0.0.2:80"]);
        assert_eq!(short.nodes("greeter")[0].node.id, "10.0.0.1:80");
        let nodes =
            r#""nodes":[{"id":"a","address":"10.0.0.1:80"},{"address":"10.0.0.2:80","metadata":null}]"#;
        for json in [
            format!(r#"{{"name":"greeter","version":"1","metadata":null,"endpoints":null,{nodes}}}"#),
            format!(r#"[{{"name":"greeter","version":"1",{nodes}}}]"#),
        ] {
            let list = List::from_json(json.as_bytes())?;
            assert_eq!(addresses(&list, "greeter"), addresses(&short, "greeter"), "{json}");
            assert_eq!(list.nodes("greeter")[0].version, "1");
            assert_eq!(list.nodes("greeter")[0].node.id, "a");
        }
        let zoned = List::from_json(br#"{"a": [{"address": "h:1", "metadata": {"zone": "z"}}]}"#)?;
        assert_eq!(zoned.nodes("a")[0].node.metadata["zone"], "z");
        assert_eq!(zoned.nodes("a")[0].version, "latest");
        Ok(())
    }

    #[test]
    fn one_line_is_enough_for_a_variable() {
        let list = List::from_line("greeter=a:1, b:2 ; other=[::1]:3;").unwrap();
        assert_eq!(addresses(&list, "greeter"), ["a:1", "b:2"]);
        assert_eq!(addresses(&list, "other"), ["[::1]:3"]);
        assert!(List::from_line("greeter").unwrap_err().contains("no `=`"));
        assert!(List::from_line("greeter=a").unwrap_err().contains("port is missing"));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_line_and_column() {
        for (json, wanted) in [
            ("{\"greeter\": [\"10.0.0.1:80\",\n  \"10.0.0.2\"]}", "`10.0.0.2` is no address of a node"),
            ("{\"greeter\": [\n\"a:1\" \"b:1\"]}", "line 2"),
            ("{\"greeter\": 7}", "a list of addresses"),
            ("{\"greeter\": \"a:1\"}", "a list of addresses"),
            ("{\"greeter\": [\"a:1\", \"a:1\"]}", "two nodes with the id `a:1`"),
            ("[{\"name\":\"\",\"nodes\":[{\"address\":\"a:1\"}]}]", "its name is empty"),
            ("{} {}", "trailing"),
            ("", "EOF"),
        ] {
            let error = List::from_json(json.as_bytes()).expect_err("refused");
            assert!(error.message().contains(wanted), "{json}: {error}");
            assert!(error.message().contains("line "), "{json}: {error}");
        }
        let error = List::from_json(b"{\"greeter\": [\"a:1\",\n  \"10.0.0.2\"]}").expect_err("refused");
        assert!(error.message().contains("line 2") && error.message().contains("greeter[1]"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_an_error(
            text in r#"[\[\]{}":,a-z0-9 ]{0,40}|\{"a":\[("[a-z0-9:.\[\]]{0,12}",?){0,4}\]\}|.{0,20}"#,
        ) {
            if let Ok(list) = List::from_json(text.as_bytes()) {
                let nodes = list.0.values().flatten();
                prop_assert!(nodes.clone().all(|node| address::fault(&node.node.address).is_none()));
                prop_assert!(nodes.count() <= text.len());
            }
            let _ = List::from_line(&text);
        }
    }
}
