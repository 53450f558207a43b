//! axum with JSON over HTTP/1.1, as its documentation sets it up. The client is bare hyper, the same as that of
//! `hyper-h1`. It has no streams.

use std::net::SocketAddr;
use std::process::ExitCode;

use axum::routing::post;
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use load::{Ready, Result, Sharing};
use stack_hyper::h1::{Connection, Note};

struct Axum;

impl load::Stack for Axum {
    const NAME: &'static str = "axum";
    const SHARING: Sharing = Sharing::OneEach;
    type Connection = Connection;

    async fn serve(_variant: &str, ready: Ready) -> Result<()> {
        let (listener, address) = load::listen().await?;
        ready.at(address)?;
        let listener = listener.tap_io(|stream| {
            // A connection that has gone already is found out by whoever reads it.
            let _ = stream.set_nodelay(true);
        });
        let router = Router::new().route("/peers.v1.Bench/Echo", post(|note: Json<Note>| async { note }));
        // So that the largest message of the runs passes.
        let router = router.layer(axum::extract::DefaultBodyLimit::disable());
        Ok(axum::serve(listener, router).await?)
    }

    async fn connect(_variant: &str, address: SocketAddr) -> Result<Connection> {
        Connection::open(address).await
    }
}

fn main() -> ExitCode {
    load::main::<Axum>()
}
