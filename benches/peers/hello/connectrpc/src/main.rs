//! A service, and one call to it.

use std::error::Error;
use std::sync::Arc;

use connectrpc::client::{ClientConfig, Http2Connection};
use connectrpc::{RequestContext, Response, Router, Server, ServiceRequest, ServiceResult};
use tokio::net::TcpListener;

mod proto {
    connectrpc::include_generated!();
}

use proto::greeter::v1::{Greeter, GreeterClient, HelloReply, HelloRequest};

struct Polite;

#[allow(refining_impl_trait, reason = "its documentation says so")]
impl Greeter for Polite {
    async fn hello(
        &self,
        _: RequestContext,
        request: ServiceRequest<'_, HelloRequest>,
    ) -> ServiceResult<HelloReply> {
        Response::ok(HelloReply { message: format!("Hello, {}!", request.name), ..HelloReply::default() })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let uri: http::Uri = format!("http://{}", listener.local_addr()?).parse()?;
    tokio::spawn(Server::from_listener(listener).serve(Router::new().add_service(Arc::new(Polite))));
    let transport = Http2Connection::connect_plaintext(uri.clone()).await?.shared(1024);
    let greeter = GreeterClient::new(transport, ClientConfig::new(uri));
    let reply = greeter.hello(HelloRequest { name: "Ada".to_owned(), ..HelloRequest::default() }).await?;
    println!("{}", reply.into_owned().message);
    Ok(())
}
