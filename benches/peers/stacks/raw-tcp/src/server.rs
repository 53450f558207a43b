//! One task for each connection: it reads what is there, answers all of it, and writes the answers at once.

use bytes::BytesMut;
use load::{NAME, Ready, Result};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::frame::{BATCH, Kind, Note, Wish, put, take};

/// Serves until the process ends.
pub(crate) async fn serve(ready: Ready) -> Result<()> {
    let (listener, address) = load::listen().await?;
    ready.at(address)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            if let Err(error) = connection(stream).await {
                eprintln!("raw-tcp: a connection ended: {error}");
            }
        });
    }
}

async fn connection(mut stream: TcpStream) -> Result<()> {
    let (mut received, mut out) = (BytesMut::new(), BytesMut::new());
    loop {
        received.reserve(BATCH / 4);
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
        while let Some(wished) = take(&mut received, |id, kind, message| answer(&mut out, id, kind, message))?
        {
            if let Some((id, wish)) = wished {
                stream_notes(&mut stream, &mut out, id, wish).await?;
            }
            if out.len() >= BATCH {
                stream.write_all_buf(&mut out).await?;
            }
        }
        stream.write_all_buf(&mut out).await?;
    }
}

/// Answers one frame, unless it is a wish, which takes more than that.
fn answer(out: &mut BytesMut, id: u32, kind: Kind, message: &[u8]) -> Result<Option<(u32, Wish)>> {
    match kind {
        Kind::Note => put(out, id, Kind::Note, &Note::decode(message)?).map(|()| None),
        Kind::End => put(out, id, Kind::End, &Note::default()).map(|()| None),
        Kind::Wish => Ok(Some((id, Wish::decode(message)?))),
    }
}

async fn stream_notes(stream: &mut TcpStream, out: &mut BytesMut, id: u32, wish: Wish) -> Result<()> {
    for _ in 0..wish.count {
        let note = Note { name: NAME.to_owned(), payload: vec![b'x'; wish.size as usize] };
        put(out, id, Kind::Note, &note)?;
        if out.len() >= BATCH {
            stream.write_all_buf(out).await?;
        }
    }
    put(out, id, Kind::End, &Note::default())
}
