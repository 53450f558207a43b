//! A plain TCP connection, for what no HTTP library would send.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::lab::Site;
use crate::soon::soon;

pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    pub(crate) async fn open(site: &Site) -> Self {
        Self::on(TcpStream::connect(site.address()).await.unwrap())
    }

    pub(crate) fn on(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Reads one answer that has a content length: its head and its body.
    pub(crate) async fn answer(&mut self) -> (String, String) {
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.unwrap_or("0").parse().unwrap();
                let whole = end + 4 + length;
                if self.read.len() >= whole {
                    let body = String::from_utf8(self.read[end + 4..whole].to_vec()).unwrap();
                    self.read.drain(..whole);
                    return (head, body);
                }
            }
            let more = soon(self.stream.read_buf(&mut self.read)).await.unwrap();
            assert!(more > 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    /// Waits until the server has closed the connection, and returns what it sent before. That
    /// it threw unread bytes away is no matter.
    pub(crate) async fn closed(mut self) -> String {
        let _ = soon(self.stream.read_to_end(&mut self.read)).await;
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

/// A whole HTTP/1.1 request.
pub(crate) fn request(path: &str, body: &str) -> String {
    format!("{}{body}", head(path, body.len()))
}

/// Its head alone.
pub(crate) fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: lab\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}
