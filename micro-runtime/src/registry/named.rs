use std::sync::Arc;

use super::{Memory, Registry};
use crate::environment::Environment;
use crate::error::{Error, Result};

/// The name of the registry that is used where nobody chose one.
pub const DEFAULT: &str = "mdns";

/// Every driver there is, compiled in or not, and the cargo feature it needs.
const KNOWN: &[(&str, Option<&str>)] =
    &[("consul", Some("consul")), ("etcd", Some("etcd")), ("mdns", Some("mdns")), ("memory", None)];

/// A registry by its name, as `MICRO_REGISTRY` and `MICRO_REGISTRY_ADDRESS` give it.
///
/// An unknown name is `invalid_argument` and lists the known ones; a driver that is not compiled
/// in is `failed_precondition` and names the cargo feature. `memory` makes a new, empty registry.
///
/// ```
/// let registry = micro_runtime::registry::by_name("memory", None)?;
/// assert_eq!(registry.name(), "memory");
///
/// let error = micro_runtime::registry::by_name("zookeeper", None).unwrap_err();
/// assert!(error.message().contains("known: consul, etcd, mdns, memory"));
/// # Ok::<(), micro_runtime::Error>(())
/// ```
pub fn by_name(name: &str, address: Option<&str>) -> Result<Arc<dyn Registry>> {
    make(name, address, &Environment::process())
}

fn make(name: &str, address: Option<&str>, environment: &Environment) -> Result<Arc<dyn Registry>> {
    let registry: Arc<dyn Registry> = match name {
        #[cfg(feature = "consul")]
        "consul" => return Ok(Arc::new(super::Consul::configured(filled(address), environment)?)),
        #[cfg(feature = "etcd")]
        "etcd" => return Ok(Arc::new(super::Etcd::configured(filled(address), environment)?)),
        "memory" => Arc::new(Memory::new()),
        #[cfg(feature = "mdns")]
        "mdns" => Arc::new(super::Mdns::new()),
        _ => return Err(not_here(name)),
    };
    match address {
        Some(address) if !address.is_empty() => Err(Error::invalid_argument(format!(
            "the registry `{name}` has no address, and `{address}` was given: leave the address away, \
             or choose the registry that is there"
        ))),
        _ => Ok(registry),
    }
}

/// What is set to nothing counts as not set.
fn filled(address: Option<&str>) -> Option<&str> {
    address.map(str::trim).filter(|address| !address.is_empty())
}

/// The registry that `MICRO_REGISTRY` and `MICRO_REGISTRY_ADDRESS` name, or the default one.
pub fn from_environment(environment: &Environment) -> Result<Arc<dyn Registry>> {
    let name = environment.get("MICRO_REGISTRY")?;
    let address = environment.get("MICRO_REGISTRY_ADDRESS")?;
    if let Some(value) = &name {
        tracing::info!(variable = "MICRO_REGISTRY", value, "chosen by the environment");
    }
    let name = name.as_deref().unwrap_or(DEFAULT);
    make(name, address.as_deref(), environment).map_err(|error| error.context("MICRO_REGISTRY"))
}

#[cold]
fn not_here(name: &str) -> Error {
    match KNOWN.iter().find(|(known, _)| *known == name) {
        Some((_, Some(feature))) => Error::failed_precondition(format!(
            "the registry `{name}` is not compiled in: add the cargo feature `{feature}` of `micro`, \
             or choose another one with MICRO_REGISTRY"
        )),
        _ => {
            let known: Vec<_> = KNOWN.iter().map(|(known, _)| *known).collect();
            Error::invalid_argument(format!("there is no registry `{name}`; known: {}", known.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_registry_is_an_error_with_the_known_names() {
        let error = by_name("zookeper", None).expect_err("no such registry");
        assert!(error.message().contains("known: consul, etcd, mdns, memory"), "{error}");
    }

    #[test]
    fn an_address_for_a_registry_that_has_none_is_not_ignored() {
        let error = by_name("memory", Some("10.0.0.1:2379")).expect_err("no such registry");
        assert!(error.message().contains("10.0.0.1:2379"), "{error}");
        assert!(by_name("memory", Some("")).is_ok());
    }

    #[cfg(not(feature = "mdns"))]
    #[test]
    fn a_registry_that_is_not_compiled_in_names_its_feature() {
        let error = by_name("mdns", None).expect_err("no such registry");
        assert!(error.message().contains("cargo feature `mdns`"), "{error}");
    }
}
