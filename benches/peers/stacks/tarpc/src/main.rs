//! tarpc over TCP with bincode, as its documentation sets it up. It has no streams.

use std::future::ready;
use std::net::SocketAddr;
use std::process::ExitCode;

use futures_util::StreamExt as _;
use load::{Ready, Result};
use serde::{Deserialize, Serialize};
use tarpc::server::{BaseChannel, Channel as _};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context};

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    name: String,
    // Without it each byte is written on its own.
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

#[tarpc::service]
trait Bench {
    async fn echo(note: Note) -> Note;
}

#[derive(Clone)]
struct Echo;

impl Bench for Echo {
    async fn echo(self, _: context::Context, note: Note) -> Note {
        note
    }
}

struct Tarpc;

impl load::Stack for Tarpc {
    const NAME: &'static str = "tarpc";
    type Connection = Connection;

    async fn serve(_variant: &str, ready_at: Ready) -> Result<()> {
        let listener = tarpc::serde_transport::tcp::listen("127.0.0.1:0", Bincode::default).await?;
        ready_at.at(listener.local_addr())?;
        listener
            .filter_map(|transport| ready(transport.ok()))
            .for_each(|transport| async {
                let calls = BaseChannel::with_defaults(transport).execute(Echo.serve());
                tokio::spawn(calls.for_each(|call| async {
                    tokio::spawn(call);
                }));
            })
            .await;
        Ok(())
    }

    async fn connect(_variant: &str, address: SocketAddr) -> Result<Connection> {
        let transport = tarpc::serde_transport::tcp::connect(address, Bincode::default).await?;
        Ok(Connection(BenchClient::new(client::Config::default(), transport).spawn()))
    }
}

struct Connection(BenchClient);

impl load::Connection for Connection {
    async fn echo(&self, name: &str, payload: &[u8]) -> Result<usize> {
        let note = Note { name: name.to_owned(), payload: payload.to_vec() };
        Ok(self.0.echo(context::current(), note).await?.payload.len())
    }
}

fn main() -> ExitCode {
    load::main::<Tarpc>()
}
