//! HTTP/1.1: a connection for each call in flight.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, ready};
use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body::Body as _;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::Connection;
use super::answer::AnswerBody;
use super::home::Home;
use super::open::{Offer, Opened};
use super::peer::Peer;
use super::tally::{Tally, Wire};
use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::read_limits::broken_off;
use crate::transport::BoxIo;

/// A connection. One that is dropped is closed, in the middle of a call at once: the server hears
/// of it, and that is how a call is cancelled.
pub(super) struct Line {
    sender: SendRequest<WireBody>,
    peer: Arc<Peer>,
    task: AbortHandle,
    busy: bool,
}

/// Begins to speak HTTP/1.1.
pub(super) async fn open(io: BoxIo, peer: Arc<Peer>, tally: &Arc<Tally>) -> Result<Line> {
    let (sender, connection) = http1::Builder::new().handshake(TokioIo::new(io)).await.map_err(broken_off)?;
    let address = peer.address.clone();
    let open = tally.open(Wire::Http1);
    let task = tokio::spawn(async move {
        let _open = open;
        if let Err(error) = connection.await {
            tracing::debug!(address, %error, "a connection broke off");
        }
    });
    Ok(Line { sender, peer, task: task.abort_handle(), busy: false })
}

impl Line {
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until the call before is over on this side of the connection as well, and says whether
    /// there can be another one.
    pub(super) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.busy {
            self.task.abort();
        }
    }
}

/// A connection while one call has it.
pub(in crate::client) struct Lease {
    line: Line,
    home: Arc<Home>,
    /// Whether it waited for this call, and may have been closed meanwhile.
    used: bool,
    /// Whether the request was there as a whole when it was sent.
    whole: bool,
}

impl Lease {
    pub(super) fn new(home: Arc<Home>, line: Line) -> Self {
        Self { line, home, used: false, whole: false }
    }

    pub(super) fn used(home: Arc<Home>, line: Line) -> Self {
        Self { line, home, used: true, whole: false }
    }

    pub(super) fn peer(&self) -> &Peer {
        self.line.peer()
    }

    pub(super) fn send(
        mut self,
        mut request: Request<WireBody>,
    ) -> impl Future<Output = Result<Response<AnswerBody>>> + Send + 'static {
        suit(&mut request, self.peer());
        self.line.busy = true;
        self.whole = request.body().size_hint().exact().is_some();
        let sent = self.line.sender.try_send_request(request);
        sent.then(|answered| match answered {
            Ok(response) => Either::Left(ready(Ok(response.map(|body| AnswerBody::leased(body, self))))),
            // In a box, so that the future of every call is no larger for it.
            Err(failed) => Either::Right(self.again(failed).boxed()),
        })
    }

    /// What was not sent, because the connection had been closed while it waited, goes out on a new one.
    async fn again(self, mut failed: TrySendError<Request<WireBody>>) -> Result<Response<AnswerBody>> {
        let unsent = failed.take_message();
        let error = failed.into_error();
        match unsent {
            Some(request) if self.used => {
                let address = self.line.peer.address.clone();
                match self.home.fresh(&address, Offer::Http1).await? {
                    Connection::Http1(lease) => {
                        let sent: BoxFuture<'_, _> = lease.send(request).boxed();
                        sent.await
                    }
                    Connection::Http2(..) => Err(explain(error, true, &self.line.peer)),
                }
            }
            unsent => Err(explain(error, unsent.is_some(), &self.line.peer)),
        }
    }

    /// The answer was read to its end: another call may have the connection.
    pub(super) fn done(self) {
        let Self { mut line, home, whole, .. } = self;
        // One whose request was written at once is about to be ready or closed; the next call can
        // wait for that, and need not make a connection of its own.
        if whole || line.sender.is_ready() {
            return keep(&home, line);
        }
        // It may still send the rest of a request that was answered early. Outside of a runtime
        // nobody could wait for that.
        let Ok(runtime) = Handle::try_current() else { return };
        let home = Arc::downgrade(&home);
        runtime.spawn(async move {
            if line.ready().await
                && let Some(home) = home.upgrade()
            {
                keep(&home, line);
            }
        });
    }
}

fn keep(home: &Arc<Home>, mut line: Line) {
    line.busy = false;
    let peer = line.peer.clone();
    home.keep(&peer.address, Opened::Http1(line));
}

/// Gives a request the form that it has in HTTP/1.1.
fn suit(request: &mut Request<WireBody>, peer: &Peer) {
    if let Some(target) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = Uri::from(target);
    }
    // Some servers want to hear that there is no body where there might be one.
    let bare = request.body().is_end_stream() && request.method() == Method::POST;
    let head = request.headers_mut();
    head.entry(HOST).or_insert_with(|| peer.host.clone());
    if bare {
        head.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

#[cold]
fn explain(error: hyper::Error, unsent: bool, peer: &Peer) -> Error {
    if let Some(refused) = peer.refused() {
        return refused.with_source(error);
    }
    if unsent { broken_off(error).never_processed() } else { broken_off(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_host_and_says_that_it_has_no_body() {
        let peer = Peer::plain("greeter.example:80").unwrap();
        let request = |body: &'static str| {
            let request = Request::post("http://greeter.example:80/Greeter/Hello?x=1");
            let mut request = request.body(WireBody::full(body)).unwrap();
            suit(&mut request, &peer);
            request
        };
        assert_eq!(request("x").uri(), "/Greeter/Hello?x=1");
        assert_eq!(request("x").headers()[HOST], "greeter.example:80");
        assert!(!request("x").headers().contains_key(CONTENT_LENGTH), "hyper counts it");
        assert_eq!(request("").headers()[CONTENT_LENGTH], "0");
    }
}
