//! volo-grpc as its documentation sets it up.

#![allow(clippy::result_large_err, reason = "the error of volo is")]

use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;

use futures_util::{StreamExt as _, stream};
use load::{Kept, NAME, Ready, Result, Turns};
use pilota::{Bytes, FastStr};
use tokio::sync::oneshot;
use volo_grpc::server::{Server, ServiceBuilder};
use volo_grpc::{BoxStream, RecvStream, Request, Response, Status};

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "it is generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/volo_gen.rs"));
}

use generated::volo_gen::peers::v1::{Bench, BenchClient, BenchClientBuilder, BenchServer, Note, Wish};

struct VoloGrpc;

struct Echo;

impl Bench for Echo {
    async fn echo(&self, request: Request<Note>) -> Result<Response<Note>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn count(
        &self,
        request: Request<Wish>,
    ) -> Result<Response<BoxStream<'static, Result<Note, Status>>>, Status> {
        let Wish { count, size } = request.into_inner();
        let note = move |_| Ok(self::note(NAME, &vec![b'x'; size as usize]));
        Ok(Response::new(stream::iter(0..count).map(note).boxed()))
    }

    async fn chat(
        &self,
        request: Request<RecvStream<Note>>,
    ) -> Result<Response<BoxStream<'static, Result<Note, Status>>>, Status> {
        Ok(Response::new(request.into_inner().boxed()))
    }
}

fn note(name: &str, payload: &[u8]) -> Note {
    Note { name: FastStr::new(name), payload: Bytes::copy_from_slice(payload) }
}

impl load::Stack for VoloGrpc {
    const NAME: &'static str = "volo-grpc";
    type Connection = Connection;

    async fn serve(_variant: &str, ready: Ready) -> Result<()> {
        let (listener, address) = load::listen().await?;
        ready.at(address)?;
        let service = ServiceBuilder::new(BenchServer::new(Echo)).build();
        Server::new().add_service(service).run(volo::net::incoming::DefaultIncoming::from(listener)).await
    }

    async fn connect(_variant: &str, address: SocketAddr) -> Result<Connection> {
        Ok(Connection(BenchClientBuilder::new("bench").address(address).build()))
    }
}

struct Connection(BenchClient);

impl load::Connection for Connection {
    async fn echo(&self, name: &str, payload: &[u8]) -> Result<usize> {
        Ok(self.0.echo(note(name, payload)).await?.into_inner().payload.len())
    }

    async fn count(&self, count: u32, size: u32, each: &mut (impl FnMut(usize) + Send)) -> Result<()> {
        let mut notes = pin!(self.0.count(Wish { count, size }).await?.into_inner());
        while let Some(note) = notes.next().await {
            each(note?.payload.len());
        }
        Ok(())
    }

    async fn chat(&self, name: &str, payload: &[u8], turns: Turns) -> Result<()> {
        let note = note(name, payload);
        let sent = turns.clone().map(move |()| note.clone());
        let mut notes = pin!(self.0.chat(sent).await?.into_inner());
        while let Some(note) = notes.next().await {
            turns.back(note?.payload.len());
        }
        Ok(())
    }

    async fn keep_open(&self, name: &str, payload: &[u8]) -> Result<Kept> {
        // The stream of a client borrows it, so a task keeps both.
        let (client, note) = (self.0.clone(), note(name, payload));
        let (opened, is_open) = oneshot::channel();
        let (keep, kept) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let sent = stream::iter([note]).chain(stream::once(kept).filter_map(async |_| None));
            let mut notes = pin!(client.chat(sent).await?.into_inner());
            // Nobody who waits is no reason to go on.
            let _ = opened.send(notes.next().await.is_some_and(|note| note.is_ok()));
            while notes.next().await.transpose()?.is_some() {}
            Ok::<_, Status>(())
        });
        if is_open.await? { Ok(Box::new(keep)) } else { Err("the stream does not open".into()) }
    }
}

fn main() -> ExitCode {
    load::main::<VoloGrpc>()
}
