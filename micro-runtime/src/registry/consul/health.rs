//! From what Consul says about the health of a service's nodes to registrations.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::tags;
use crate::registry::{Node, Registration};

/// What is asked for the nodes of a service. Any server of Consul may answer, as go-micro has it: a leader is not needed.
pub(super) fn path(service: &str) -> String {
    format!("/v1/health/service/{}?stale", escaped(service))
}

pub(super) fn escaped(part: &str) -> String {
    utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()
}

/// What the agent knows a node by: one agent has an id once, whatever service it is of.
///
/// Ids that begin with the name of their service are as they are, which is how go-micro and we make them. For others the service
/// comes in, as a number, because Consul does not tell `A` from `a`.
pub(super) fn agent_id(service: &str, id: &str) -> String {
    match id.strip_prefix(service) {
        Some(rest) if rest.starts_with('-') => id.to_owned(),
        _ => format!("{}{id}", mark(service, id)),
    }
}

/// The node's own id.
fn node_id<'a>(service: &str, agent_id: &'a str) -> &'a str {
    match agent_id.split_once(':') {
        Some((number, id)) if mark(service, id).strip_suffix(':') == Some(number) => id,
        _ => agent_id,
    }
}

fn mark(service: &str, id: &str) -> String {
    // The same in every version and on every machine: FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/.
    let bytes = service.bytes().chain([b'/']).chain(id.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}:")
}

/// What Consul says of a service: what can be read of it. Consul has whatever somebody registered, and one odd node is not to take
/// the others with it.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) readable: Vec<Entry>,
    /// Why one of those that were left out cannot be read.
    pub(super) odd: Option<String>,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneByOne;

        impl<'de> Visitor<'de> for OneByOne {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of nodes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Entries, A::Error> {
                let mut entries = Entries::default();
                while let Some(json) = all.next_element::<serde_json::Value>()? {
                    match Entry::deserialize(json) {
                        Ok(entry) => entries.readable.push(entry),
                        Err(error) => entries.odd = Some(error.to_string()),
                    }
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_seq(OneByOne)
    }
}

/// One node, with its checks.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Entry {
    #[serde(deserialize_with = "lenient")]
    node: Machine,
    #[serde(deserialize_with = "lenient")]
    service: Instance,
    #[serde(deserialize_with = "lenient")]
    checks: Vec<Check>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Machine {
    #[serde(deserialize_with = "lenient")]
    address: String,
}

/// What an agent has of a node. Alone, it is the answer to the question for one node.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Instance {
    #[serde(rename = "ID", deserialize_with = "lenient")]
    id: String,
    #[serde(deserialize_with = "lenient")]
    service: String,
    #[serde(deserialize_with = "lenient")]
    address: String,
    #[serde(deserialize_with = "lenient")]
    port: i64,
    #[serde(deserialize_with = "lenient")]
    tags: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    create_index: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Check {
    #[serde(deserialize_with = "lenient")]
    status: String,
}

impl Instance {
    /// Where it is, on this machine.
    pub(super) fn address(&self, machine: &str) -> String {
        let host = if self.address.is_empty() { machine } else { &self.address };
        match self.port {
            // A Unix socket, or an address that is none of TCP.
            0 => host.to_owned(),
            port if host.contains(':') => format!("[{host}]:{port}"),
            port => format!("{host}:{port}"),
        }
    }

    fn registration(self, service: &str, machine: &str) -> Registration {
        let address = self.address(machine);
        let said = tags::decode(self.tags.iter().map(String::as_str));
        Registration {
            service: service.to_owned(),
            version: said.version,
            metadata: said.service_metadata,
            endpoints: said.endpoints,
            node: Node { id: node_id(service, &self.id).to_owned(), address, metadata: said.metadata },
        }
    }
}

/// The host and the port of an address; a Unix socket has no port.
pub(super) fn split(address: &str) -> (&str, u16) {
    match address.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) if !host.is_empty() => {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            (bare.unwrap_or(host), port)
        }
        _ => (address, 0),
    }
}

/// The nodes that are not known to be ill, sorted by their ids. As in go-micro, a check in state `warning` does no harm.
pub(super) fn nodes(service: &str, entries: Vec<Entry>) -> Vec<Arc<Registration>> {
    let mut nodes: BTreeMap<String, (u64, Registration)> = BTreeMap::new();
    for Entry { node, service: instance, checks } in entries {
        // Consul does not tell names apart that differ in case only.
        let is_port = u16::try_from(instance.port).is_ok();
        if !is_port || instance.service != service || checks.iter().any(|check| check.status == "critical") {
            continue;
        }
        let created = instance.create_index;
        let registration = instance.registration(service, &node.address);
        if registration.node.id.is_empty() || registration.node.address.is_empty() {
            continue;
        }
        // With two agents a node may be there twice, at its former address and at the one it came back at.
        let known =
            nodes.entry(registration.node.id.clone()).or_insert_with(|| (created, registration.clone()));
        if known.0 < created {
            *known = (created, registration);
        }
    }
    nodes.into_values().map(|(_, node)| Arc::new(node)).collect()
}

