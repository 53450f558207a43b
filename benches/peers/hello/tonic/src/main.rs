//! A service, and one call to it.

use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

tonic::include_proto!("greeter.v1");

use greeter_client::GreeterClient;
use greeter_server::{Greeter, GreeterServer};

struct Polite;

#[tonic::async_trait]
impl Greeter for Polite {
    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply { message: format!("Hello, {}!", request.into_inner().name) }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::builder().add_service(GreeterServer::new(Polite));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true))));
    let mut greeter = GreeterClient::connect(format!("http://{address}")).await?;
    let reply = greeter.hello(HelloRequest { name: "Ada".to_owned() }).await?;
    println!("{}", reply.into_inner().message);
    Ok(())
}
