//! TLS: who a node is, and whom it trusts.
//!
//! A service that is given a [`ServerTls`] takes no connection without TLS, and a client that is
//! given a [`ClientTls`] makes none without it. It works on every
//! [transport](crate::transport). Both sides agree on the HTTP version in the handshake (ALPN).
//!
//! ```no_run
//! use micro_runtime::tls::{ClientTls, ServerTls};
//! use micro_runtime::{Client, Result, Service};
//!
//! # fn main() -> Result<()> {
//! let service = Service::new("greeter").tls(ServerTls::from_files("greeter.pem", "greeter.key")?);
//!
//! let trusted = ClientTls::new().roots_file("ca.pem")?;
//! let client = Client::builder().tls(trusted).build();
//! # drop((service, client));
//! # Ok(())
//! # }
//! ```
//!
//! Certificates that only these two know can be trusted as they are; for a fleet, make an authority
//! and let both sides name it: the server what its clients must show
//! ([`ServerTls::client_roots`]), the client what it shows ([`ClientTls::identity`]).
//!
//! What can be said with neither is said with a configuration of [`rustls`], which is exported here
//! in the version that is in use. The cryptography is that of `ring`.

mod client;
mod pem;
mod server;
mod trouble;
mod watched;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use client::ClientTls;
pub(crate) use client::Connector;
pub use rustls;
pub use server::ServerTls;
pub(crate) use server::{Acceptor, Declined};
pub(crate) use watched::Refusal;

use crate::transport::BoxIo;

/// How what can be spoken is called in the handshake.
pub(crate) const HTTP1: &[u8] = b"http/1.1";
pub(crate) const HTTP2: &[u8] = b"h2";
pub(crate) const NATIVE: &[u8] = b"micro/1";

/// A connection of a client after the handshake.
pub(crate) struct Secured {
    pub(crate) io: BoxIo,
    /// What of the offered was chosen, if the server chose.
    pub(crate) agreed: Option<Vec<u8>>,
    pub(crate) refusal: Refusal,
}

/// Named wherever a configuration is made: rustls has no provider of its own where a program has
/// more than one or none.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
