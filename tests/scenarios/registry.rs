//! The registry that a scenario is about.

use std::sync::Arc;

use micro::Client;
use micro::registry::{self, Registry};

/// A registry by its name and address, as the environment of a node has them.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    name: String,
    address: Option<String>,
    /// In seconds.
    ttl: u64,
}

/// A registry that lost its data hears of its nodes with their next renewal, which a test does not wait half a minute
/// for. So they are renewed this often, in seconds, and live for three renewals and more.
const INTERVAL: u64 = 2;
const TTL: u64 = 9;

impl Choice {
    /// The one that the environment names, or the default.
    pub(crate) fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            name: variable("MICRO_REGISTRY").unwrap_or_else(|| registry::DEFAULT.to_owned()),
            address: variable("MICRO_REGISTRY_ADDRESS"),
            ttl: TTL,
        }
    }

    /// This one.
    pub(crate) fn at(name: &str, address: &str) -> Self {
        Self { name: name.to_owned(), address: Some(address.to_owned()), ttl: TTL }
    }

    /// With so many seconds that a node is known that is not renewed.
    pub(crate) fn ttl(self, ttl: u64) -> Self {
        Self { ttl, ..self }
    }

    /// Whether there is a driver for it.
    pub(crate) fn check(&self) -> micro::Result<()> {
        registry::by_name(&self.name, self.address.as_deref()).map(drop)
    }

    /// What a node has in its environment.
    pub(crate) fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("MICRO_REGISTRY", self.name.clone()),
            ("MICRO_REGISTRY_ADDRESS", self.address.clone().unwrap_or_default()),
            ("MICRO_REGISTER_TTL", format!("{}s", self.ttl)),
            ("MICRO_REGISTER_INTERVAL", format!("{INTERVAL}s")),
        ]
    }

    /// A handle on it.
    pub(crate) fn open(&self) -> Arc<dyn Registry> {
        registry::by_name(&self.name, self.address.as_deref()).unwrap()
    }

    /// A client that finds nodes there, with the defaults for all else.
    pub(crate) fn client(&self) -> Client {
        Client::builder().registry(self.open()).build()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}
