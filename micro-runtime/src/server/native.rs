//! The native wire: from the preface to the calls.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Shared;
use super::activity::Activity;
use super::connection::drive;
use crate::context::Origin;
use crate::protocol::native::server::{self, Host, Running, Serving};
use crate::protocol::native::{Bounds, Settings};

/// Layers see every call, those that check who calls for example; so there is no way around them.
const HAS_LAYERS: &str = "the service has layers, which are of HTTP, so that it takes calls over HTTP alone";

/// Serves one connection to its end.
pub(super) async fn serve<T>(
    io: T,
    peer: Arc<Origin>,
    shared: &Arc<Shared>,
    activity: &Arc<Activity>,
    _permit: OwnedSemaphorePermit,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    if shared.front.has_layers() {
        let _ = server::turn_away(io, HAS_LAYERS).await;
        return;
    }
    let limits = &shared.limits;
    let settings = Settings {
        max_calls: limits.max_concurrent_streams,
        call_window: limits.call_window,
        connection_window: limits.connection_window,
        max_metadata: limits.max_header_size,
        ..Settings::default()
    };
    let bounds = Bounds {
        max_message_size: limits.max_message_size,
        max_buffered: limits.max_buffered,
        body_timeout: Some(limits.body_timeout),
        keep_alive_interval: limits.keep_alive_interval,
        keep_alive_timeout: limits.keep_alive_timeout,
        always_asks: true,
    };
    let host = Tasks { shared: shared.clone(), activity: activity.clone() };
    let site = shared.front.site();
    let accepted = server::accept(io, site, settings, bounds, peer.clone(), host);
    let opened = tokio::select! {
        biased;
        opened = timeout(limits.header_timeout, accepted) => opened,
        () = shared.cut.cancelled() => return,
    };
    match opened {
        Ok(Ok(serving)) => {
            // It has no errors: what ends it is told to its calls.
            let connection = pin!(Connection(serving));
            let _ = drive(connection, Connection::shut_down, shared, activity, false).await;
        }
        Ok(Err(error)) => tracing::debug!(peer = &**peer, %error, "a native connection was not opened"),
        // Who says nothing gets no answer.
        Err(_) => {}
    }
}

/// A connection as it is driven.
struct Connection<T>(Serving<T, Tasks>);

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    fn shut_down(self: Pin<&mut Self>) {
        self.get_mut().0.shut_down();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Connection<T> {
    type Output = Result<(), Infallible>;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.get_mut().0).poll(task).map(Ok)
    }
}

/// Where the calls of the connection run that do not end at once.
struct Tasks {
    shared: Arc<Shared>,
    activity: Arc<Activity>,
}

impl Host for Tasks {
    fn called(&self) {
        self.activity.count();
    }

    fn spawn(&self, call: Running) -> AbortHandle {
        let counted = [self.shared.activity.begin(), self.activity.begin()];
        let task = self.shared.tasks.spawn(async move {
            call.await;
            drop(counted);
        });
        task.abort_handle()
    }
}
