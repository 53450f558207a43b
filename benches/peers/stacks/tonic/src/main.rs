//! tonic as its documentation sets it up: `Server::builder` and a `Channel`, with their defaults.

use std::net::SocketAddr;
use std::process::ExitCode;

use bytes::Bytes;
use futures_util::StreamExt as _;
use load::{Kept, NAME, Ready, Result, Turns};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "it is generated")]
mod generated {
    tonic::include_proto!("peers.v1");
}

use generated::bench_client::BenchClient;
use generated::bench_server::{Bench, BenchServer};
use generated::{Note, Wish};

struct Tonic;

struct Echo;

#[tonic::async_trait]
impl Bench for Echo {
    async fn echo(&self, request: Request<Note>) -> Result<Response<Note>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    type CountStream = futures_util::stream::BoxStream<'static, Result<Note, Status>>;

    async fn count(&self, request: Request<Wish>) -> Result<Response<Self::CountStream>, Status> {
        let Wish { count, size } = request.into_inner();
        let note = move |_| Ok(Note { name: NAME.to_owned(), payload: vec![b'x'; size as usize].into() });
        Ok(Response::new(futures_util::stream::iter(0..count).map(note).boxed()))
    }

    type ChatStream = Streaming<Note>;

    async fn chat(&self, request: Request<Streaming<Note>>) -> Result<Response<Streaming<Note>>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

impl load::Stack for Tonic {
    const NAME: &'static str = "tonic";
    type Connection = Connection;

    async fn serve(_variant: &str, ready: Ready) -> Result<()> {
        let (listener, address) = load::listen().await?;
        ready.at(address)?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Ok(Server::builder().add_service(BenchServer::new(Echo)).serve_with_incoming(incoming).await?)
    }

    async fn connect(_variant: &str, address: SocketAddr) -> Result<Connection> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
        Ok(Connection(BenchClient::new(channel)))
    }
}

struct Connection(BenchClient<Channel>);

impl load::Connection for Connection {
    async fn echo(&self, name: &str, payload: &[u8]) -> Result<usize> {
        let note = Note { name: name.to_owned(), payload: Bytes::copy_from_slice(payload) };
        Ok(self.0.clone().echo(note).await?.into_inner().payload.len())
    }

    async fn count(&self, count: u32, size: u32, each: &mut (impl FnMut(usize) + Send)) -> Result<()> {
        let mut notes = self.0.clone().count(Wish { count, size }).await?.into_inner();
        while let Some(note) = notes.message().await? {
            each(note.payload.len());
        }
        Ok(())
    }

    async fn chat(&self, name: &str, payload: &[u8], turns: Turns) -> Result<()> {
        let note = Note { name: name.to_owned(), payload: Bytes::copy_from_slice(payload) };
        let mut notes = self.0.clone().chat(turns.clone().map(move |()| note.clone())).await?.into_inner();
        while let Some(note) = notes.message().await? {
            turns.back(note.payload.len());
        }
        Ok(())
    }

    async fn keep_open(&self, name: &str, payload: &[u8]) -> Result<Kept> {
        let (sender, receiver) = mpsc::channel(1);
        sender.send(Note { name: name.to_owned(), payload: Bytes::copy_from_slice(payload) }).await?;
        let mut notes = self.0.clone().chat(ReceiverStream::new(receiver)).await?.into_inner();
        notes.message().await?;
        Ok(Box::new((sender, notes)))
    }
}

fn main() -> ExitCode {
    load::main::<Tonic>()
}
