use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use uuid::Uuid;

use super::source::Source;
use super::{DEFAULT_DRAIN_TIMEOUT, DEFAULT_SPREAD_DELAY, Options};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::protocol::{PROTOCOLS, Protocol};
use crate::registry::{EndpointRecord, Node, Registration};
use crate::selector::ZONE;
use crate::transport::is_path;

/// Any free port, for callers on this machine. A service that should be reached from elsewhere
/// says so: nothing here asks a caller who it is.
const DEFAULT_ADDRESS: &str = "127.0.0.1:0";
const DEFAULT_TTL: Duration = Duration::from_secs(90);
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);

/// The options of a service after code, environment and defaults were looked at, in that order.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) version_from: Source,
    pub(super) address: String,
    pub(super) address_from: Source,
    pub(super) advertise: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) ttl: Duration,
    pub(super) interval: Duration,
    pub(super) spread_delay: Duration,
    pub(super) drain_timeout: Duration,
}

impl Decided {
    pub(super) fn new(options: Options, environment: &Environment) -> Result<Self> {
        let text = |option: Option<String>, variable, default: &str| {
            Ok::<_, Error>(match option {
                Some(value) => (value, Source::Code),
                None => match environment.get(variable)? {
                    Some(value) => (value, Source::Environment(variable)),
                    None => (default.to_owned(), Source::Default),
                },
            })
        };
        let duration = |option: Option<Duration>, variable, default| {
            Ok::<_, Error>(match option {
                Some(value) => value,
                None => environment.duration(variable)?.unwrap_or(default),
            })
        };
        let random = Uuid::new_v4().to_string();
        let (id, _) = text(options.id, "MICRO_SERVER_ID", &random)?;
        let (version, version_from) = text(options.version, "MICRO_SERVER_VERSION", "latest")?;
        let (address, address_from) = text(options.address, "MICRO_SERVER_ADDRESS", DEFAULT_ADDRESS)?;
        let (advertise, _) = text(options.advertise, "MICRO_SERVER_ADVERTISE", "")?;
        let mut metadata: BTreeMap<_, _> = environment.pairs("MICRO_SERVER_METADATA")?.into_iter().collect();
        if let Some(zone) = environment.get("MICRO_ZONE")? {
            metadata.entry(ZONE.to_owned()).or_insert(zone);
        }
        metadata.extend(options.metadata);
        let ttl = duration(options.register_ttl, "MICRO_REGISTER_TTL", DEFAULT_TTL)?;
        let interval =
            duration(options.register_interval, "MICRO_REGISTER_INTERVAL", DEFAULT_INTERVAL.min(ttl / 3))?;
        let delay = |option: Option<Duration>, variable, default| {
            Ok::<_, Error>(match option {
                Some(value) => value,
                None => environment.delay(variable)?.unwrap_or(default),
            })
        };
        let spread_delay = delay(options.spread_delay, "MICRO_SPREAD_DELAY", DEFAULT_SPREAD_DELAY)?;
        let drain_timeout = delay(options.drain_timeout, "MICRO_DRAIN_TIMEOUT", DEFAULT_DRAIN_TIMEOUT)?;
        if interval.is_zero() || ttl.is_zero() {
            return Err(Error::invalid_argument(
                "the time to live in the registry and the interval of registrations must be longer than nothing \
                 (`register_ttl`, `register_interval`)",
            ));
        }
        if interval >= ttl {
            return Err(Error::invalid_argument(format!(
                "the node would be forgotten between two registrations: the interval is {}, the time to live {} \
                 (`register_interval`, `register_ttl`, MICRO_REGISTER_INTERVAL, MICRO_REGISTER_TTL)",
                humantime::format_duration(interval),
                humantime::format_duration(ttl)
            )));
        }
        Ok(Self {
            id,
            version,
            version_from,
            address,
            address_from,
            advertise: Some(advertise).filter(|address| !address.is_empty()),
            metadata,
            ttl,
            interval,
            spread_delay,
            drain_timeout,
        })
    }

