//! Where the servers are.

use std::fmt;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// Seconds between two signs of life, as go-micro has it. A connection without any for twice as long is lost.
const HEARTBEAT: u16 = 10;

/// The servers of one cluster.
#[derive(Clone)]
pub(super) struct Servers(Vec<AMQPUri>);

impl Servers {
    /// Addresses with commas between them: `amqp://user:password@host:5672/vhost?heartbeat=10`.
    pub(super) fn parse(addresses: &str) -> Result<Self> {
        let written = addresses.split(',').map(str::trim).filter(|address| !address.is_empty());
        let servers = written.map(server).collect::<Result<Vec<_>>>()?;
        if servers.is_empty() {
            return Err(Error::invalid_argument(
                "no address of a RabbitMQ server was given; write `amqp://host:5672`",
            ));
        }
        Ok(Self(servers))
    }

    /// All of them, from a different one on each time.
    pub(super) fn in_turn(&self) -> impl Iterator<Item = &AMQPUri> {
        let (before, after) = self.0.split_at(fastrand::usize(..self.0.len().max(1)).min(self.0.len()));
        after.iter().chain(before)
    }
}

/// Shows no secrets.
impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", Shown(server))?;
        }
        Ok(())
    }
}

/// Shows no secrets.
impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Servers({self})")
    }
}

/// A server without who we are there.
pub(super) struct Shown<'a>(pub(super) &'a AMQPUri);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPAuthority { host, port, .. } = &self.0.authority;
        match host.contains(':') {
            true => write!(f, "{}://[{host}]:{port}", self.0.scheme),
            false => write!(f, "{}://{host}:{port}", self.0.scheme),
        }
    }
}

/// The library's own parser takes an IPv6 address for `localhost`, and shows passwords in its errors.
fn server(address: &str) -> Result<AMQPUri> {
    let wrong = |why: &str| wrong(address, why);
    let (scheme, rest) = match address.split_once("://") {
        Some(("amqp", rest)) => (AMQPScheme::AMQP, rest),
        Some(("amqps", rest)) => (AMQPScheme::AMQPS, rest),
        Some(_) => return Err(wrong("it begins with neither `amqp://` nor `amqps://`")),
        None => (AMQPScheme::AMQP, address),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, vhost) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']').ok_or_else(|| wrong("a bracket has no end"))?;
            (host, port.strip_prefix(':'))
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    if host.is_empty() || host.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(wrong("it has no host"));
    }
    let port = match port {
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => return Err(wrong("its port is none")),
            Ok(port) => port,
        },
        None => scheme.default_port(),
    };
    let userinfo = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        Some((username, password)) => AMQPUserInfo { username: decode(username), password: decode(password) },
        // What every RabbitMQ has, for who is on the same machine.
        None => AMQPUserInfo { username: "guest".to_owned(), password: "guest".to_owned() },
    };
    let mut heartbeat = HEARTBEAT;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("heartbeat", seconds)) => {
                heartbeat = seconds.parse().map_err(|_| wrong("`heartbeat` is a number of seconds"))?;
            }
            _ => return Err(wrong("the only parameter that it can have is `heartbeat`, in seconds")),
        }
    }
    Ok(AMQPUri {
        scheme,
        authority: AMQPAuthority { userinfo, host: host.to_owned(), port },
        vhost: if vhost.is_empty() { "/".to_owned() } else { decode(vhost) },
        query: AMQPQueryString { heartbeat: Some(heartbeat), ..AMQPQueryString::default() },
    })
}

fn decode(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// Shows nothing that could be a password, also where the `@` was forgotten.
#[cold]
fn wrong(address: &str, why: &str) -> Error {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => ("", address),
    };
    let separator = if scheme.is_empty() { "" } else { "://" };
    let shown = match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}{separator}…@{host}"),
        None => format!("{scheme}{separator}{}…", rest.split(':').next().unwrap_or_default()),
    };
    Error::invalid_argument(format!(
        "`{}` is no address of a RabbitMQ server: {why}; write `amqp://user:password@host:5672/vhost`, with TLS `amqps://…`",
        shown.escape_debug()
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_says_who_where_and_what() -> Result<()> {
        let uri = server("amqps://ada:s%40cret@[::1]/a%2fb?heartbeat=3")?;
        assert_eq!((uri.scheme, uri.authority.port), (AMQPScheme::AMQPS, 5671));
        assert_eq!((&*uri.authority.host, &*uri.vhost), ("::1", "a/b"));
        assert_eq!(uri.authority.userinfo.username, "ada");
        assert_eq!(uri.authority.userinfo.password, "s@cret");
        assert_eq!(uri.query.heartbeat, Some(3));
        let servers = Servers::parse("amqp://ada:secret@a:5673, b,[::1]:7")?;
        assert_eq!(servers.to_string(), "amqp://a:5673, amqp://b:5672, amqp://[::1]:7");
        assert!(!format!("{servers:?}").contains("secret"));
        assert_eq!(servers.in_turn().count(), 3);
        for uri in servers.in_turn() {
            assert_eq!((&*uri.vhost, uri.query.heartbeat), ("/", Some(HEARTBEAT)));
        }
        // As the client library of Go does it, and not with an empty name.
        assert_eq!(server("amqp://a/")?.vhost, "/");
        Ok(())
    }

    #[test]
    fn an_address_that_cannot_be_used_is_an_error_that_shows_no_password() {
        for wrong in [
            "http://ada:secret@a",
            "amqp://ada:secret@a:port",
            "amqp://ada:secret",
            "amqp://ada:secret@",
            "amqp://ada:secret@[::1",
            "amqp://ada:secret@a?ssl=on",
            "ada:secret",
            "",
            " , ",
        ] {
            let error = Servers::parse(wrong).expect_err("refused");
            assert!(error.message().contains("amqp://"), "{error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_servers_or_an_error(text in "(amqps?://|)[a-z0-9:@%\\[\\]/?#=&,. ]{0,24}|.{0,24}") {
            if let Ok(servers) = Servers::parse(&text) {
                prop_assert!(servers.in_turn().all(|uri| !uri.authority.host.is_empty() && uri.authority.port > 0));
            }
        }
    }
}
