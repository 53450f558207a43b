//! Bytes as a server's connection delivers them.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::time::sleep;

use crate::input::Input;
use crate::world::{run, soon};

/// Sends the input to a server, over a bare connection. The first byte says how:
///
/// | Bit | If set |
/// |---|---|
/// | 0 | the service has layers, CORS, compression and a mounted service |
/// | 1 | the connection stays open until the server closes it |
/// | 2 to 4 | the bytes come in pieces, the smaller the larger the number |
/// | 5 | some time passes between the pieces |
///
/// All that the server sends is read. However it goes, the connection must end.
pub fn connection(input: &[u8]) {
    let mut input = Input(input);
    let how = input.byte();
    let piece = match how >> 2 & 7 {
        0 => usize::MAX,
        number => 1 << (2 * (7 - usize::from(number))),
    };
    run(async |world| {
        let (mut answer, mut request) = split(world.site(how & 1 != 0).connect().await);
        let read = async {
            let _ = answer.read_to_end(&mut Vec::new()).await;
        };
        let write = async {
            for piece in input.0.chunks(piece) {
                // The server may close before it has everything.
                if request.write_all(piece).await.is_err() {
                    return;
                }
                match how & 0b10_0000 {
                    0 => tokio::task::yield_now().await,
                    _ => sleep(Duration::from_millis(100)).await,
                }
            }
            if how & 2 == 0 {
                let _ = request.shutdown().await;
            }
        };
        soon("a connection", async { tokio::join!(read, write) }).await;
    });
}
