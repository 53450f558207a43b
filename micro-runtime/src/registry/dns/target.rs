//! Which names are looked up for a service.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::rr::Name;

use crate::error::{Error, Result};

/// What stands for the name of the service.
const SERVICE: &str = "{service}";

/// The port of DNS servers.
const DNS_PORT: u16 = 53;

/// Where the nodes of any service are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// With `{service}` in it.
    template: String,
    /// `_grpc._tcp`, which is put before the name for SRV records; `None` where none are asked for.
    pub(super) srv: Option<String>,
    /// The port of nodes that have address records only.
    pub(super) port: Option<u16>,
    /// The server that is asked in place of the system's.
    pub(super) server: Option<SocketAddr>,
}

/// The names of one service.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) srv: Option<Name>,
    pub(super) host: Option<Name>,
}

impl Target {
    /// `{service}.example:8080`, or `dns://10.0.0.10:53/{service}.example:8080`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::invalid_argument(format!(
                "`{}` does not say where services are in DNS: {why}; write `{{service}}.example.com:8080`, or \
                 `dns://10.0.0.10/{{service}}.example.com:8080` to ask a server of your own",
                text.escape_debug()
            ))
        };
        let (server, rest) = match text.strip_prefix("dns://") {
            None => (None, text),
            Some(rest) => {
                let (server, rest) =
                    rest.split_once('/').ok_or_else(|| wrong("there is no `/` after the server"))?;
                // As in RFC 4501, no server is the system's.
                let server = if server.is_empty() { None } else { Some(server_address(server)) };
                (server.transpose().map_err(wrong)?, rest)
            }
        };
        let (template, port) = match rest.rsplit_once(':') {
            None => (rest, None),
            Some((template, port)) => match port.parse() {
                Ok(0) | Err(_) => return Err(wrong("the port has to be a number from 1 to 65535")),
                Ok(port) => (template, Some(port)),
            },
        };
        if !template.contains(SERVICE) {
            return Err(wrong("there is no `{service}`, which stands for the name of the service"));
        }
        let target = Self { template: template.to_owned(), srv: Some("_grpc._tcp".to_owned()), port, server };
        target.names("greeter").map_err(|error| wrong(error.message()))?;
        Ok(target)
    }

    /// The names of this service. A template with a dot in it gives complete names, to which no search domain is added.
    pub(super) fn names(&self, service: &str) -> Result<Names> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if service.is_empty() || !service.chars().all(fits) {
            return Err(Error::invalid_argument(format!(
                "the service `{}` cannot be found in DNS: its name may have ASCII letters, digits, `-`, `_` and `.`",
                service.escape_debug()
            )));
        }
        let host = self.template.replace(SERVICE, service);
        let is_whole = self.template.replace(SERVICE, "").contains('.');
        let name = |text: &str| {
            let mut name = Name::from_ascii(text).map_err(|error| {
                Error::invalid_argument(format!("`{}` is no name in DNS: {error}", text.escape_debug()))
            })?;
            name.set_fqdn(is_whole || text.ends_with('.'));
            Ok::<_, Error>(name)
        };
        // A template that is an SRV name already is nothing else.
        if host.starts_with('_') {
            return Ok(Names { srv: Some(name(&host)?), host: None });
        }
        let srv = self.srv.as_ref().map(|prefix| name(&format!("{prefix}.{host}"))).transpose()?;
        Ok(Names { srv, host: Some(name(&host)?) })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)
    }
}

/// `10.0.0.10`, `10.0.0.10:53`, `[::1]:53` or `::1`.
fn server_address(text: &str) -> Result<SocketAddr, &'static str> {
    let ip = text.trim_matches(['[', ']']).parse::<IpAddr>();
    let with_port = ip.map(|ip| SocketAddr::new(ip, DNS_PORT)).or_else(|_| text.parse());
    with_port.map_err(|_| "the server has to be an IP address, with a port or without")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_template_names_the_host_and_the_srv_record() -> Result<()> {
        let target = Target::parse("{service}.default.svc.cluster.local:8080")?;
        let names = target.names("greeter")?;
        let host = names.host.map(|name| name.to_string());
        assert_eq!(host.as_deref(), Some("greeter.default.svc.cluster.local."));
        let srv = names.srv.map(|name| name.to_string());
        assert_eq!(srv.as_deref(), Some("_grpc._tcp.greeter.default.svc.cluster.local."));
        assert_eq!((target.port, target.server), (Some(8080), None));

        let short = Target::parse("{service}:80")?.names("greeter")?;
        assert!(!short.host.is_some_and(|name| name.is_fqdn()), "the search domains are added");
        let srv = Target::parse("_http._tcp.{service}.example")?.names("a.b")?;
        assert_eq!(srv.srv.map(|name| name.to_string()).as_deref(), Some("_http._tcp.a.b.example."));
        assert!(srv.host.is_none());
        Ok(())
    }

    #[test]
    fn the_server_may_be_named() -> Result<()> {
        for (text, server) in [
            ("dns://10.0.0.10/{service}.example:80", Some("10.0.0.10:53")),
            ("dns://10.0.0.10:5353/{service}.example:80", Some("10.0.0.10:5353")),
            ("dns://[::1]:5353/{service}.example", Some("[::1]:5353")),
            ("dns://[::1]/{service}.example", Some("[::1]:53")),
            ("dns:///{service}.example", None),
        ] {
            let parsed = Target::parse(text)?.server.map(|server| server.to_string());
            assert_eq!(parsed.as_deref(), server, "{text}");
        }
        Ok(())
    }

    #[test]
    fn what_cannot_be_looked_up_is_an_error_that_says_why() {
        for (text, reason) in [
            ("greeter.example:80", "no `{service}`"),
            ("{service}.example:http", "1 to 65535"),
            ("{service}..example", "no name in DNS"),
            ("dns://resolver/{service}.example", "IP address"),
            ("dns://10.0.0.10", "no `/`"),
        ] {
            let error = Target::parse(text).expect_err("refused");
            assert!(error.message().contains(reason), "{text}: {error}");
        }
        let target = Target::parse("{service}.example").expect("it is fine");
        for service in ["", "a b", "grüße", "a..b", &"x".repeat(64)] {
            let error = target.names(service).expect_err("refused");
            assert_eq!(error.code(), crate::Code::InvalidArgument, "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_target_or_an_error(
            text in r"(dns://)?[\[\]0-9.:/]{0,12}\{service\}[a-z.:0-9_]{0,12}|.{0,20}", service in ".{0,70}",
        ) {
            if let Ok(target) = Target::parse(&text) {
                let _ = target.names(&service);
            }
        }
    }
}
