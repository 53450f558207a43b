use std::sync::Arc;

use super::{Broker, Http, Memory};
use crate::environment::Environment;
use crate::error::{Code, Error, Result};
use crate::registry::Registry;

/// The name of the broker that is used where nobody chose one.
pub const DEFAULT: &str = "http";

/// Every driver there is, compiled in or not, and the cargo feature it needs.
const KNOWN: &[(&str, Option<&str>)] =
    &[("http", None), ("memory", None), ("nats", Some("nats")), ("rabbitmq", Some("rabbitmq"))];

/// What a broker may need of the service or client that it is made for.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where subscribers are found, for a broker that has no server.
    pub registry: Arc<dyn Registry>,
    /// The host that others reach this process by, where it is known: a name or an IP address.
    pub host: Option<String>,
}

impl Surroundings {
    /// Surroundings with this registry.
    pub fn new(registry: Arc<dyn Registry>) -> Self {
        Self { registry, host: None }
    }

    /// The same with the host that others reach this process by.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }
}

/// A broker by its name and address, as `MICRO_BROKER` and `MICRO_BROKER_ADDRESS` give them.
///
/// An unknown name is `invalid_argument` and lists the known ones; a driver that is not compiled in is
/// `failed_precondition` and names the cargo feature. An address that the driver cannot use is `invalid_argument`, and
/// says what to write. `memory` makes a new broker, which nobody else knows. Nothing is opened and nobody is connected to.
///
/// ```
/// use std::sync::Arc;
/// use micro_runtime::broker::{Surroundings, by_name};
/// use micro_runtime::registry::Memory;
///
/// let around = Surroundings::new(Arc::new(Memory::new()));
/// assert_eq!(by_name("memory", None, &around)?.name(), "memory");
///
/// let error = by_name("kafka", None, &around).unwrap_err();
/// assert!(error.message().contains("known: "));
/// # Ok::<(), micro_runtime::Error>(())
/// ```
pub fn by_name(name: &str, address: Option<&str>, surroundings: &Surroundings) -> Result<Arc<dyn Broker>> {
    make(name, address, surroundings, &Environment::process())
}

/// The broker that `MICRO_BROKER` and `MICRO_BROKER_ADDRESS` name, or the default one.
pub fn from_environment(environment: &Environment, surroundings: &Surroundings) -> Result<Arc<dyn Broker>> {
    let name = environment.get("MICRO_BROKER")?;
    let address = environment.get("MICRO_BROKER_ADDRESS")?;
    if let Some(value) = &name {
        tracing::info!(variable = "MICRO_BROKER", value, "chosen by the environment");
    }
    let name = name.as_deref().unwrap_or(DEFAULT);
    make(name, address.as_deref(), surroundings, environment).map_err(|error| {
        // Where the name is one, it is what was given with it.
        let is_known = KNOWN.iter().any(|(known, _)| *known == name);
        let is_address = is_known && address.is_some() && error.code() == Code::InvalidArgument;
        error.context(if is_address { "MICRO_BROKER_ADDRESS" } else { "MICRO_BROKER" })
    })
}

/// The same with the further variables that a driver looks at: credentials.
#[expect(unused_variables, reason = "no driver has further variables")]
fn make(
    name: &str,
    address: Option<&str>,
    surroundings: &Surroundings,
    environment: &Environment,
) -> Result<Arc<dyn Broker>> {
    let address = address.map(str::trim).filter(|address| !address.is_empty());
    Ok(match name {
        "http" => Arc::new(Http::around(address, surroundings)?),
        "memory" => without(name, address, Arc::new(Memory::new()))?,
        #[cfg(feature = "nats")]
        "nats" => Arc::new(super::Nats::parse(address.unwrap_or(super::Nats::DEFAULT_ADDRESS))?),
        #[cfg(feature = "rabbitmq")]
        "rabbitmq" => Arc::new(super::RabbitMq::new(address.unwrap_or(super::RabbitMq::DEFAULT_ADDRESS))?),
        _ => return Err(not_here(name)),
    })
}

