use std::sync::Arc;

use super::{Memory, Registry, Static};
use crate::environment::Environment;
use crate::error::{Code, Error, Result};

/// The name of the registry that is used where nobody chose one.
pub const DEFAULT: &str = "mdns";

/// Every driver there is, compiled in or not, and the cargo feature it needs.
const KNOWN: &[(&str, Option<&str>)] = &[
    ("consul", Some("consul")),
    ("dns", Some("dns")),
    ("etcd", Some("etcd")),
    ("mdns", Some("mdns")),
    ("mdns-go-micro", Some("mdns-go-micro")),
    ("memory", None),
    ("nats", Some("nats")),
    ("static", None),
];

/// A registry by its name and address, as `MICRO_REGISTRY` and `MICRO_REGISTRY_ADDRESS` give them.
///
/// An unknown name is `invalid_argument` and lists the known ones; a driver that is not compiled
/// in is `failed_precondition` and names the cargo feature. An address that the driver cannot use is `invalid_argument`, and says what
/// to write. `memory` makes a new, empty registry. Nothing is opened and nobody is connected to.
///
/// ```
/// let registry = micro_runtime::registry::by_name("static", Some("greeter=10.0.0.5:7000,10.0.0.6:7000"))?;
/// assert_eq!(registry.name(), "static");
///
/// let error = micro_runtime::registry::by_name("zookeeper", None).unwrap_err();
/// assert!(error.message().contains("known: "));
/// # Ok::<(), micro_runtime::Error>(())
/// ```
pub fn by_name(name: &str, address: Option<&str>) -> Result<Arc<dyn Registry>> {
    make(name, address, &Environment::process())
}

/// The same with the further variables that a driver looks at: credentials.
#[cfg_attr(
    not(any(feature = "consul", feature = "etcd")),
    expect(unused_variables, reason = "no driver has further variables")
)]
fn make(name: &str, address: Option<&str>, environment: &Environment) -> Result<Arc<dyn Registry>> {
    let address = address.map(str::trim).filter(|address| !address.is_empty());
    Ok(match name {
        "memory" => without(name, address, Arc::new(Memory::new()))?,
        "static" => Arc::new(Static::parse(needed(
            name,
            address,
            "the path of a file, or `greeter=host:port,host:port;other=host:port`",
        )?)?),
        #[cfg(feature = "mdns")]
        "mdns" => without(name, address, Arc::new(super::Mdns::new()))?,
        #[cfg(feature = "mdns-go-micro")]
        "mdns-go-micro" => without(name, address, Arc::new(super::Mdns::new().go_micro(true)))?,
        #[cfg(feature = "consul")]
        "consul" => Arc::new(super::Consul::configured(address, environment)?),
        #[cfg(feature = "etcd")]
        "etcd" => Arc::new(super::Etcd::configured(address, environment)?),
        #[cfg(feature = "dns")]
        "dns" => Arc::new(super::Dns::parse(needed(
            name,
            address,
            "the DNS name of a service, such as `{service}.default.svc.cluster.local:8080`",
        )?)?),
        #[cfg(feature = "nats")]
        "nats" => Arc::new(super::Nats::parse(address.unwrap_or(super::Nats::DEFAULT_ADDRESS))?),
        _ => return Err(not_here(name)),
    })
}

/// For a driver that has no address.
fn without(name: &str, address: Option<&str>, registry: Arc<dyn Registry>) -> Result<Arc<dyn Registry>> {
    match address {
        Some(address) => Err(Error::invalid_argument(format!(
            "the registry `{name}` has no address, and `{address}` was given: leave the address away, \
             or choose the registry that is there with MICRO_REGISTRY"
        ))),
        None => Ok(registry),
    }
}

/// For a driver that cannot do without one.
fn needed<'a>(name: &str, address: Option<&'a str>, what: &str) -> Result<&'a str> {
    address.ok_or_else(|| {
        Error::invalid_argument(format!(
            "the registry `{name}` needs an address: set MICRO_REGISTRY_ADDRESS to {what}"
        ))
    })
}

