//! What this machine's network lets mDNS do.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::error::{Error, Result};
use crate::registry::Node;
use crate::transport::is_path;

/// The port in the SRV record of a node that has none: the one where everything is discarded.
const PORT_OF_PATHS: u16 = 9;

/// The address and port for the SRV and address records of a node. No address means: those of the
/// interfaces it is announced on.
///
/// mDNS announces an address only on the interface it belongs to, which is right for one of this
/// machine: a node on 127.0.0.1 is nobody else's business. An address that is elsewhere, the outer
/// one of a container for example, would be announced nowhere. Clients go by the TXT record.
pub(super) fn published(node: &Node) -> Result<(Option<IpAddr>, u16)> {
    let Node { id, address, .. } = node;
    let wrong = |reason: &str| {
        Error::invalid_argument(format!("node `{id}` cannot be announced at `{address}` over mDNS: {reason}"))
    };
    if is_path(address) {
        // A path is of this machine, and clients go by the TXT record.
        return Ok((Some(Ipv4Addr::LOCALHOST.into()), PORT_OF_PATHS));
    }
    let (host, port) = address.rsplit_once(':').ok_or_else(|| wrong("give it as `host:port`"))?;
    let port = match port.parse() {
        Ok(0) | Err(_) => return Err(wrong("the port has to be a number from 1 to 65535")),
        Ok(port) => port,
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => {
            Err(wrong("nobody can connect to it; advertise an address of this machine"))
        }
        Ok(ip) => Ok((interfaces().iter().any(|interface| interface.ip() == ip).then_some(ip), port)),
        Err(_) if host.is_empty() => Err(wrong("the host is missing")),
        Err(_) => Ok((None, port)),
    }
}

/// The error where mDNS reaches nobody, with the ways out.
#[cold]
pub(super) fn unavailable(what: &str) -> Error {
    let names: BTreeSet<_> = interfaces().into_iter().map(|interface| interface.name).collect();
    let reason = if names.is_empty() {
        "no network interface is up".to_owned()
    } else {
        format!(
            "multicast on UDP port 5353 works on none of the interfaces ({}); a container network, a \
             firewall, or another program that keeps the port to itself may be the reason",
            names.into_iter().collect::<Vec<_>>().join(", ")
        )
    };
    Error::unavailable(format!(
        "mDNS cannot {what} on this machine: {reason}. Choose another registry with MICRO_REGISTRY, or in code: `etcd`, \
         `consul` or `nats` where a server runs, `dns` in Kubernetes, `static` for a list of addresses, `memory` where all \
         services are in one process; or give clients the address of the service. The manual's page on discovery \
         says which one is for whom"
    ))
}

/// The interfaces that are up, with an address each.
pub(super) fn interfaces() -> Vec<if_addrs::Interface> {
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    all.into_iter().filter(|interface| interface.is_oper_up() && !interface.is_p2p()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_nobody_can_connect_to_are_refused_with_the_reason() {
        let of = |address: &str| published(&Node::new("a-1", address));
        for (address, reason) in [
            ("10.0.0.1", "host:port"),
            ("10.0.0.1:0", "65535"),
            ("10.0.0.1:http", "65535"),
            ("0.0.0.0:80", "advertise"),
            ("[::]:80", "advertise"),
            (":80", "host is missing"),
        ] {
            let error = of(address).expect_err("refused");
            assert!(error.message().contains(reason), "{error}");
        }
    }

    #[test]
    fn an_address_that_is_not_of_this_machine_is_announced_everywhere() -> Result<()> {
        assert_eq!(published(&Node::new("a-1", "203.0.113.9:80"))?, (None, 80));
        assert_eq!(published(&Node::new("a-1", "greeter.example:80"))?, (None, 80));
        let (ip, _) = published(&Node::new("a-1", "unix:/run/a.sock"))?;
        assert!(ip.is_some_and(|ip| ip.is_loopback()), "a path is of this machine");
        Ok(())
    }
}
