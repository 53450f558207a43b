//! The registry that a scenario is about.

use std::sync::Arc;

use micro::Client;
use micro::registry::{self, Registry};

/// A registry by its name and address, as the environment of a node has them.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    name: String,
    address: Option<String>,
}

impl Choice {
    /// The one that the environment names, or the default.
    pub(crate) fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            name: variable("MICRO_REGISTRY").unwrap_or_else(|| registry::DEFAULT.to_owned()),
            address: variable("MICRO_REGISTRY_ADDRESS"),
        }
    }

    /// What a node has in its environment.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        let address = self.address.clone().unwrap_or_default();
        [("MICRO_REGISTRY", self.name.clone()), ("MICRO_REGISTRY_ADDRESS", address)]
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