/// The registry that `MICRO_REGISTRY` and `MICRO_REGISTRY_ADDRESS` name, or the default one.
pub fn from_environment(environment: &Environment) -> Result<Arc<dyn Registry>> {
    let name = environment.get("MICRO_REGISTRY")?;
    let address = environment.get("MICRO_REGISTRY_ADDRESS")?;
    if let Some(value) = &name {
        tracing::info!(variable = "MICRO_REGISTRY", value, "chosen by the environment");
    }
    let name = name.as_deref().unwrap_or(DEFAULT);
    make(name, address.as_deref(), environment).map_err(|error| {
        // Where the name is one, it is what was given with it.
        let is_known = KNOWN.iter().any(|(known, _)| *known == name);
        let is_address = is_known && address.is_some() && error.code() == Code::InvalidArgument;
        error.context(if is_address { "MICRO_REGISTRY_ADDRESS" } else { "MICRO_REGISTRY" })
    })
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
    fn the_variable_that_is_wrong_is_named() {
        let wrong = |registry, address| {
            let environment = [("MICRO_REGISTRY", registry), ("MICRO_REGISTRY_ADDRESS", address)];
            from_environment(&Environment::from_iter(environment)).unwrap_err().message().to_owned()
        };
        assert!(wrong("static", "127.0.0.1:7000").starts_with("MICRO_REGISTRY_ADDRESS: `127.0.0.1:7000` is"));
        assert!(
            wrong("memory", "x:1")
                .starts_with("MICRO_REGISTRY_ADDRESS: the registry `memory` has no address")
        );
        assert!(wrong("zookeeper", "x:1").starts_with("MICRO_REGISTRY: there is no registry `zookeeper`"));
    }

    #[test]
    fn an_unknown_registry_is_an_error_with_the_known_names() {
        let error = by_name("zookeper", None).expect_err("no such registry");
        for (known, _) in KNOWN {
            assert!(error.message().contains(known), "{error}");
        }
    }

    #[test]
    fn an_address_for_a_registry_that_has_none_is_not_ignored() {
        let error = by_name("memory", Some("10.0.0.1:2379")).expect_err("no such registry");
        assert!(error.message().contains("10.0.0.1:2379"), "{error}");
        assert!(by_name("memory", Some("")).is_ok());
    }

    #[test]
    fn a_registry_that_needs_an_address_says_what_to_write() {
        for address in [None, Some(""), Some(" ")] {
            let error = by_name("static", address).expect_err("it needs one");
            assert!(error.message().contains("greeter=host:port"), "{error}");
        }
        #[cfg(feature = "dns")]
        assert!(by_name("dns", None).expect_err("it needs one").message().contains("{service}"));
    }

    #[test]
    fn an_address_that_cannot_be_used_is_an_error_at_once() {
        let wrong: &[(&str, &str)] = &[
            ("static", "greeter=nowhere"),
            #[cfg(feature = "dns")]
            ("dns", "greeter.example:8080"),
            #[cfg(feature = "nats")]
            ("nats", "http://nats.example"),
            #[cfg(feature = "etcd")]
            ("etcd", "nats://etcd.example"),
            #[cfg(feature = "consul")]
            ("consul", "https://consul.example"),
        ];
        for (name, address) in wrong {
            let error = by_name(name, Some(address)).expect_err("it cannot be used");
            assert_eq!(error.code(), crate::Code::InvalidArgument, "{error}");
        }
    }

    #[test]
    fn every_registry_that_is_compiled_in_is_made_by_its_name() -> Result<()> {
        for (name, address) in [
            ("memory", None),
            ("static", Some("/etc/nodes.json")),
            #[cfg(feature = "mdns")]
            ("mdns", None),
            #[cfg(feature = "mdns-go-micro")]
            ("mdns-go-micro", None),
            #[cfg(feature = "dns")]
            ("dns", Some("{service}.example:8080")),
            #[cfg(feature = "nats")]
            ("nats", None),
            #[cfg(feature = "etcd")]
            ("etcd", None),
            #[cfg(feature = "consul")]
            ("consul", None),
        ] {
            assert_eq!(by_name(name, address)?.name(), name);
        }
        Ok(())
    }

    #[cfg(not(feature = "nats"))]
    #[test]
    fn a_registry_that_is_not_compiled_in_names_its_feature() {
        let error = by_name("nats", None).expect_err("no such registry");
        assert!(error.message().contains("cargo feature `nats`"), "{error}");
    }
}
