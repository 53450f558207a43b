//! The native wire, as a client's and as a server's connection delivers it.

use std::sync::Arc;
use std::time::Duration;

use micro::client::Protocol;
use micro::transport::BoxIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::time::sleep;

use crate::caller::Calling;
use crate::frames::{HELLO, PREFACE, SMALL_HELLO, frames};
use crate::input::Input;
use crate::world::{run, soon};

/// Sends the input to a server, in frames. The first byte says how:
///
/// | Bit | If set |
/// |---|---|
/// | 0 | the rest is not made of frames ([`frames`]), but bytes |
/// | 1 | the connection stays open until the server closes it |
/// | 2, 3 | in front of it is a `Hello`, one with small windows, the preface alone, or nothing |
/// | 4, 5 | the bytes come in pieces of any size, of 64, of 7, or one by one |
/// | 6 | some time passes between the pieces |
/// | 7 | nothing is read until everything is sent |
///
/// However it goes, the connection must end.
pub fn native(input: &[u8]) {
    let (how, opening, rest) = read(Input(input));
    let bytes = [opening, &rest].concat();
    run(async |world| {
        let io = world.site(false).connect().await;
        soon("a native connection", exchange(io, &bytes, how)).await;
    });
}

/// Makes a call ([`Calling::read`], whose protocol is the native one) to somebody who answers so: the
/// opening at once, and the rest when there was a call.
pub fn native_answer(input: &[u8]) {
    let mut input = Input(input);
    let calling = Calling { protocol: Protocol::Native, ..Calling::read(&mut input) };
    let (how, opening, rest) = read(input);
    let rest = Arc::new(rest);
    run(async |_| {
        calling
            .make(|mut io| {
                let rest = rest.clone();
                async move {
                    // The client begins, and calls when it was answered.
                    let mut read = [0; 1024];
                    if io.read(&mut read).await.is_ok()
                        && io.write_all(opening).await.is_ok()
                        && io.read(&mut read).await.is_ok()
                    {
                        exchange(io, &rest, how).await;
                    }
                }
            })
            .await;
    });
}

fn read(mut input: Input<'_>) -> (u8, &'static [u8], Vec<u8>) {
    let how = input.byte();
    let opening = [HELLO, SMALL_HELLO, PREFACE, b""][usize::from(how >> 2 & 3)];
    let rest = if how & 1 == 0 { frames(input) } else { input.0.to_vec() };
    (how, opening, rest)
}

async fn exchange(io: BoxIo, bytes: &[u8], how: u8) {
    let (mut from, mut to) = split(io);
    let piece = [usize::MAX, 64, 7, 1][usize::from(how >> 4 & 3)];
    let write = async {
        for piece in bytes.chunks(piece) {
            // The other side may close before it has everything.
            if to.write_all(piece).await.is_err() {
                return;
            }
            match how & 0b100_0000 {
                0 => tokio::task::yield_now().await,
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
        if how & 2 == 0 {
            let _ = to.shutdown().await;
        }
    };
    let read = async {
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    };
    if how & 0b1000_0000 == 0 {
        tokio::join!(write, read);
    } else {
        write.await;
        read.await;
    }
}
