//! The wire by hand, as `docs/wire.md` has it, and with nothing of the framework.

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::lab::Site;
use crate::soon::soon;

pub(crate) const PREFACE: &[u8] = b"\xa9micro\r\n";

pub(crate) const HELLO: u8 = 0x01;
pub(crate) const ROUTE: u8 = 0x02;
pub(crate) const OPEN: u8 = 0x03;
pub(crate) const HEAD: u8 = 0x04;
pub(crate) const DATA: u8 = 0x05;
pub(crate) const END: u8 = 0x06;
pub(crate) const RESET: u8 = 0x07;
pub(crate) const CREDIT: u8 = 0x08;
pub(crate) const PING: u8 = 0x09;
pub(crate) const GO_AWAY: u8 = 0x0a;

pub(crate) const LAST: u8 = 0x01;
pub(crate) const MORE: u8 = 0x02;
pub(crate) const COMPRESSED: u8 = 0x04;
pub(crate) const MESSAGE: u8 = 0x08;
pub(crate) const TIMEOUT: u8 = 0x10;
pub(crate) const METADATA: u8 = 0x20;
pub(crate) const FAILED: u8 = 0x80;
pub(crate) const ACK: u8 = 0x01;

/// Reasons of `GoAway`.
pub(crate) const DONE: u8 = 0;
pub(crate) const PROTOCOL: u8 = 1;
pub(crate) const FLOW: u8 = 2;
pub(crate) const TOO_MUCH: u8 = 3;
pub(crate) const VERSION: u8 = 4;
pub(crate) const SILENCE: u8 = 5;
pub(crate) const NOT_HERE: u8 = 6;

/// The windows unless a side says otherwise.
pub(crate) const CALL_WINDOW: usize = 256 * 1024;
pub(crate) const CONNECTION_WINDOW: usize = 16 * 1024 * 1024;
pub(crate) const MAX_FRAME: usize = 128 * 1024;

/// What a message counts beside its bytes.
pub(crate) const OVERHEAD: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) call: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn frame(kind: u8, flags: u8, call: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &call.to_be_bytes(), payload].concat()
}

pub(crate) fn number(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

pub(crate) fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&number(text.len() as u64), text].concat()
}

/// The preface and a `Hello`.
pub(crate) fn hello(versions: &[u8], settings: &[(u64, u64)]) -> Vec<u8> {
    let settings = settings.iter().flat_map(|(name, value)| [number(*name), number(*value)].concat());
    [PREFACE, &frame(HELLO, 0, 0, [text(versions), settings.collect()].concat())].concat()
}

pub(crate) fn route(route: u64, path: &str, codec: &str) -> Vec<u8> {
    frame(ROUTE, 0, 0, [number(route), text(path), text(codec)].concat())
}

/// A call with its path in itself, in JSON.
pub(crate) fn open(call: u32, flags: u8, method: &str, rest: impl AsRef<[u8]>) -> Vec<u8> {
    let route = [number(0), text(format!("/Lab/{method}")), text("json")].concat();
    frame(OPEN, flags, call, [&route, rest.as_ref()].concat())
}

/// A whole unary call.
pub(crate) fn ask(call: u32, method: &str, message: &str) -> Vec<u8> {
    open(call, MESSAGE | LAST, method, message)
}

pub(crate) fn go_away(last: u32, reason: u8, why: &str) -> Vec<u8> {
    frame(GO_AWAY, 0, 0, [&last.to_be_bytes()[..], &[reason], why.as_bytes()].concat())
}

pub(crate) fn metadata(entries: &[(&str, &str)]) -> Vec<u8> {
    let all = entries.iter().flat_map(|(name, value)| [text(name), text(value)].concat());
    [number(entries.len() as u64), all.collect()].concat()
}

/// One side of a connection.
#[derive(Debug)]
pub(crate) struct Wire<T = TcpStream> {
    pub(crate) io: T,
    read: BytesMut,
}

impl Wire {
    pub(crate) async fn connect(site: &Site) -> Self {
        Self::on(TcpStream::connect(site.address()).await.unwrap())
    }

    /// A client's side of a connection that is open, with the default settings.
    pub(crate) async fn open(site: &Site) -> Self {
        Self::open_with(site, &[]).await
    }

    pub(crate) async fn open_with(site: &Site, settings: &[(u64, u64)]) -> Self {
        let mut wire = Self::connect(site).await;
        wire.send(hello(&[1], settings)).await;
        assert_eq!(wire.opening().await.kind, HELLO);
        wire
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    pub(crate) fn on(io: T) -> Self {
        Self { io, read: BytesMut::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.io.write_all(bytes.as_ref())).await.unwrap();
    }

    /// The preface and the first frame of the other side.
    pub(crate) async fn opening(&mut self) -> Frame {
        while self.read.len() < PREFACE.len() {
            assert!(self.more().await, "closed before the preface");
        }
        assert_eq!(self.read.split_to(PREFACE.len()), PREFACE);
        self.next().await
    }

    async fn more(&mut self) -> bool {
        soon(self.io.read_buf(&mut self.read)).await.is_ok_and(|read| read > 0)
    }

    /// The next frame; `None` where the connection was closed.
    pub(crate) async fn try_next(&mut self) -> Option<Frame> {
        loop {
            if let Some([a, b, c, kind, flags, call @ ..]) = self.read.first_chunk::<9>().copied() {
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                if self.read.len() >= 9 + length {
                    self.read.advance(9);
                    let payload = self.read.split_to(length).to_vec();
                    return Some(Frame { kind, flags, call: u32::from_be_bytes(call), payload });
                }
            }
            if !self.more().await {
                return None;
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Frame {
        self.try_next().await.expect("the connection was closed")
    }

    /// The next frame of this kind; the others are passed by.
    pub(crate) async fn next_of(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await;
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// How the other side ends the connection: the last call that it has seen, the reason and the text.
    pub(crate) async fn ends(mut self) -> (u32, u8, String) {
        let frame = self.next_of(GO_AWAY).await;
        let (last, rest) = frame.payload.split_first_chunk::<4>().unwrap();
        let said = (u32::from_be_bytes(*last), rest[0], String::from_utf8(rest[1..].to_vec()).unwrap());
        while self.try_next().await.is_some() {}
        said
    }

    /// The code and the text that a call failed with.
    pub(crate) async fn failure(&mut self) -> (u8, String) {
        let frame = self.next_of(END).await;
        assert_eq!(frame.flags & FAILED, FAILED, "{frame:?}");
        let (code, rest) = frame.payload.split_first().unwrap();
        let (length, digits) = read_number(rest);
        (*code, String::from_utf8(rest[digits..digits + length].to_vec()).unwrap())
    }

    /// Waits until the other side has closed the connection.
    pub(crate) async fn closed(&mut self) {
        while self.try_next().await.is_some() {}
    }

    /// The connection works.
    pub(crate) async fn works(&mut self, call: u32) {
        self.send(ask(call, "Echo", r#""Ada""#)).await;
        loop {
            let frame = self.next_of(DATA).await;
            if frame.call == call {
                assert_eq!((frame.flags, &frame.payload[..]), (LAST, &br#""Ada""#[..]));
                return;
            }
        }
    }
}

fn read_number(bytes: &[u8]) -> (usize, usize) {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return (number, at + 1);
        }
    }
    panic!("a number without an end");
}
