use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The key of a node's metadata under which it lists the protocols it speaks.
pub(crate) const PROTOCOLS: &str = "protocols";

/// The key under which go-micro says what a node speaks, `mucp` or `grpc`.
const GO_MICRO: &str = "protocol";

/// A protocol that calls can be made in.
///
/// A server speaks all of them on its one port. A client takes the first of [`Protocol::ALL`] that
/// the node's registry record lists, and Connect where there is no record, unless it is told
/// ([`ClientBuilder::protocol`](crate::client::ClientBuilder::protocol), `MICRO_PROTOCOL`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// The native wire, which nodes of ours speak among themselves: `docs/wire.md`.
    Native,
    /// Connect: <https://connectrpc.com/docs/protocol/>.
    Connect,
    /// gRPC: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>. Needs HTTP/2.
    Grpc,
    /// gRPC-Web: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>.
    GrpcWeb,
    /// The same with all bodies in base64, for where nothing else gets through.
    GrpcWebText,
    /// go-micro's own RPC, one message each way, over HTTP/1.1.
    Mucp,
}

impl Protocol {
    /// All of them, the preferred one first.
    pub const ALL: [Self; 6] =
        [Self::Native, Self::Connect, Self::Grpc, Self::GrpcWeb, Self::GrpcWebText, Self::Mucp];

    /// The name in registry records and in `MICRO_PROTOCOL`: `native`, `connect`, `grpc`, `grpc-web`, `grpc-web-text`,
    /// `mucp`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Connect => "connect",
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc-web",
            Self::GrpcWebText => "grpc-web-text",
            Self::Mucp => "mucp",
        }
    }

    /// What a node of ours says it speaks.
    pub(crate) fn list(native: bool) -> String {
        let spoken = Self::ALL.into_iter().filter(|protocol| native || *protocol != Self::Native);
        spoken.map(Self::name).collect::<Vec<_>>().join(",")
    }

    /// The protocol to call a node in, by its metadata; over HTTP, where the caller prefers that.
    pub(crate) fn of_node(metadata: &BTreeMap<String, String>, http: bool) -> Self {
        if let Some(listed) = metadata.get(PROTOCOLS) {
            let speaks = |known: &Self| listed.split(',').any(|name| name.trim() == known.name());
            let known = Self::ALL.into_iter().filter(|known| !http || *known != Self::Native);
            return { known }.find(speaks).unwrap_or(Self::Connect);
        }
        match metadata.get(GO_MICRO).map(String::as_str) {
            Some("grpc") => Self::Grpc,
            Some("mucp") => Self::Mucp,
            _ => Self::Connect,
        }
    }
}

impl FromStr for Protocol {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|known| known.name() == name).ok_or_else(|| {
            Error::invalid_argument(format!(
                "`{name}` is not a protocol; known: {}",
                Self::ALL.map(Self::name).join(", ")
            ))
        })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_a_node_says_it_is_called_in_one_that_it_names_or_in_connect(
            metadata in btree_map("protocols?", "((connect|grpc|grpc-web|mucp|x) ?,? ?){0,5}|.{0,10}", 0..3),
        ) {
            let protocol = Protocol::of_node(&metadata, false);
            let says = |key| metadata.get(key).is_some_and(|text| text.contains(protocol.name()));
            prop_assert!(protocol == Protocol::Connect || says(PROTOCOLS) || says(GO_MICRO));
        }

        #[test]
        fn any_text_is_the_name_of_a_protocol_or_refused(text in "(connect|grpc|grpc-web|mucp).?|.{0,10}") {
            match text.parse::<Protocol>() {
                Ok(protocol) => prop_assert_eq!(protocol.name(), text),
                Err(error) => prop_assert_eq!(error.code(), crate::error::Code::InvalidArgument),
            }
        }
    }

    fn of(metadata: &[(&str, &str)]) -> Protocol {
        Protocol::of_node(
            &metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            false,
        )
    }

    #[test]
    fn a_node_is_called_in_the_best_protocol_it_speaks() {
        assert_eq!(of(&[]), Protocol::Connect);
        assert_eq!(of(&[("protocols", "mucp, grpc,connect"), ("protocol", "mucp")]), Protocol::Connect);
        assert_eq!(of(&[("protocols", "mucp,grpc-web")]), Protocol::GrpcWeb);
        assert_eq!(of(&[("protocols", "of-tomorrow")]), Protocol::Connect);
        assert_eq!(of(&[("protocol", "mucp"), ("server", "mucp")]), Protocol::Mucp);
        assert_eq!(of(&[("protocol", "grpc")]), Protocol::Grpc);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.to_string().parse::<Protocol>().unwrap(), protocol);
        }
        let error = "thrift".parse::<Protocol>().unwrap_err();
        assert!(
            error.message().contains("known: native, connect, grpc, grpc-web, grpc-web-text, mucp"),
            "{error}"
        );
    }
}
