//! What the program is told with `--variant`: the protocol, and what there is much of.

use std::net::SocketAddr;
use std::time::Duration;

use load::Result;
use micro::Client;
use micro::client::{ClientBuilder, HttpVersion, Protocol};
use micro::registry::{Memory, Node, Registration, Registry as _};

/// The name that the nodes are registered under.
pub(crate) const SERVICE: &str = "bench";

/// A variant such as `grpc`, or `grpc+nodes=1000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting<'a> {
    /// What to speak; empty is what the client takes by itself, or what `MICRO_PROTOCOL` says.
    pub(crate) protocol: &'a str,
    /// How many nodes the client finds in its registry. All are the same server. Nothing is a fixed address,
    /// and no registry.
    pub(crate) nodes: Option<usize>,
    /// How many methods the service has beside those that are called.
    pub(crate) methods: usize,
}

impl<'a> Setting<'a> {
    pub(crate) fn parse(variant: &'a str) -> Result<Self> {
        let mut parts = variant.split('+');
        let mut setting = Self { protocol: parts.next().unwrap_or_default(), nodes: None, methods: 0 };
        for part in parts {
            let wrong = || format!("`{part}` is neither `nodes=` nor `methods=` with a number");
            let (name, number) = part.split_once('=').ok_or_else(wrong)?;
            let number = number.parse().map_err(|_| wrong())?;
            match name {
                "nodes" => setting.nodes = Some(number),
                "methods" => setting.methods = number,
                _ => return Err(wrong().into()),
            }
        }
        Ok(setting)
    }

    pub(crate) fn is_json(self) -> bool {
        self.protocol == "json-http1"
    }

    pub(crate) fn is_per_core(self) -> bool {
        self.protocol == "grpc-per-core"
    }

    /// A client with the defaults but for what this says.
    pub(crate) async fn client(self, address: SocketAddr) -> Result<Client> {
        let client = Client::builder();
        let client = match self.nodes {
            None => client.address(address.to_string()),
            Some(nodes) => client.registry(registry(nodes, address).await?),
        };
        Ok(self.speaking(client)?.build())
    }

    fn speaking(self, client: ClientBuilder) -> Result<ClientBuilder> {
        Ok(match self.protocol {
            "" => client,
            "grpc-per-core" => client.protocol(Protocol::Grpc),
            "json-http1" => client.protocol(Protocol::Connect).http_version(HttpVersion::Http1),
            protocol => client.protocol(protocol.parse()?),
        })
    }
}

/// A registry with this many nodes, which are all at this address.
async fn registry(nodes: usize, address: SocketAddr) -> Result<Memory> {
    let registry = Memory::new();
    for node in 0..nodes {
        let node = Node::new(format!("{SERVICE}-{node}"), address.to_string());
        registry.register(&Registration::new(SERVICE, node), Duration::ZERO).await?;
    }
    Ok(registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_says_what_there_is_much_of() {
        let of = |variant| Setting::parse(variant).map_err(|error| error.to_string());
        assert_eq!(of(""), Ok(Setting { protocol: "", nodes: None, methods: 0 }));
        assert_eq!(of("grpc+nodes=10"), Ok(Setting { protocol: "grpc", nodes: Some(10), methods: 0 }));
        assert_eq!(of("+methods=7"), Ok(Setting { protocol: "", nodes: None, methods: 7 }));
        assert!(of("grpc+nodes").unwrap_err().contains("`nodes`"));
        assert!(of("grpc+nodes=x").is_err() && of("grpc+cats=1").is_err());
    }
}
