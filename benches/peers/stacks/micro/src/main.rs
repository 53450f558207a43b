//! micro in each of its protocols: the generated client with all defaults, and a handler. The one thing that
//! is left out is the registry: the client has a fixed address, as the clients of the other stacks have.

mod many;
mod setting;

use std::net::SocketAddr;
use std::process::ExitCode;

use bytes::Bytes;
use futures_util::StreamExt as _;
use load::{Kept, NAME, Ready, Result, Sharing, Turns};
use micro::registry::Memory;
use micro::{Context, Sender, Service, Streaming};

#[allow(missing_docs, unreachable_pub, reason = "it is generated")]
mod generated {
    micro::include_proto!("peers.v1");
}

use generated::{Bench, BenchClient, Note, Wish};
use many::Many;
use setting::{SERVICE, Setting};

struct Micro;

struct Echo;

#[micro::handler]
impl Bench for Echo {
    async fn echo(&self, _ctx: &Context, note: Note) -> micro::Result<Note> {
        Ok(note)
    }

    async fn count(&self, _ctx: &Context, wish: Wish, out: &mut Sender<Note>) -> micro::Result<()> {
        for _ in 0..wish.count {
            out.send(Note { name: NAME.to_owned(), payload: vec![b'x'; wish.size as usize].into() }).await?;
        }
        Ok(())
    }

    async fn chat(
        &self,
        _ctx: &Context,
        mut notes: Streaming<Note>,
        out: &mut Sender<Note>,
    ) -> micro::Result<()> {
        while let Some(note) = notes.next().await? {
            out.send(note).await?;
        }
        Ok(())
    }
}

impl load::Stack for Micro {
    const NAME: &'static str = "micro";
    type Connection = Connection;

    fn sharing(variant: &str) -> Sharing {
        if Setting::parse(variant).is_ok_and(Setting::is_json) {
            Sharing::Pooled
        } else {
            Sharing::Multiplexed
        }
    }

    async fn serve(variant: &str, ready: Ready) -> Result<()> {
        let setting = Setting::parse(variant)?;
        let service = Service::new(SERVICE).registry(Memory::new()).handle(Echo);
        let service = if setting.methods > 0 { service.handle(Many(setting.methods)) } else { service };
        let service = if setting.is_per_core() { service.runtime_per_core() } else { service };
        let running = service.start().await?;
        ready.at(running.address().parse()?)?;
        Ok(running.until_signal().await?)
    }

    async fn connect(variant: &str, address: SocketAddr) -> Result<Connection> {
        let setting = Setting::parse(variant)?;
        let client = setting.client(address).await?;
        let bench = BenchClient::with_name(&client, SERVICE);
        Ok(Connection { bench, ctx: Context::new(), json: setting.is_json() })
    }
}

struct Connection {
    bench: BenchClient,
    ctx: Context,
    json: bool,
}

impl load::Connection for Connection {
    async fn echo(&self, name: &str, payload: &[u8]) -> Result<usize> {
        let call = self.bench.echo(&self.ctx, Note { name: name.to_owned(), payload: Bytes::copy_from_slice(payload) });
        let call = if self.json { call.codec("json") } else { call };
        Ok(call.await?.payload.len())
    }

    async fn count(&self, count: u32, size: u32, each: &mut (impl FnMut(usize) + Send)) -> Result<()> {
        let mut notes = self.bench.count(&self.ctx, Wish { count, size }).await?;
        while let Some(note) = notes.next().await? {
            each(note.payload.len());
        }
        Ok(())
    }

    async fn chat(&self, name: &str, payload: &[u8], turns: Turns) -> Result<()> {
        let note = Note { name: name.to_owned(), payload: Bytes::copy_from_slice(payload) };
        let sent = Streaming::from_stream(turns.clone().map(move |()| Ok(note.clone())));
        let mut notes = self.bench.chat(&self.ctx, sent).await?;
        while let Some(note) = notes.next().await? {
            turns.back(note.payload.len());
        }
        Ok(())
    }

    async fn keep_open(&self, name: &str, payload: &[u8]) -> Result<Kept> {
        let (mut sender, sent) = Streaming::channel();
        let mut notes = self.bench.chat(&self.ctx, sent).await?;
        sender.send(Note { name: name.to_owned(), payload: Bytes::copy_from_slice(payload) }).await?;
        notes.next().await?;
        Ok(Box::new((sender, notes)))
    }
}

fn main() -> ExitCode {
    load::main::<Micro>()
}
