//! volo-thrift as its documentation sets it up, with its pool of connections. It has no streams.

use std::net::SocketAddr;
use std::process::ExitCode;

use load::{Ready, Result, Sharing};
use pilota::{Bytes, FastStr};
use volo_thrift::ServerError;

// volo generates unsafe code.
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, reason = "it is generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/volo_gen.rs"));
}

use generated::volo_gen::peers::{Bench, BenchClient, BenchClientBuilder, BenchServer, Note};

struct VoloThrift;

struct Echo;

impl Bench for Echo {
    async fn echo(&self, note: Note) -> Result<Note, ServerError> {
        Ok(note)
    }
}

impl load::Stack for VoloThrift {
    const NAME: &'static str = "volo-thrift";
    const SHARING: Sharing = Sharing::Pooled;
    type Connection = Connection;

    async fn serve(_variant: &str, ready: Ready) -> Result<()> {
        let (listener, address) = load::listen().await?;
        ready.at(address)?;
        BenchServer::new(Echo).run(volo::net::incoming::DefaultIncoming::from(listener)).await
    }

    async fn connect(_variant: &str, address: SocketAddr) -> Result<Connection> {
        Ok(Connection(BenchClientBuilder::new("bench").address(address).build()))
    }
}

struct Connection(BenchClient);

impl load::Connection for Connection {
    async fn echo(&self, name: &str, payload: &[u8]) -> Result<usize> {
        let note = Note { name: FastStr::new(name), payload: Bytes::copy_from_slice(payload) };
        Ok(self.0.echo(note).await?.payload.len())
    }
}

fn main() -> ExitCode {
    load::main::<VoloThrift>()
}