    /// The host that others reach this one at, where it is not on loopback alone.
    pub(super) fn host(&self) -> Option<String> {
        let address = self.advertise.as_deref().unwrap_or(&self.address);
        if is_path(address) {
            return None;
        }
        let host = if has_port(address) {
            address.rsplit_once(':').map_or(address, |(host, _)| host)
        } else {
            address
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        Some(host.to_owned()).filter(|host| !host.is_empty() && !is_local)
    }

    /// The address for the registry of a service that listens on `local`.
    pub(super) fn advertised(&self, local: String) -> String {
        match &self.advertise {
            None => local,
            Some(address) if is_path(address) || is_path(&local) || has_port(address) => address.clone(),
            Some(host) => match local.rsplit_once(':') {
                Some((_, port)) => format!("{host}:{port}"),
                None => host.clone(),
            },
        }
    }

    /// What the registry is told about this node of the service `name`.
    pub(super) fn registration(
        &self,
        name: &str,
        address: String,
        endpoints: Vec<EndpointRecord>,
        native: bool,
    ) -> Registration {
        let mut metadata = self.metadata.clone();
        metadata.insert(PROTOCOLS.to_owned(), Protocol::list(native));
        // go-micro's clients talk another protocol to a node that does not say this.
        metadata.insert("protocol".to_owned(), Protocol::Mucp.name().to_owned());
        Registration {
            service: name.to_owned(),
            version: self.version.clone(),
            metadata: Default::default(),
            endpoints,
            node: Node { id: format!("{name}-{}", self.id), address, metadata },
        }
    }
}

fn has_port(address: &str) -> bool {
    let after_host = address.rsplit_once(']').map_or(address, |(_, rest)| rest);
    after_host.rsplit_once(':').is_some_and(|(host, port)| !host.contains(':') && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_wins_over_the_environment_which_wins_over_the_default() {
        let environment = Environment::from_iter([
            ("MICRO_SERVER_ADDRESS", "127.0.0.1:7001"),
            ("MICRO_SERVER_VERSION", "1.2.3"),
            ("MICRO_SERVER_METADATA", "zone=a,tier=gold"),
            ("MICRO_REGISTER_TTL", "60"),
            ("MICRO_ZONE", "not where its metadata says it is"),
        ]);
        let options = Options {
            address: Some("127.0.0.1:9000".into()),
            metadata: vec![("zone".into(), "b".into())],
            ..Options::default()
        };
        let decided = Decided::new(options, &environment).unwrap();
        assert_eq!(decided.address, "127.0.0.1:9000");
        assert_eq!(decided.address_from, Source::Code);
        assert_eq!(decided.version, "1.2.3");
        assert_eq!(decided.version_from.of_value(&decided.version), "1.2.3 (MICRO_SERVER_VERSION)");
        assert_eq!(decided.ttl, Duration::from_secs(60));
        assert_eq!(decided.interval, Duration::from_secs(20));
        assert_eq!(decided.metadata["zone"], "b");
        assert_eq!(decided.metadata["tier"], "gold");
        let decided = Decided::new(Options::default(), &Environment::empty()).unwrap();
        assert_eq!(decided.address, DEFAULT_ADDRESS);
        assert_eq!(decided.version, "latest");
        assert_eq!(decided.version_from, Source::Default);
        let here = Environment::from_iter([("MICRO_ZONE", "c")]);
        assert_eq!(Decided::new(Options::default(), &here).unwrap().metadata["zone"], "c");
    }

    #[test]
    fn each_option_in_code_wins_over_its_variable() {
        let environment = Environment::from_iter([
            ("MICRO_SERVER_ID", "of-environment"),
            ("MICRO_SERVER_ADVERTISE", "of.environment:1"),
            ("MICRO_REGISTER_TTL", "60s"),
            ("MICRO_REGISTER_INTERVAL", "7s"),
        ]);
        let decided = Decided::new(Options::default(), &environment).unwrap();
        assert_eq!(
            (decided.id.as_str(), decided.advertise.as_deref()),
            ("of-environment", Some("of.environment:1"))
        );
        assert_eq!((decided.ttl.as_secs(), decided.interval.as_secs()), (60, 7));
        let options = Options {
            id: Some("of-code".into()),
            advertise: Some("of.code:1".into()),
            register_ttl: Some(Duration::from_secs(50)),
            register_interval: Some(Duration::from_secs(5)),
            ..Options::default()
        };
        let decided = Decided::new(options, &environment).unwrap();
        assert_eq!((decided.id.as_str(), decided.advertise.as_deref()), ("of-code", Some("of.code:1")));
        assert_eq!((decided.ttl.as_secs(), decided.interval.as_secs()), (50, 5));
    }

    #[test]
    fn a_node_that_would_be_forgotten_between_two_registrations_does_not_start() {
        let environment =
            Environment::from_iter([("MICRO_REGISTER_TTL", "10"), ("MICRO_REGISTER_INTERVAL", "10")]);
        let error = Decided::new(Options::default(), &environment).unwrap_err();
        assert!(error.message().contains("MICRO_REGISTER_TTL"), "{error}");
    }

    #[test]
    fn no_time_at_all_is_refused_for_both_times_of_a_registration() {
        for (ttl, interval) in [(0, 0), (0, 1), (10, 0)] {
            let options = Options {
                register_ttl: Some(Duration::from_secs(ttl)),
                register_interval: Some(Duration::from_secs(interval)),
                ..Options::default()
            };
            let error = Decided::new(options, &Environment::empty()).unwrap_err();
            assert!(error.message().contains("longer than nothing"), "{error}");
        }
        // A third of this is nothing.
        let options = Options { register_ttl: Some(Duration::from_nanos(2)), ..Options::default() };
        assert!(Decided::new(options, &Environment::empty()).is_err());
    }

    #[test]
    fn a_host_alone_is_advertised_with_the_port_that_is_listened_on() {
        let of = |advertise: &str| {
            let options = Options { advertise: Some(advertise.into()), ..Options::default() };
            Decided::new(options, &Environment::empty()).unwrap().advertised("127.0.0.1:8080".into())
        };
        assert_eq!(of("greeter.internal"), "greeter.internal:8080");
        assert_eq!(of("greeter.internal:80"), "greeter.internal:80");
        assert_eq!(of("[::1]"), "[::1]:8080");
        assert_eq!(of("[::1]:80"), "[::1]:80");
        assert_eq!(of("unix:/run/a.sock"), "unix:/run/a.sock");
    }
}
