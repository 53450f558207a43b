//! What subscribers say of themselves in the registry, and the names of the headers.

use std::num::NonZeroUsize;

use uuid::Uuid;

use super::super::{Guarantee, SubscribeOptions, check};
use crate::error::{Error, Result};
use crate::registry::{Node, Registration};

/// The name that all subscriptions have in the registry, as in go-micro.
pub(super) const SERVICE: &str = "micro.http.broker";

/// The version of a subscription without a group, as in go-micro. That of a member is the name of its group.
const BROADCAST: &str = "ff.http.broadcast";

/// Says that the request comes from a publisher that heeds the answer.
pub(super) const FROM_US: &str = "micro-broker";

/// How many attempts there were before, where there were any. In an answer: that it was one.
pub(super) const ATTEMPTS: &str = "micro-attempt";

/// How much of a topic is in the id of its subscriptions: so much that with what tells them apart it fits into a label of DNS, which has 63
/// bytes, for Go programs that look there.
const READABLE: usize = 26;

/// Keys of the metadata: go-micro's…
const TOPIC: &str = "topic";
const BROKER: &str = "broker";
const SECURE: &str = "secure";
/// …and ours, which it does not look at: that an answer is an acknowledgement, how often events are delivered, and
/// whether they are in order.
const ACKNOWLEDGES: &str = "micro-ack";
const GUARANTEE: &str = "guarantee";
const ORDERED: &str = "ordered";

/// What a registration says about a subscription.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Subscriber<'a> {
    pub(super) topic: &'a str,
    pub(super) group: Option<&'a str>,
    /// Its answer is an acknowledgement. That of a program of go-micro says that its handler has run.
    pub(super) acknowledges: bool,
    pub(super) guarantee: Guarantee,
    pub(super) ordered: bool,
    /// It wants TLS.
    pub(super) secure: bool,
}

impl<'a> Subscriber<'a> {
    /// `None` where the registration is none of a subscription.
    pub(super) fn read(registration: &'a Registration) -> Option<Self> {
        let label = |key| registration.node.metadata.get(key).map(String::as_str);
        if label(BROKER) != Some("http") {
            return None;
        }
        let guarantee = Guarantee::AtMostOnce.to_string();
        Some(Self {
            topic: label(TOPIC)?,
            group: Some(registration.version.as_str()).filter(|version| *version != BROADCAST),
            acknowledges: label(ACKNOWLEDGES) == Some("1"),
            guarantee: match label(GUARANTEE) {
                Some(said) if said == guarantee => Guarantee::AtMostOnce,
                _ => Guarantee::AtLeastOnce,
            },
            ordered: label(ORDERED) == Some("1"),
            secure: label(SECURE) == Some("true"),
        })
    }
}

/// What a subscription says in the registry. Its id is its own, also where there is another one of the topic in this
/// process: a registry has only one node of an id.
pub(super) fn registration(options: &SubscribeOptions, address: String) -> Result<Registration> {
    let SubscribeOptions { topic, group, guarantee, ordered, .. } = options;
    check::check_topic(topic)?;
    let version = match group.as_deref() {
        Some(BROADCAST) => {
            return Err(Error::invalid_argument(format!(
                "a group cannot be called `{BROADCAST}`: go-micro has the name for those without a group"
            )));
        }
        Some(group) => group,
        None => BROADCAST,
    };
    let readable = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let start: String = topic.chars().take(READABLE).map(readable).collect();
    let mut node = Node::new(format!("{start}-{}", Uuid::new_v4()), address);
    let mut say = |key: &str, value: &str| node.metadata.insert(key.to_owned(), value.to_owned());
    say(SECURE, "false");
    say(BROKER, "http");
    say(TOPIC, topic);
    say(ACKNOWLEDGES, "1");
    say(GUARANTEE, &guarantee.to_string());
    if *ordered {
        say(ORDERED, "1");
    }
    let mut registration = Registration::new(SERVICE, node);
    registration.version = version.to_owned();
    registration.check().map_err(|error| {
        let group = group.as_deref().unwrap_or_default();
        error.context(format!("the registry cannot hold a subscription to `{topic}` in the group `{group}`"))
    })?;
    Ok(registration)
}

/// The largest request for events with bodies up to this size: base64, headers all of which are escaped, and
/// what is around them.
pub(super) fn largest_request(largest_event: NonZeroUsize) -> usize {
    const HEADERS: usize = 512 << 10;
    (largest_event.get() / 3 + 1).saturating_mul(4).saturating_add(HEADERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_subscription_says_is_go_micros_and_is_understood() {
        let options = SubscribeOptions::new("greeted").group("audit").ordered();
        let said = registration(&options, "127.0.0.1:7000".into()).unwrap();
        assert_eq!((said.service.as_str(), said.version.as_str()), ("micro.http.broker", "audit"));
        assert!(said.node.id.starts_with("greeted-"), "{}", said.node.id);
        let theirs = ["secure", "broker", "topic"].map(|key| said.node.metadata[key].as_str());
        assert_eq!(theirs, ["false", "http", "greeted"]);
        let expected = Subscriber {
            topic: "greeted",
            group: Some("audit"),
            acknowledges: true,
            guarantee: Guarantee::AtLeastOnce,
            ordered: true,
            secure: false,
        };
        assert_eq!(Subscriber::read(&said), Some(expected));

        let all = SubscribeOptions::new("greeted").guarantee(Guarantee::AtMostOnce);
        let said = registration(&all, "127.0.0.1:7000".into()).unwrap();
        assert_eq!(said.version, "ff.http.broadcast");
        let read = Subscriber::read(&said).unwrap();
        assert_eq!((read.group, read.guarantee), (None, Guarantee::AtMostOnce));
    }

    #[test]
    fn a_program_of_go_micro_acknowledges_nothing_and_other_services_are_no_subscribers() {
        let mut theirs =
            Registration::new(SERVICE, Node::new("greeted-go.micro.http.broker-1", "127.0.0.1:1"));
        assert_eq!(Subscriber::read(&theirs), None);
        for (key, value) in [("secure", "true"), ("broker", "http"), ("topic", "greeted")] {
            theirs.node.metadata.insert(key.into(), value.into());
        }
        let read = Subscriber::read(&theirs).unwrap();
        assert!(!read.acknowledges && !read.ordered && read.secure);
        assert_eq!((read.topic, read.group), ("greeted", Some("latest")));
    }

    #[test]
    fn any_topic_is_in_the_registry_with_an_id_that_fits_everywhere() {
        let long = "x".repeat(255);
        for topic in ["greeted", "orders.v1.Placed", "Grüße an alle", &long] {
            let said = registration(&SubscribeOptions::new(topic), "127.0.0.1:1".into()).unwrap();
            assert_eq!(Subscriber::read(&said).unwrap().topic, topic);
            assert!(said.node.id.len() <= 63 && !said.node.id.contains('.'), "{}", said.node.id);
        }
        assert!(registration(&SubscribeOptions::new(""), "127.0.0.1:1".into()).is_err());
    }

    #[test]
    fn a_group_that_no_registry_could_hold_is_refused_with_the_reason() {
        let odd = SubscribeOptions::new("a").group("the group");
        let error = registration(&odd, "127.0.0.1:1".into()).unwrap_err();
        assert!(error.message().contains("`the group`"), "{error}");
        assert!(registration(&SubscribeOptions::new("a").group(BROADCAST), "127.0.0.1:1".into()).is_err());
    }
}
