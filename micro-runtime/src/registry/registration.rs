use super::{EndpointRecord, Labels, Node, ServiceRecord, ValueRecord};
use crate::error::{Error, Result};
use crate::transport::is_path;

/// The longest name of a service, version or node that every driver takes, in bytes.
const LONGEST_NAME: usize = 200;

/// How much copies of endpoints and metadata for the nodes of one record may take, in bytes, about.
const LARGEST_COPIES: usize = 32 << 20;

/// What a part of a record takes beside its text, about.
const PART: usize = 200;

/// What a registry keeps: one node, and the service and version it runs.
///
/// ```
/// use micro_runtime::registry::{Node, Registration};
///
/// let mut registration = Registration::new("greeter", Node::new("greeter-1", "127.0.0.1:7000"));
/// registration.version = "1.4.0".into();
/// registration.node.metadata.insert("zone".into(), "a".into());
/// registration.check()?;
/// # Ok::<(), micro_runtime::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registration {
    /// The name clients call the service by.
    pub service: String,
    /// The version that this node runs.
    pub version: String,
    /// What describes the service.
    pub metadata: Labels,
    /// What can be called. For people and tools: calls do not need it, and a driver with little
    /// room may keep less of it.
    pub endpoints: Vec<EndpointRecord>,
    /// The node.
    pub node: Node,
}

impl Registration {
    /// A node of version `latest`, which is go-micro's default.
    pub fn new(service: impl Into<String>, node: Node) -> Self {
        Self { service: service.into(), version: "latest".to_owned(), node, ..Self::default() }
    }

    /// Whether every driver can keep this. Drivers check before they write.
    ///
    /// The name of the service, the version and the node's id are 1 to 200 ASCII letters, digits,
    /// `.`, `_` and `-`, and a version may have `+` too; the address is not empty and has no
    /// spaces. Anything else is `invalid_argument`, and says which one it is.
    pub fn check(&self) -> Result<()> {
        name("the name of the service", &self.service, "")?;
        name("the version", &self.version, "+")?;
        name("the id of the node", &self.node.id, "")?;
        let address = &self.node.address;
        let has_slash = address.contains('/') && !is_path(address);
        if address.is_empty() || has_slash || address.chars().any(char::is_whitespace) {
            return Err(Error::invalid_argument(format!(
                "the address of node `{}` is `{address}`: give it as `host:port`, without `http://`, or as `unix:/path` \
                 without spaces",
                self.node.id
            )));
        }
        Ok(())
    }

    /// The record with this one node.
    pub fn to_record(&self) -> ServiceRecord {
        ServiceRecord {
            name: self.service.clone(),
            version: self.version.clone(),
            metadata: self.metadata.clone(),
            endpoints: self.endpoints.clone(),
            nodes: vec![self.node.clone()],
        }
    }

    /// One registration per node of a record. Where copies of the endpoints and metadata for each node would take much
    /// memory, only the first nodes have them.
    pub fn from_record(record: ServiceRecord) -> Vec<Self> {
        let ServiceRecord { name, version, metadata, endpoints, nodes } = record;
        let text = metadata.iter().map(|(key, value)| key.len() + value.len() + PART).sum();
        let size = endpoints.iter().map(EndpointRecord::size).fold(text, usize::saturating_add);
        let mut left = LARGEST_COPIES.max(size);
        let of = |node| {
            let has_all = size <= left;
            left = left.saturating_sub(size);
            Self {
                service: name.clone(),
                version: version.clone(),
                metadata: if has_all { metadata.clone() } else { Labels::new() },
                endpoints: if has_all { endpoints.clone() } else { Vec::new() },
                node,
            }
        };
        nodes.into_iter().map(of).collect()
    }
}

