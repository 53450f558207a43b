//! A plain connection of HTTP/1.1, which shows what is really sent.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::shop::Site;
use crate::soon::soon;

pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Wire {
    pub(crate) async fn open(site: &Site) -> Self {
        Self { stream: TcpStream::connect(site.address()).await.unwrap(), read: Vec::new() }
    }

    /// Calls an endpoint as go-micro's client does.
    pub(crate) async fn call(&mut self, endpoint: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let named = [&[("Micro-Endpoint", endpoint), ("Micro-Method", endpoint)], headers].concat();
        self.send("POST / HTTP/1.1", &named, body).await;
        self.answer().await
    }

    pub(crate) async fn send(&mut self, line: &str, headers: &[(&str, &str)], body: &str) {
        let mut request = format!("{line}\r\nHost: shop\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        // As Go does it, where there is nothing to send.
        match body.len() {
            0 => request.push_str("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            length => request.push_str(&format!("Content-Length: {length}\r\n\r\n{body}")),
        }
        soon(self.stream.write_all(request.as_bytes())).await.unwrap();
    }

    /// Reads one answer, whose status is 200, as always.
    pub(crate) async fn answer(&mut self) -> Answer {
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(self.read[..end].to_vec()).unwrap();
                let mut lines = head.lines();
                assert_eq!(lines.next(), Some("HTTP/1.1 200 OK"));
                let headers = lines.map(|line| line.split_once(": ").unwrap());
                let headers: BTreeMap<_, _> =
                    headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                let whole = end + 4 + headers["content-length"].parse::<usize>().unwrap();
                if self.read.len() >= whole {
                    let body = String::from_utf8(self.read[end + 4..whole].to_vec()).unwrap();
                    self.read.drain(..whole);
                    return Answer { headers, body };
                }
            }
            let more = soon(self.stream.read_buf(&mut self.read)).await.unwrap();
            assert!(more > 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    /// Waits until the server has closed the connection.
    pub(crate) async fn closed(mut self) {
        soon(self.stream.read_to_end(&mut self.read)).await.unwrap();
        assert!(self.read.is_empty(), "{:?}", String::from_utf8_lossy(&self.read));
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The error, which has this code; there is no body then.
    pub(crate) fn error(&self, code: u16) -> Value {
        assert_eq!(self.body, "", "{self:?}");
        let error: Value = serde_json::from_str(self.header("micro-error").unwrap()).unwrap();
        assert_eq!(error["code"], code, "{error}");
        error
    }

    /// The detail of the error, which has this code.
    pub(crate) fn detail(&self, code: u16) -> String {
        self.error(code)["detail"].as_str().unwrap().to_owned()
    }
}