/// For a driver that has no address.
fn without(name: &str, address: Option<&str>, broker: Arc<dyn Broker>) -> Result<Arc<dyn Broker>> {
    match address {
        Some(address) => Err(Error::invalid_argument(format!(
            "the broker `{name}` has no address, and `{address}` was given: leave the address away, \
             or choose the broker that is there with MICRO_BROKER"
        ))),
        None => Ok(broker),
    }
}

#[cold]
fn not_here(name: &str) -> Error {
    match KNOWN.iter().find(|(known, _)| *known == name) {
        Some((_, Some(feature))) => Error::failed_precondition(format!(
            "the broker `{name}` is not compiled in: add the cargo feature `{feature}` of `micro`, \
             or choose another one with MICRO_BROKER"
        )),
        _ => {
            let known: Vec<_> = KNOWN.iter().map(|(known, _)| *known).collect();
            Error::invalid_argument(format!("there is no broker `{name}`; known: {}", known.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn around() -> Surroundings {
        Surroundings::new(Arc::new(registry::Memory::new())).host("localhost")
    }

    #[test]
    fn the_variable_that_is_wrong_is_named() {
        let wrong = |broker, address| {
            let environment = [("MICRO_BROKER", broker), ("MICRO_BROKER_ADDRESS", address)];
            let environment = Environment::from_iter(environment);
            from_environment(&environment, &around()).unwrap_err().message().to_owned()
        };
        assert!(
            wrong("memory", "x:1").starts_with("MICRO_BROKER_ADDRESS: the broker `memory` has no address")
        );
        assert!(wrong("kafka", "x:1").starts_with("MICRO_BROKER: there is no broker `kafka`"));
    }

    #[test]
    fn the_environment_chooses_the_broker() -> Result<()> {
        let environment = Environment::from_iter([("MICRO_BROKER", "memory")]);
        assert_eq!(from_environment(&environment, &around())?.name(), "memory");
        Ok(())
    }

    #[test]
    fn the_default_needs_nothing_and_an_address_that_is_none_says_so() -> Result<()> {
        assert_eq!(from_environment(&Environment::empty(), &around())?.name(), DEFAULT);
        assert!(by_name("http", Some("127.0.0.1:0"), &around()).is_ok());
        let error = by_name("http", Some("http://127.0.0.1:80"), &around()).expect_err("no address");
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains("without `http://`"), "{error}");
        Ok(())
    }

    #[test]
    fn an_unknown_broker_is_an_error_with_the_known_names() {
        let error = by_name("kafak", None, &around()).expect_err("no such broker");
        assert_eq!(error.code(), Code::InvalidArgument);
        for (known, _) in KNOWN {
            assert!(error.message().contains(known), "{error}");
        }
    }

    #[test]
    fn an_address_for_a_broker_that_has_none_is_not_ignored() {
        let error = by_name("memory", Some("10.0.0.1:4222"), &around()).expect_err("no such broker");
        assert!(error.message().contains("10.0.0.1:4222"), "{error}");
        assert!(by_name("memory", Some(" "), &around()).is_ok());
    }

    #[cfg(feature = "nats")]
    #[test]
    fn nats_has_an_address_of_its_own_or_the_one_that_is_given() -> Result<()> {
        assert_eq!(by_name("nats", None, &around())?.name(), "nats");
        let error = by_name("nats", Some("http://nats.example"), &around()).expect_err("no address");
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        Ok(())
    }

    #[cfg(not(feature = "nats"))]
    #[test]
    fn a_broker_that_is_not_compiled_in_names_its_feature() {
        let error = by_name("nats", None, &around()).expect_err("no such broker");
        assert_eq!(error.code(), Code::FailedPrecondition);
        assert!(error.message().contains("cargo feature `nats`"), "{error}");
    }
}
