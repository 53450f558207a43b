//! go-micro's dialect of mDNS: the domain `micro`, one service type per service, and the record in the TXT data.
//!
//! It is spoken beside our own (`_micro._tcp.local.`) where somebody asks for it. Go programs find what is announced here, and theirs are
//! found. Over IPv4, which Go programs always have as well.

mod dialect;
mod followed;
mod packet;
mod sockets;
mod speaker;
mod txt;

pub(super) use dialect::Dialect;