/// `null` is the default value.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(json: &str) -> Vec<String> {
        let entries: Entries = serde_json::from_str(json).unwrap();
        let text = |node: &Arc<Registration>| format!("{} at {}", node.node.id, node.node.address);
        nodes("greeter", entries.readable).iter().map(text).collect()
    }

    #[test]
    fn a_node_with_a_check_that_is_critical_is_left_out_and_one_with_a_warning_is_not() {
        let json = r#"[
            {"Node":{"Address":"10.0.0.1"},"Service":{"ID":"greeter-1","Service":"greeter","Address":"10.0.0.5","Port":80,"Tags":null},
             "Checks":[{"Status":"passing"},{"Status":"warning"}]},
            {"Node":{"Address":"10.0.0.1"},"Service":{"ID":"greeter-2","Service":"greeter","Address":"","Port":81,"Tags":[]},"Checks":null},
            {"Node":{"Address":"10.0.0.1"},"Service":{"ID":"greeter-3","Service":"greeter","Address":"::1","Port":82}},
            {"Node":null,"Service":{"ID":"greeter-4","Service":"greeter","Address":"unix:/run/x","Port":0}},
            {"Node":{},"Service":{"ID":"greeter-5","Service":"greeter","Address":"a","Port":1},"Checks":[{"Status":"critical"}]},
            {"Node":{},"Service":{"ID":"greeter-6","Service":"Greeter","Address":"a","Port":1}}
        ]"#;
        let due = [
            "greeter-1 at 10.0.0.5:80",
            "greeter-2 at 10.0.0.1:81",
            "greeter-3 at [::1]:82",
            "greeter-4 at unix:/run/x",
        ];
        assert_eq!(of(json), due);
    }

    #[test]
    fn an_odd_node_is_left_out_and_takes_no_other_with_it() {
        let odd = [
            r#"{"Service":{"ID":"greeter-2","Service":"greeter","Address":"a","Port":-1}}"#,
            r#"{"Service":{"ID":"greeter-2","Service":"greeter","Address":"a","Port":70000}}"#,
            r#"{"Service":{"ID":"greeter-2","Service":"greeter","Address":"a","Port":"http"}}"#,
            r#"{"Service":{"ID":7}}"#,
            "null",
            "[]",
            "7",
        ];
        let fine = r#"{"Service":{"ID":"greeter-1","Service":"greeter","Address":"a","Port":1}}"#;
        assert_eq!(of(&format!("[{},{fine}]", odd.join(","))), ["greeter-1 at a:1"]);
    }

    #[test]
    fn of_a_node_that_is_there_twice_the_newer_one_counts() {
        let entry = |address: &str, index: u64| {
            format!(
                r#"{{"Service":{{"ID":"greeter-1","Service":"greeter","Address":"{address}","Port":1,"CreateIndex":{index}}}}}"#
            )
        };
        let (old, new) = (entry("a", 7), entry("b", 8));
        assert_eq!(of(&format!("[{old},{new}]")), ["greeter-1 at b:1"]);
        assert_eq!(of(&format!("[{new},{old}]")), ["greeter-1 at b:1"]);
    }

    #[test]
    fn ids_that_name_their_service_are_go_micros_and_others_are_told_apart() {
        assert_eq!(agent_id("greeter", "greeter-6f9b"), "greeter-6f9b");
        assert_eq!(agent_id("greeter", "1"), agent_id("greeter", "1"));
        assert_ne!(agent_id("greeter", "1").to_lowercase(), agent_id("Greeter", "1").to_lowercase());
        assert_ne!(agent_id("a", "1"), agent_id("b", "1"));
    }

    proptest! {
        #[test]
        fn an_id_comes_back(service: String, id: String) {
            let known_as = agent_id(&service, &id);
            prop_assert_eq!(node_id(&service, &known_as), &id);
        }

        #[test]
        fn an_address_comes_back(host in "[a-z0-9.]{1,10}|\\[[0-9a-f]{1,4}:[0-9a-f:]{1,8}\\]", port in 1..u16::MAX) {
            let address = format!("{host}:{port}");
            let (host, port) = split(&address);
            let instance = Instance { address: host.to_owned(), port: port.into(), ..Instance::default() };
            prop_assert_eq!(instance.address(""), address);
        }

        #[test]
        fn any_address_is_split_without_harm(address: String) {
            split(&address);
        }

        #[test]
        fn any_answer_is_nodes_or_an_error(json: String) {
            if let Ok(entries) = serde_json::from_str::<Entries>(&json) {
                nodes("greeter", entries.readable);
            }
        }
    }
}
