//! The server that is called.

use micro::client::Protocol;
use micro::tls::ClientTls;
use micro::{Client, Context, Environment, Error, Result};
use micro_interop_grpc::failures::FailuresClient;
use micro_interop_grpc::orca::OpenRcaServiceClient;
use micro_interop_grpc::testing::{Empty, TestServiceClient};

/// The method that servers leave out.
#[micro::service(package = "grpc.testing", name = "TestService")]
pub(crate) trait LeftOut {
    async fn unimplemented_call(&self, ctx: &Context, request: Empty) -> Result<Empty>;
}

/// The service that servers leave out.
#[micro::service(package = "grpc.testing", name = "UnimplementedService")]
pub(crate) trait Nowhere {
    async fn unimplemented_call(&self, ctx: &Context, request: Empty) -> Result<Empty>;
}

pub(crate) struct Peer {
    protocol: Protocol,
    address: String,
    tls: Option<ClientTls>,
    pub(crate) tests: TestServiceClient,
    pub(crate) left_out: LeftOutClient,
    pub(crate) nowhere: NowhereClient,
    pub(crate) reports: OpenRcaServiceClient,
    pub(crate) failures: FailuresClient,
}

impl Peer {
    pub(crate) fn new(protocol: Protocol, address: &str, tls: Option<ClientTls>) -> Self {
        let mut client =
            Client::builder().environment(Environment::empty()).address(address).protocol(protocol);
        if let Some(tls) = &tls {
            client = client.tls(tls.clone());
        }
        let client = client.build();
        Self {
            protocol,
            address: address.to_owned(),
            tls,
            tests: TestServiceClient::new(&client),
            left_out: LeftOutClient::new(&client),
            nowhere: NowhereClient::new(&client),
            reports: OpenRcaServiceClient::new(&client),
            failures: FailuresClient::new(&client),
        }
    }

    /// The same server over connections of its own.
    pub(crate) fn anew(&self) -> Self {
        Self::new(self.protocol, &self.address, self.tls.clone())
    }
}

/// An error that says what is not as it is to be.
pub(crate) fn check(is_right: bool, what: impl FnOnce() -> String) -> Result<()> {
    if is_right { Ok(()) } else { Err(Error::internal(what())) }
}

/// The error that a call is to end with.
pub(crate) fn failed<T>(outcome: Result<T>) -> Result<Error> {
    match outcome {
        Ok(_) => Err(Error::internal("the call ended well, and is to fail")),
        Err(error) => Ok(error),
    }
}
