//! A server that answers as it is told, byte by byte.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::soon::soon;

pub(crate) struct Raw(TcpListener);

impl Raw {
    pub(crate) async fn listen() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        (Self(listener), address)
    }

    pub(crate) async fn accept(&self) -> TcpStream {
        soon(self.0.accept()).await.unwrap().0
    }
}

/// Reads one request with a content length, to its end, and returns its head.
pub(crate) async fn request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(read[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if read.len() >= end + 4 + length.unwrap_or("0").parse::<usize>().unwrap() {
                return head;
            }
        }
        assert!(soon(stream.read_buf(&mut read)).await.unwrap() > 0, "no whole request: {read:?}");
    }
}

/// Answers `"x"`, with these headers.
pub(crate) async fn answer(stream: &mut (impl AsyncWrite + Unpin), headers: &str) {
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n{headers}\r\n\"x\""
    );
    soon(stream.write_all(answer.as_bytes())).await.unwrap();
}
