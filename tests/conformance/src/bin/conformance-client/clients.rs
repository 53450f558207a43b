//! The clients that calls are made with, one for each server and set of options, so that calls share
//! connections as they do in a program.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use micro::client::{ClientBuilder, HttpVersion, Protocol};
use micro::codec::Compression;
use micro::tls::ClientTls;
use micro::{Client, Environment, Error, Result};
use micro_conformance::proto::{
    ClientCompatRequest, Compression as AskedCompression, ConformanceServiceClient,
    HttpVersion as AskedVersion, Protocol as AskedProtocol,
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
        builder = if native() {
            builder.protocol(Protocol::Native)
        } else {
            self.http_version(self.protocol(builder)?)?
        };
        builder = self.compression(builder)?;
        builder = self.tls(builder)?;
        Ok(builder.build())
    }

    fn protocol(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        let protocol = match AskedProtocol::try_from(self.protocol) {
            Ok(AskedProtocol::Connect) => Protocol::Connect,
            Ok(AskedProtocol::Grpc) => Protocol::Grpc,
            Ok(AskedProtocol::GrpcWeb) => Protocol::GrpcWeb,
            other => return Err(unknown("protocol", other)),
        };
        Ok(builder.protocol(protocol))
    }

    fn http_version(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        let version = match AskedVersion::try_from(self.http_version) {
            Ok(AskedVersion::HttpVersion1) => HttpVersion::Http1,
            Ok(AskedVersion::HttpVersion2) => HttpVersion::Http2,
            other => return Err(unknown("HTTP version", other)),
        };
        Ok(builder.http_version(version))
    }

    fn compression(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        match AskedCompression::try_from(self.compression) {
            Ok(AskedCompression::Unspecified | AskedCompression::Identity) => Ok(builder),
            Ok(AskedCompression::Gzip) => Ok(builder.compression(Compression::Gzip)),
            Ok(AskedCompression::Zstd) => Ok(builder.compression(Compression::Zstd)),
            other => Err(unknown("compression", other)),
        }
    }

    fn tls(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        if self.server_certificate.is_empty() {
            return Ok(builder);
        }
        let tls = ClientTls::new().roots_pem(&self.server_certificate)?;
        Ok(builder.tls(match &self.own_certificate {
            Some((certificate, key)) => tls.identity(certificate, key)?,
            None => tls,
        }))
    }
}

/// Whether calls go over the native wire, whatever protocol the suite says. Our own server is on the other
/// side then.
fn native() -> bool {
    std::env::args().any(|arg| arg == "--native")
}

fn unknown(what: &str, given: impl std::fmt::Debug) -> Error {
    Error::unimplemented(format!("this program knows no {what} {given:?}"))
}
