//! The clients that calls are made with, one for each server and set of options, so that calls share
//! connections as they do in a program.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use micro::client::{ClientBuilder, Protocol};
use micro::codec::Compression;
use micro::{Client, Environment, Error, Result};
use micro_conformance::proto::{
    ClientCompatRequest, Compression as AskedCompression, ConformanceServiceClient, HttpVersion,
    Protocol as Asked,
};

#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<Options, ConformanceServiceClient>>);

/// What one client is made for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Options {
    address: String,
    protocol: i32,
    http_version: i32,
    compression: i32,
    http_get: bool,
    max_message_size: u32,
    server_certificate: Vec<u8>,
    own_certificate: Option<(Vec<u8>, Vec<u8>)>,
}

impl Clients {
    /// The client for a call.
    pub(crate) fn of(&self, asked: &ClientCompatRequest) -> Result<ConformanceServiceClient> {
        let options = Options::of(asked);
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&options) {
            return Ok(client.clone());
        }
        let client = ConformanceServiceClient::new(&options.client()?);
        clients.insert(options, client.clone());
        Ok(client)
    }
}

impl Options {
    fn of(asked: &ClientCompatRequest) -> Self {
        let own = asked.client_tls_creds.as_ref();
        Self {
            address: format!("{}:{}", asked.host, asked.port),
            protocol: asked.protocol,
            http_version: asked.http_version,
            compression: asked.compression,
            http_get: asked.use_get_http_method,
            max_message_size: asked.message_receive_limit,
            server_certificate: asked.server_tls_cert.clone(),
            own_certificate: own.map(|own| (own.cert.clone(), own.key.clone())),
        }
    }

    fn client(&self) -> Result<Client> {
        let mut builder = Client::builder()
            .environment(Environment::empty())
            .address(&self.address)
            // Without a time of its own a call has none: the suite looks at what was sent.
            .timeout(Duration::MAX)
            .http_get(self.http_get);
        if let Some(size) = usize::try_from(self.max_message_size).ok().filter(|size| *size > 0) {
            builder = builder.max_message_size(size);
        }
        builder = self.protocol(builder)?;
        builder = self.http_version(builder)?;
        builder = self.compression(builder)?;
        builder = self.tls(builder)?;
        Ok(builder.build())
    }

    fn protocol(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        let protocol = match Asked::try_from(self.protocol) {
            Ok(Asked::Connect) => Protocol::Connect,
            Ok(Asked::Grpc) => Protocol::Grpc,
            Ok(Asked::GrpcWeb) => Protocol::GrpcWeb,
            other => return Err(unknown("protocol", other)),
        };
        Ok(builder.protocol(protocol))
    }

    // KNOB: `ClientBuilder::http_version`.
    fn http_version(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        match HttpVersion::try_from(self.http_version) {
            Ok(HttpVersion::HttpVersion2) => Ok(builder),
            other => Err(unknown("HTTP version", other)),
        }
    }

    fn compression(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        match AskedCompression::try_from(self.compression) {
            Ok(AskedCompression::Unspecified | AskedCompression::Identity) => Ok(builder),
            Ok(AskedCompression::Gzip) => Ok(builder.compression(Compression::Gzip)),
            Ok(AskedCompression::Zstd) => Ok(builder.compression(Compression::Zstd)),
            other => Err(unknown("compression", other)),
        }
    }

    // KNOB: `ClientBuilder::tls`.
    fn tls(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        match self.server_certificate.as_slice() {
            [] => Ok(builder),
            _ => Err(unknown("transport", "TLS")),
        }
    }
}

fn unknown(what: &str, given: impl std::fmt::Debug) -> Error {
    Error::unimplemented(format!("this program knows no {what} {given:?}"))
}
