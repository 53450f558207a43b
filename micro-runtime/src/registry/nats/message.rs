//! What go-micro's registries say to each other over NATS.

use serde::{Deserialize, Serialize};

use crate::registry::ServiceRecord;

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

    /// Asks for one service.
    pub(super) fn get(name: &str) -> Self {
        Self::new(Action::Get, ServiceRecord { name: name.to_owned(), ..ServiceRecord::default() })
    }

    /// Asks for all of them.
    pub(super) fn list() -> Self {
        Self { service: None, action: Action::List }
    }
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

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(
            bytes in r#"\{"Service":(null|\{"name":"[a-z]{0,3}"(,"nodes":(null|\[\{\}\]))?\}|[0-9]),"Action":"[a-z]{0,6}"\}?|.{0,30}"#,
        ) {
            if let Ok(message) = serde_json::from_str::<Message>(&bytes) {
                prop_assert!(serde_json::to_string(&message).is_ok());
            }
        }
    }
}
