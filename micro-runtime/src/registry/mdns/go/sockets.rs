//! The sockets: one that hears what is said to all, and one that asks and hears the answers.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use if_addrs::{IfAddr, Ifv4Addr};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use super::super::network;

/// Where all of mDNS listens.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;

/// The largest packet there is.
const LARGEST: usize = 65_535;

/// How far a multicast packet goes: RFC 6762, section 11.
const EVERYWHERE: u32 = 255;

/// A packet with this time to live stays on this machine.
const HERE: u32 = 0;

/// Whom a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// All that listen on the networks of this machine.
    Network,
    /// The programs on this machine.
    Machine,
}

pub(super) struct Sockets {
    /// On port 5353, which others have as well.
    pub(super) shared: UdpSocket,
    /// On a port of its own, which answers come to.
    pub(super) own: UdpSocket,
    joined: BTreeSet<Ipv4Addr>,
    networks: Vec<Ifv4Addr>,
}

impl Sockets {
    pub(super) fn open() -> io::Result<Self> {
        let shared = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        shared.set_reuse_address(true)?;
        // Other systems than Linux want it for all who share the port.
        #[cfg(unix)]
        shared.set_reuse_port(true)?;
        shared.set_nonblocking(true)?;
        shared.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)).into())?;
        let own = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        own.set_nonblocking(true)?;
        let mut sockets = Self {
            shared: UdpSocket::from_std(shared.into())?,
            own: UdpSocket::from_std(own)?,
            joined: BTreeSet::new(),
            networks: Vec::new(),
        };
        sockets.join();
        Ok(sockets)
    }

    /// Listens on the interfaces there are by now.
    pub(super) fn join(&mut self) {
        self.networks = networks().collect();
        let there: BTreeSet<_> = self.networks.iter().map(|network| network.ip).collect();
        for gone in self.joined.difference(&there) {
            let _ = self.shared.leave_multicast_v4(GROUP, *gone);
        }
        self.joined.retain(|known| there.contains(known));
        for interface in there {
            // One that does not do multicast is not listened on.
            if !self.joined.contains(&interface) && self.shared.join_multicast_v4(GROUP, interface).is_ok() {
                self.joined.insert(interface);
            }
        }
    }

    /// Sends to all, from port 5353.
    pub(super) fn announce(&self, packet: &[u8], reach: Reach) {
        self.multicast(&self.shared, packet, reach);
    }

    /// Asks all.
    pub(super) fn ask(&self, packet: &[u8]) {
        self.multicast(&self.own, packet, Reach::Network);
    }

    /// Answers one. What does not fit into the queue of the socket is lost, as it may be on the way.
    pub(super) fn answer(&self, packet: &[u8], to: SocketAddr) {
        let _ = self.shared.try_send_to(packet, to);
    }

    fn multicast(&self, socket: &UdpSocket, packet: &[u8], reach: Reach) {
        let options = SockRef::from(socket);
        let hops = if reach == Reach::Machine { HERE } else { EVERYWHERE };
        if options.set_multicast_ttl_v4(hops).is_err() {
            return;
        }
        for interface in &self.joined {
            if options.set_multicast_if_v4(interface).is_ok() {
                let _ = socket.try_send_to(packet, SocketAddr::V4(SocketAddrV4::new(GROUP, PORT)));
            }
        }
    }

    /// Whether this is an address of this machine.
    pub(super) fn is_ours(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || matches!(ip, IpAddr::V4(ip) if self.joined.contains(&ip))
    }

    /// Whether this is an address in one of the networks of this machine.
    pub(super) fn is_near(&self, ip: IpAddr) -> bool {
        self.is_ours(ip)
            || matches!(ip, IpAddr::V4(ip) if self.networks.iter().any(|network| has(network, ip)))
    }

    /// Whether there is an interface to be heard on.
    pub(super) fn any(&self) -> bool {
        !self.joined.is_empty()
    }
}

/// A buffer for what is received.
pub(super) fn buffer() -> Vec<u8> {
    vec![0; LARGEST]
}

fn networks() -> impl Iterator<Item = Ifv4Addr> {
    network::interfaces().into_iter().filter_map(|interface| match interface.addr {
        IfAddr::V4(address) => Some(address),
        IfAddr::V6(_) => None,
    })
}

fn has(network: &Ifv4Addr, ip: Ipv4Addr) -> bool {
    // An address without a network, in which there is nobody else, is not one with all the world in it.
    let mask = if network.netmask.is_unspecified() { Ipv4Addr::BROADCAST } else { network.netmask };
    ip & mask == network.ip & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_is_told_from_others() {
        let network =
            |netmask| Ifv4Addr { ip: Ipv4Addr::new(192, 168, 7, 5), netmask, prefixlen: 0, broadcast: None };
        let near = network(Ipv4Addr::new(255, 255, 255, 0));
        assert!(has(&near, Ipv4Addr::new(192, 168, 7, 200)));
        assert!(!has(&near, Ipv4Addr::new(192, 168, 8, 200)) && !has(&near, Ipv4Addr::new(203, 0, 113, 9)));
        assert!(!has(&network(Ipv4Addr::UNSPECIFIED), Ipv4Addr::new(203, 0, 113, 9)));
    }
}
