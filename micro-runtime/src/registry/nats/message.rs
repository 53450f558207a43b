//! What go-micro's registries say to each other over NATS.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::registry::{ServiceRecord, record};

/// Where questions are asked; answers go to the reply subject of each.
pub(super) const QUERY: &str = "micro.nats.query";

/// Where nodes say that they came, are still there, or go.
pub(super) const WATCH: &str = "micro.nats.watch";

/// What is asked or said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    /// Who runs this service?
    Get,
    /// Which services are there?
    List,
    /// These nodes are there.
    Create,
    /// The content of these nodes changed. go-micro has the action in its interface.
    Update,
    /// These nodes are gone.
    Delete,
    /// What a later version may say.
    #[serde(other)]
    Unknown,
}

/// A question, or an event. The keys are capitalised, those of the record are not.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Message {
    /// What it is about. go-micro's programs crash when it is missing in anything but a list.
    #[serde(rename = "Service", default)]
    pub(super) service: Option<ServiceRecord>,
    #[serde(rename = "Action")]
    pub(super) action: Action,
}

impl Message {
    pub(super) fn new(action: Action, service: ServiceRecord) -> Self {
        Self { service: Some(service), action }
    }

    /// What a peer said, where it has not too much of anything.
    pub(super) fn read(json: &[u8]) -> Result<Self> {
        let Self { service, action } = record::parse(json)?;
        Ok(Self { service: service.map(record::bounded).transpose()?, action })
    }

    /// Asks for one service.
    pub(super) fn get(name: &str) -> Self {
        Self::new(Action::Get, ServiceRecord { name: name.to_owned(), ..ServiceRecord::default() })
    }

    /// Asks for all of them.
    pub(super) fn list() -> Self {
        Self { service: None, action: Action::List }
    }
}

/// What a peer answered, where it has not too much of anything.
pub(super) fn read_answer(json: &[u8]) -> Result<Option<ServiceRecord>> {
    record::parse::<Option<ServiceRecord>>(json)?.map(record::bounded).transpose()
}

/// The longest name or version, and the largest metadata of a node, that is kept, in bytes.
const LONGEST: usize = 1024;
const LARGEST: usize = 16 * 1024;

/// The most that endpoints may take, for all nodes of a record together. Each node keeps them, and a message may have
/// thousands of nodes.
const MOST: usize = 4 * 1024 * 1024;

/// What is kept of a record that came in a message of this size: a peer should not make us hold more than it sends.
pub(super) fn kept(mut record: ServiceRecord, size: usize) -> Option<ServiceRecord> {
    if record.name.len() > LONGEST || record.version.len() > LONGEST {
        return None;
    }
    record.nodes.retain(|node| {
        let metadata = node.metadata.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        node.id.len() <= LONGEST && node.address.len() <= LONGEST && metadata <= LARGEST
    });
    if size.saturating_mul(record.nodes.len()) > MOST {
        record.endpoints.clear();
        record.metadata.clear();
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::{Node, Registration};

    #[test]
    fn messages_are_written_as_go_micro_writes_them() -> serde_json::Result<()> {
        let json = serde_json::to_string(&Message::get("greeter"))?;
        assert!(json.starts_with(r#"{"Service":{"name":"greeter","version":"","metadata":null,"#), "{json}");
        assert!(json.ends_with(r#"},"Action":"get"}"#), "{json}");
        assert_eq!(serde_json::to_string(&Message::list())?, r#"{"Service":null,"Action":"list"}"#);

        let record = Registration::new("greeter", Node::new("greeter-1", "10.0.0.5:7000")).to_record();
        let json = serde_json::to_string(&Message::new(Action::Create, record.clone()))?;
        let back: Message = serde_json::from_str(&json)?;
        assert_eq!((back.action, back.service), (Action::Create, Some(record)));
        Ok(())
    }

    #[test]
    fn what_a_go_program_may_send_is_read() -> serde_json::Result<()> {
        let message: Message = serde_json::from_str(
            r#"{"Service":{"name":"a","version":"1","metadata":null,"endpoints":null,"nodes":null},"Action":"reload","New":1}"#,
        )?;
        assert_eq!(message.action, Action::Unknown);
        let message: Message = serde_json::from_str(r#"{"Service":null,"Action":"get"}"#)?;
        assert!(message.service.is_none());
        Ok(())
    }

    #[test]
    fn what_has_more_than_any_program_is_not_read() {
        let record = |endpoints: usize| {
            let endpoints = vec!["{}"; endpoints].join(",");
            format!(r#"{{"name":"a","endpoints":[{endpoints}]}}"#)
        };
        let message = |endpoints| format!(r#"{{"Service":{},"Action":"create"}}"#, record(endpoints));
        assert!(Message::read(message(1000).as_bytes()).is_ok());
        assert!(read_answer(record(1000).as_bytes()).is_ok());
        for endpoints in [1001, 300_000] {
            assert!(Message::read(message(endpoints).as_bytes()).is_err());
            assert!(read_answer(record(endpoints).as_bytes()).is_err());
        }
        assert!(read_answer(b"null").is_ok_and(|answer| answer.is_none()));
    }

    #[test]
    fn a_message_that_would_become_much_more_is_cut() {
        let mut record = Registration::new("greeter", Node::new("greeter-1", "10.0.0.5:7000")).to_record();
        record.endpoints.push(crate::registry::EndpointRecord::default());
        assert_eq!(kept(record.clone(), 1000), Some(record.clone()));
        record.nodes = vec![record.nodes[0].clone(); 5000];
        let cut = kept(record.clone(), 1 << 20).unwrap();
        assert_eq!((cut.nodes.len(), cut.endpoints.len()), (5000, 0));
        record.nodes[0].metadata.insert("large".into(), "x".repeat(LARGEST));
        assert_eq!(kept(record.clone(), 1000).unwrap().nodes.len(), 4999);
        record.version = "x".repeat(LONGEST + 1);
        assert!(kept(record, 1000).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(
            bytes in r#"\{"Service":(null|\{"name":"[a-z]{0,3}"(,"nodes":(null|\[\{\}\]))?\}|[0-9]),"Action":"[a-z]{0,6}"\}?|.{0,30}"#,
        ) {
            if let Ok(message) = Message::read(bytes.as_bytes()) {
                prop_assert!(serde_json::to_string(&message).is_ok());
            }
        }
    }
}
