//! Bytes as a client's connection delivers them.

use std::sync::Arc;
use std::time::Duration;

use micro::client::HttpVersion;
use micro::transport::BoxIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::time::sleep;

use crate::caller::Calling;
use crate::input::Input;
use crate::world::run;

/// The server's half of the opening of HTTP/2: empty SETTINGS, and that it saw the client's.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";

/// Makes a call ([`Calling::read`]) to somebody who answers with the rest of the input, and then
/// closes the connection. A byte in front of the rest says how:
///
/// | Bit | If set |
/// |---|---|
/// | 0 | with the opening of HTTP/2, where the call is made over that |
/// | 1 | the connection stays open |
/// | 2 | the bytes come in pieces of 5, and some time passes between them |
/// | 3 | before anything was asked |
pub fn server(input: &[u8]) {
    let mut input = Input(input);
    let calling = Calling::read(&mut input);
    let how = input.byte();
    let opening = if how & 1 != 0 && calling.version == HttpVersion::Http2 { SETTINGS } else { &[] };
    let bytes: Arc<[u8]> = [opening, input.0].concat().into();
    run(async |_| calling.make(|io| answer(io, bytes.clone(), how)).await);
}

async fn answer(io: BoxIo, bytes: Arc<[u8]>, how: u8) {
    let (mut request, mut answer) = split(io);
    let mut first = [0; 1024];
    if how & 0b1000 == 0 && request.read(&mut first).await.is_err() {
        return;
    }
    let write = async {
        let piece = if how & 0b100 == 0 { usize::MAX } else { 5 };
        for piece in bytes.chunks(piece) {
            // The client may close before it has everything.
            if answer.write_all(piece).await.is_err() {
                return;
            }
            if how & 0b100 != 0 {
                sleep(Duration::from_millis(10)).await;
            }
        }
        match how & 0b10 {
            0 => drop(answer.shutdown().await),
            _ => std::future::pending().await,
        }
    };
    let read = async {
        let _ = tokio::io::copy(&mut request, &mut tokio::io::sink()).await;
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(write, read) } => {}
    }
}
