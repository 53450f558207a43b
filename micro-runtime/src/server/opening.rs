//! From a bare connection to HTTP: the TLS handshake of a service that has it, the version, and
//! what is said to those who knock at the wrong door.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::activity::Activity;
use super::sniff::{Sniffed, Spoken, sniff};
use crate::tls::{Acceptor, Declined};
use crate::transport::{BoxIo, Io};

/// How long, and for how many bytes, a connection stays open after what was said at its end. A
/// system that closes it on unread bytes takes the words back.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024;

/// What a client without TLS is told by a service that has it, as any Connect client reads it.
const WANTS_TLS: &str = r#"{"code":"failed_precondition","message":"this port speaks TLS: use https, or set the option `tls` of the client"}"#;

/// The same for HTTP/2 (RFC 9113): a GOAWAY for all streams with the reason INADEQUATE_SECURITY and
/// the words `this port speaks TLS`. There are no SETTINGS in front of it, though HTTP/2 begins with
/// them: clients of gRPC take a connection that has them for a good one, and come again at once, thousands
/// of times a second.
const WANTS_TLS_HTTP2: &[u8] = b"\
    \0\0\x1c\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0cthis port speaks TLS";

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Http1,
    Http2,
    Native,
}

/// Waits until it is clear what is spoken. `None` where nothing comes of it.
pub(super) async fn open(
    io: BoxIo,
    tls: Option<&Acceptor>,
    peer: &str,
    activity: &Arc<Activity>,
) -> Option<(Wire, Sniffed)> {
    let Some(tls) = tls else {
        let (spoken, io) = sniff(io, activity.clone()).await.ok()?;
        if spoken == Spoken::Tls {
            tracing::debug!(peer, "a client speaks TLS, and the service does not (the option `tls`)");
        }
        return Some((wire(spoken), io));
    };
    // In a box, so that a connection without TLS is no larger for it.
    Box::pin(open_tls(io, tls, peer, activity)).await
}

async fn open_tls(
    io: BoxIo,
    tls: &Acceptor,
    peer: &str,
    activity: &Arc<Activity>,
) -> Option<(Wire, Sniffed)> {
    // What the handshake reads is no request, so the activity does not hear of it.
    let (spoken, io) = sniff(io, Arc::default()).await.ok()?;
    let io = match spoken {
        Spoken::Tls => accept(tls, io, peer).await?,
        spoken => {
            tracing::debug!(peer, "a client does not speak TLS, and the service does");
            turn_away(io, spoken).await;
            return None;
        }
    };
    // The version that was agreed on is the one that the client speaks, or it breaks its word.
    let (spoken, io) = sniff(io, activity.clone()).await.ok()?;
    Some((wire(spoken), io))
}

/// Bytes of TLS where HTTP is spoken are an HTTP/1.1 request that is malformed. What is answered to
/// that is what clients with TLS expect of a port without.
fn wire(spoken: Spoken) -> Wire {
    match spoken {
        Spoken::Native => Wire::Native,
        Spoken::Http2 => Wire::Http2,
        Spoken::Http1 | Spoken::Tls => Wire::Http1,
    }
}

async fn accept(tls: &Acceptor, io: Sniffed, peer: &str) -> Option<BoxIo> {
    match tls.accept(io).await {
        Ok(io) => Some(io),
        Err(Declined { error, io }) => {
            tracing::debug!(peer, %error, "a TLS handshake failed");
            Box::pin(linger(io)).await;
            None
        }
    }
}

async fn turn_away(mut io: Sniffed, spoken: Spoken) {
    let said = if spoken == Spoken::Http2 {
        io.write_all(WANTS_TLS_HTTP2).await
    } else {
        let length = WANTS_TLS.len();
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{WANTS_TLS}"
        );
        io.write_all(answer.as_bytes()).await
    };
    if said.is_ok() {
        Box::pin(linger(io)).await;
    }
}

/// Closes a connection once the client has heard what was said.
async fn linger(mut io: impl Io) {
    let drained = async {
        io.shutdown().await?;
        let mut scratch = [0; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match io.read(&mut scratch).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        io::Result::Ok(())
    };
    let _ = timeout(LINGER, drained).await;
}
