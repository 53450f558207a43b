//! From the static descriptors of a contract to the records of a registry.

use super::{EndpointRecord, Labels, ValueRecord};
use crate::endpoint::{BodyDescriptor, MethodDescriptor, ServiceDescriptor, SubscriberDescriptor};
use crate::message::{Shape, ShapeKind};

/// How many levels of a message are described; deeper ones are left out. go-micro has the same.
const LEVELS: usize = 3;

impl From<&MethodDescriptor> for EndpointRecord {
    fn from(method: &MethodDescriptor) -> Self {
        let mut metadata = Labels::from([(Self::PATH.to_owned(), method.path.to_owned())]);
        let flags = [
            (Self::STREAM, !method.is_unary()),
            (Self::IDEMPOTENT, method.idempotent),
            (Self::DEPRECATED, method.deprecated),
        ];
        for (name, _) in flags.iter().filter(|(_, set)| *set) {
            metadata.insert((*name).to_owned(), "true".to_owned());
        }
        Self {
            name: method.endpoint(),
            request: Some(ValueRecord::from(&method.request)),
            response: Some(ValueRecord::from(&method.response)),
            metadata,
        }
    }
}

impl From<&SubscriberDescriptor> for EndpointRecord {
    fn from(subscriber: &SubscriberDescriptor) -> Self {
        let metadata = [(Self::TOPIC, subscriber.topic), (Self::SUBSCRIBER, "true")];
        Self {
            name: subscriber.method.endpoint(),
            request: Some(ValueRecord::from(&subscriber.method.request)),
            response: None,
            metadata: metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }
}

impl EndpointRecord {
    /// The records of all methods of a contract.
    pub fn of(contract: &ServiceDescriptor) -> Vec<Self> {
        contract.methods.iter().map(Self::from).collect()
    }
}

impl From<&BodyDescriptor> for ValueRecord {
    fn from(body: &BodyDescriptor) -> Self {
        value(type_name(body.shape), body.shape, 1)
    }
}

fn value(name: String, shape: &Shape, level: usize) -> ValueRecord {
    let values = match shape.kind {
        ShapeKind::Struct(fields) if level < LEVELS => {
            fields.iter().map(|field| value(field.name.to_owned(), (field.shape)(), level + 1)).collect()
        }
        ShapeKind::Optional(of) => return value(name, of(), level),
        _ => Vec::new(),
    };
    ValueRecord { name, kind: type_name(shape), values }
}

/// The name without its package, and with Go's brackets for lists.
fn type_name(shape: &Shape) -> String {
    match shape.kind {
        ShapeKind::List(of) => format!("[]{}", type_name(of())),
        ShapeKind::Map(_) => "map".to_owned(),
        ShapeKind::Optional(of) => type_name(of()),
        _ => shape.name.rsplit('.').next().unwrap_or(shape.name).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Field;
    use crate::{Message, Streaming};

    const STRING: &Shape = <String as Message>::SHAPE;
    const TREE: &Shape = &Shape {
        name: "trees.v1.Tree",
        doc: "",
        kind: ShapeKind::Struct(&[
            Field { name: "label", doc: "", shape: || STRING },
            Field { name: "left", doc: "", shape: || TREE },
            Field { name: "leaves", doc: "", shape: || <Vec<String> as Message>::SHAPE },
        ]),
    };

    #[test]
    fn an_endpoint_has_the_name_the_route_and_the_flags() {
        let method = MethodDescriptor::new::<String, Streaming<i64>>(
            "greeter.v1.Greeter",
            "Count",
            "/greeter.v1.Greeter/Count",
            "Counts.",
        );
        let record = EndpointRecord::from(&method.idempotent());
        assert_eq!(record.name, "Greeter.Count");
        assert_eq!(record.metadata["path"], "/greeter.v1.Greeter/Count");
        assert_eq!(record.metadata["stream"], "true");
        assert_eq!(record.metadata["idempotent"], "true");
        assert_eq!(record.metadata.get("deprecated"), None);
        assert_eq!(record.response.map(|value| value.kind).as_deref(), Some("int64"));
    }

    #[test]
    fn a_message_is_described_three_levels_deep_even_if_it_contains_itself() {
        let top = value(type_name(TREE), TREE, 1);
        assert_eq!((top.name.as_str(), top.kind.as_str()), ("Tree", "Tree"));
        assert_eq!(top.values[2].kind, "[]string");
        let third = &top.values[1].values[1];
        assert_eq!((third.name.as_str(), third.kind.as_str(), third.values.len()), ("left", "Tree", 0));
    }
}
