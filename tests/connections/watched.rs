//! A transport that tells what connections a client makes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use micro::Result;
use micro::transport::{BoxIo, Listener, Tcp, Transport, async_trait};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use crate::soon::soon;

#[derive(Clone, Debug)]
pub(crate) struct Watched(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    transport: Arc<dyn Transport>,
    seen: watch::Sender<Seen>,
    /// The first bytes that were sent on each connection.
    openings: Mutex<Vec<Vec<u8>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    opened: usize,
    ended_by_server: usize,
    closed: usize,
}

impl Watched {
    pub(crate) fn new() -> Self {
        Self::over(Tcp)
    }

    pub(crate) fn over(transport: impl Transport) -> Self {
        let (seen, openings) = (watch::Sender::default(), Mutex::default());
        Self(Arc::new(Inner { transport: Arc::new(transport), seen, openings }))
    }

    /// Waits until so many connections were made.
    pub(crate) async fn attempts(&self, count: usize) {
        self.wait(|seen| seen.opened >= count).await;
    }

    /// How many connections were made.
    pub(crate) fn opened(&self) -> usize {
        self.0.seen.borrow().opened
    }

    pub(crate) fn seen_ended_by_server(&self) -> usize {
        self.0.seen.borrow().ended_by_server
    }

    /// Waits until the client knows that the server has ended so many connections.
    pub(crate) async fn ended_by_server(&self, count: usize) {
        self.wait(|seen| seen.ended_by_server >= count).await;
    }

    /// Waits until the client has closed so many connections.
    pub(crate) async fn closed(&self, count: usize) {
        self.wait(|seen| seen.closed >= count).await;
    }

    /// How many connections the client has closed.
    pub(crate) fn now_closed(&self) -> usize {
        self.0.seen.borrow().closed
    }

    /// The first bytes that were sent on the connection of this number.
    pub(crate) fn opening(&self, number: usize) -> Vec<u8> {
        self.0.openings.lock().unwrap()[number].clone()
    }

    async fn wait(&self, reached: impl FnMut(&Seen) -> bool) {
        soon(self.0.seen.subscribe().wait_for(reached)).await.unwrap();
    }
}

#[async_trait]
impl Transport for Watched {
    fn name(&self) -> &'static str {
        "watched"
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        self.0.transport.listen(address).await
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        let io = self.0.transport.connect(address).await?;
        self.0.seen.send_modify(|seen| seen.opened += 1);
        let mut openings = self.0.openings.lock().unwrap();
        openings.push(Vec::new());
        Ok(Box::new(Line { io, home: self.0.clone(), number: openings.len() - 1 }))
    }
}

struct Line {
    io: BoxIo,
    home: Arc<Inner>,
    number: usize,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.home.seen.send_modify(|seen| seen.closed += 1);
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(task, buffer);
        if matches!(polled, Poll::Ready(Ok(()))) && buffer.filled().len() == before {
            self.home.seen.send_modify(|seen| seen.ended_by_server += 1);
        }
        polled
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(task, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            let opening = &mut self.home.openings.lock().unwrap()[self.number];
            if opening.len() < 1024 {
                opening.extend_from_slice(&bytes[..written]);
            }
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }
}