impl ServiceRecord {
    /// Groups registrations by name and version, sorted; nodes keep their order. The metadata and
    /// endpoints of a version are those of the first node that has any.
    pub fn group<'a>(registrations: impl IntoIterator<Item = &'a Registration>) -> Vec<Self> {
        let mut records: Vec<Self> = Vec::new();
        for registration in registrations {
            let same = |record: &&mut Self| {
                record.name == registration.service && record.version == registration.version
            };
            match records.iter_mut().find(same) {
                Some(record) => {
                    if record.endpoints.is_empty() {
                        record.endpoints.clone_from(&registration.endpoints);
                    }
                    if record.metadata.is_empty() {
                        record.metadata.clone_from(&registration.metadata);
                    }
                    record.nodes.push(registration.node.clone());
                }
                None => records.push(registration.to_record()),
            }
        }
        records.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        records
    }
}

impl EndpointRecord {
    /// What it takes in memory, about.
    pub(super) fn size(&self) -> usize {
        let labels = self.metadata.iter().map(|(key, value)| PART + key.len() + value.len());
        let values = self.request.iter().chain(&self.response).map(ValueRecord::size);
        PART + self.name.len() + labels.chain(values).sum::<usize>()
    }
}

impl ValueRecord {
    fn size(&self) -> usize {
        PART + self.name.len() + self.kind.len() + self.values.iter().map(Self::size).sum::<usize>()
    }
}

fn name(what: &str, name: &str, also: &str) -> Result<()> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') || also.contains(c);
    let reason = if name.is_empty() {
        "it is empty".to_owned()
    } else if name.len() > LONGEST_NAME {
        format!("it is {} bytes long and {LONGEST_NAME} is the limit", name.len())
    } else if let Some(odd) = name.chars().find(|c| !known(*c)) {
        format!("`{}` is not allowed: use ASCII letters, digits, `.`, `_` and `-`", odd.escape_debug())
    } else {
        return Ok(());
    };
    Err(Error::invalid_argument(format!("{what} `{}` cannot be registered: {reason}", name.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_driver_could_not_keep_are_refused_with_the_reason() {
        let of = |service: &str| Registration::new(service, Node::new("a-1", "127.0.0.1:1")).check();
        for fine in ["greeter", "go.micro.srv.Greeter", "a", &"x".repeat(LONGEST_NAME)] {
            assert!(of(fine).is_ok(), "{fine}");
        }
        for (odd, reason) in
            [("", "empty"), ("grüße", "`ü`"), ("a b", "` `"), ("a/b", "`/`"), (&"x".repeat(201), "200")]
        {
            let error = of(odd).expect_err("refused");
            assert!(error.message().contains(reason), "{error}");
        }
        assert!(Registration::new("a", Node::new("a-1", "")).check().is_err());
    }

    #[test]
    fn nodes_are_grouped_by_name_and_version() {
        let mut second = Registration::new("b", Node::new("b-2", "127.0.0.1:2"));
        second.endpoints.push(EndpointRecord::default());
        let all = [
            Registration::new("b", Node::new("b-1", "127.0.0.1:1")),
            Registration::new("a", Node::new("a-1", "127.0.0.1:3")),
            second,
        ];
        let records = ServiceRecord::group(&all);
        let seen: Vec<_> =
            records.iter().map(|r| (r.name.as_str(), r.nodes.len(), r.endpoints.len())).collect();
        assert_eq!(seen, [("a", 1, 0), ("b", 2, 1)]);
        assert_eq!(Registration::from_record(records[1].clone()).len(), 2);
    }

    #[test]
    fn many_nodes_with_many_endpoints_do_not_take_memory_for_each_of_all() {
        let mut record = Registration::new("a", Node::default()).to_record();
        record.endpoints = vec![EndpointRecord::default(); 1000];
        record.nodes = vec![Node::new("a-1", "b:1"); 4096];
        let nodes = Registration::from_record(record.clone());
        assert_eq!(nodes.len(), 4096);
        assert_eq!(ServiceRecord::group(&nodes)[0].endpoints.len(), 1000);
        assert!(nodes.iter().map(|node| node.endpoints.len()).sum::<usize>() * PART <= LARGEST_COPIES);
        record.nodes.truncate(20);
        assert!(Registration::from_record(record).iter().all(|node| node.endpoints.len() == 1000));
    }
}
