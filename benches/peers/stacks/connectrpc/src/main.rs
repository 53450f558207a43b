//! connectrpc as its documentation sets it up: the server of its own, and `Http2Connection` as the client. The
//! variants are `grpc` and `connect`, both over HTTP/2 with protobuf.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use connectrpc::client::{ClientConfig, Http2Connection, SharedHttp2Connection};
use connectrpc::{
    InboundStream, Protocol, RequestContext, Response, Router, Server, ServiceRequest, ServiceResult,
    ServiceStream,
};
use futures_util::future::try_join;
use futures_util::{StreamExt as _, stream};
use load::{Kept, NAME, Ready, Result, Turns};

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::use_self, reason = "it is generated")]
mod generated {
    connectrpc::include_generated!();
}

use generated::peers::v1::{Bench, BenchClient, Note, Wish};

struct Connectrpc;

struct Echo;

#[allow(refining_impl_trait, reason = "its documentation says so")]
impl Bench for Echo {
    async fn echo(&self, _: RequestContext, request: ServiceRequest<'_, Note>) -> ServiceResult<Note> {
        Response::ok(request.to_owned_message())
    }

    async fn count(
        &self,
        _: RequestContext,
        request: ServiceRequest<'_, Wish>,
    ) -> ServiceResult<ServiceStream<Note>> {
        let (count, size) = (request.count, request.size);
        let note = move |_| Ok(self::note(NAME, &vec![b'x'; size as usize]));
        Response::stream_ok(stream::iter(0..count).map(note))
    }

    async fn chat(
        &self,
        _: RequestContext,
        notes: InboundStream<Note>,
    ) -> ServiceResult<ServiceStream<Note>> {
        Response::stream_ok(notes.map(|note| Ok(note?.to_owned_message())))
    }
}

fn note(name: &str, payload: &[u8]) -> Note {
    Note { name: name.to_owned(), payload: payload.to_vec(), ..Note::default() }
}

impl load::Stack for Connectrpc {
    const NAME: &'static str = "connectrpc";
    type Connection = Connection;

    async fn serve(_variant: &str, ready: Ready) -> Result<()> {
        let (listener, address) = load::listen().await?;
        ready.at(address)?;
        Server::from_listener(listener).serve(Router::new().add_service(Arc::new(Echo))).await
    }

    async fn connect(variant: &str, address: SocketAddr) -> Result<Connection> {
        let protocol = match variant {
            "" | "grpc" => Protocol::Grpc,
            "connect" => Protocol::Connect,
            other => return Err(format!("`{other}` is neither grpc nor connect").into()),
        };
        let uri: http::Uri = format!("http://{address}").parse()?;
        let transport = Http2Connection::connect_plaintext(uri.clone()).await?.shared(1024);
        Ok(Connection(BenchClient::new(transport, ClientConfig::new(uri).with_protocol(protocol))))
    }
}

struct Connection(BenchClient<SharedHttp2Connection>);

impl load::Connection for Connection {
    async fn echo(&self, name: &str, payload: &[u8]) -> Result<usize> {
        Ok(self.0.echo(note(name, payload)).await?.into_owned().payload.len())
    }

    async fn count(&self, count: u32, size: u32, each: &mut (impl FnMut(usize) + Send)) -> Result<()> {
        let mut notes = self.0.count(Wish { count, size, ..Wish::default() }).await?;
        while let Some(note) = notes.message::<Note>().await? {
            each(note.to_owned_message().payload.len());
        }
        Ok(())
    }

    async fn chat(&self, name: &str, payload: &[u8], mut turns: Turns) -> Result<()> {
        let back = turns.clone();
        let (mut sender, mut notes) = self.0.chat().await?.into_split();
        let send = async {
            while let Some(()) = turns.next().await {
                sender.send(note(name, payload)).await?;
            }
            sender.close_send();
            Ok::<_, load::Error>(())
        };
        let receive = async {
            while let Some(note) = notes.message::<Note>().await? {
                back.back(note.to_owned_message().payload.len());
            }
            Ok(())
        };
        try_join(send, receive).await?;
        Ok(())
    }

    async fn keep_open(&self, name: &str, payload: &[u8]) -> Result<Kept> {
        let mut chat = self.0.chat().await?;
        chat.send(note(name, payload)).await?;
        chat.message::<Note>().await?;
        Ok(Box::new(chat))
    }
}

fn main() -> ExitCode {
    load::main::<Connectrpc>()
}
