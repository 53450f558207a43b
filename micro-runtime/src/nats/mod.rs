//! NATS, as far as the drivers share it: where the servers are, how to prove who we are, the connection, and
//! JetStream's streams and consumers. It knows nothing of what the drivers carry.

pub(crate) mod api;
pub(crate) mod consumer;
mod credentials;
pub(crate) mod echo;
pub(crate) mod link;
pub(crate) mod name;
pub(crate) mod pull;
pub(crate) mod send;
mod settings;
pub(crate) mod taken;

#[cfg(test)]
pub(crate) use credentials::tests::file as credentials_file;
pub(crate) use settings::Settings;
