//! Who calls, as far as an address tells.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The key of a caller at this address: without the port, and of IPv6 the network of 64 bits, which is what one
/// subscriber has for itself (RFC 6177). Any other address, a Unix socket for example, is one key.
pub(super) fn key(peer: &str) -> String {
    let address = peer.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| peer.parse::<IpAddr>());
    match address.map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.to_string(),
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        Err(_) => peer.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_caller_is_its_address_without_the_port() {
        assert_eq!(key("192.0.2.7:4711"), "192.0.2.7");
        assert_eq!(key("192.0.2.7"), "192.0.2.7");
        assert_eq!(key("[::ffff:192.0.2.7]:1"), "192.0.2.7");
        assert_eq!(key("[2001:db8:1:2:3:4:5:6]:443"), "2001:db8:1:2::/64");
        assert_eq!(key("unix:/run/a.sock"), "unix:/run/a.sock");
    }

    proptest! {
        #[test]
        fn any_peer_is_a_caller(peer in ".{0,40}") {
            let _ = key(&peer);
        }

        #[test]
        fn all_ports_of_an_address_are_one_caller(address: u32, ports: (u16, u16)) {
            let of = |port| key(&SocketAddr::new(IpAddr::V4(address.into()), port).to_string());
            prop_assert_eq!(of(ports.0), of(ports.1));
        }
    }
}
