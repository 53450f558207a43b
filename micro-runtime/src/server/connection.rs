use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::{CONNECTION, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::Shared;
use super::activity::{Activity, Counted};
use super::body::{BoxError, RequestBody, ResponseBody};
use super::head_timeout::HeadTimeout;
use super::http2;
use super::native;
use super::opening::{self, Wire};
use super::sniff::Sniffed;
use super::stall::Stalling;
use super::upgrade::Upgradable;
use crate::context::Origin;
use crate::transport::BoxIo;

/// How long a connection may say nothing when the server stops. Its first call may be on its way.
const FIRST_WORDS: Duration = Duration::from_secs(1);

/// Serves one connection to its end.
pub(super) async fn serve(io: BoxIo, peer: Arc<Origin>, shared: Arc<Shared>, permit: OwnedSemaphorePermit) {
    let limits = &shared.limits;
    let activity = Arc::new(Activity::default());
    // Who connects and says nothing, or not enough in time, gets no answer.
    let Some((wire, io)) = first_words(io, &peer, &activity, &shared).await else { return };
    let io = Stalling::new(io, limits.write_timeout);
    // In boxes, so that a connection is no larger for what it does not speak. Those of HTTP/2 are the ones that
    // services keep for each other.
    let ended = match wire {
        Wire::Http1 => Box::pin(http1(io, peer, &shared, &activity, permit)).await,
        Wire::Http2 => {
            let _permit = permit;
            let (server, counted) = (shared.clone(), activity.clone());
            let answer = move |request| answer(request, peer.clone(), server.clone(), counted.clone());
            let connection = pin!(http2::serve(io, limits, &shared.tasks, &activity, answer));
            drive(connection, http2::Connection::graceful_shutdown, &shared, &activity, false).await
        }
        Wire::Native => return Box::pin(native::serve(io, peer, &shared, &activity, permit)).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

async fn http1(
    io: Stalling<Sniffed>,
    peer: Arc<Origin>,
    shared: &Arc<Shared>,
    activity: &Arc<Activity>,
    permit: OwnedSemaphorePermit,
) -> Result<(), BoxError> {
    let limits = &shared.limits;
    let (server, counted, reading) = (shared.clone(), activity.clone(), activity.clone());
    let answer = move |request| answer(request, peer.clone(), server.clone(), counted.clone());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(usize::try_from(limits.max_header_size).unwrap_or(usize::MAX))
        .serve_connection(
            TokioIo::new(Upgradable::new(io, permit, activity.clone(), shared)),
            service_fn(move |request: Request<Incoming>| {
                let request = request.map(|body| RequestBody::incoming(body, &reading));
                answer(request).map(Ok::<_, Infallible>)
            }),
        )
        .with_upgrades();
    let connection = pin!(HeadTimeout::new(connection, limits.header_timeout, activity));
    let shut_down = |connection: Pin<&mut HeadTimeout<'_, _>>| {
        http1::UpgradeableConnection::graceful_shutdown(connection.connection());
    };
    drive(connection, shut_down, shared, activity, true).await
}

async fn first_words(
    io: BoxIo,
    peer: &str,
    activity: &Arc<Activity>,
    shared: &Shared,
) -> Option<(Wire, Sniffed)> {
    let stopped = async {
        shared.drain.cancelled().await;
        sleep(FIRST_WORDS).await;
    };
    let opened = opening::open(io, shared.tls.as_ref(), peer, activity);
    tokio::select! {
        biased;
        opened = timeout(shared.limits.header_timeout, opened) => opened.ok()?,
        () = stopped => None,
        () = shared.cut.cancelled() => None,
    }
}

fn answer(
    request: Request<RequestBody>,
    peer: Arc<Origin>,
    shared: Arc<Shared>,
    activity: Arc<Activity>,
) -> impl Future<Output = Response<Counted>> + Send {
    let calls = [shared.activity.begin(), activity.begin()];
    let version = request.version();
    // There is no body after HEAD, whatever answers. hyper sees to that in HTTP/1.1.
    let bare = version == Version::HTTP_2 && request.method() == Method::HEAD;
    async move {
        let mut response = shared.front.answer(request, peer).await;
        if version < Version::HTTP_2 {
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                activity.upgrade(&shared.activity);
            } else if activity.is_leaving() || shared.drain.is_cancelled() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        let body = |body| if bare { ResponseBody::default() } else { body };
        response.map(|all| Counted { body: body(all), _calls: calls })
    }
}

/// Runs a connection until it ends, is idle for too long or too old, or the server stops.
pub(super) async fn drive<C: Future<Output = Result<(), E>>, E: Into<BoxError>>(
    mut connection: Pin<&mut C>,
    shut_down: impl Fn(Pin<&mut C>),
    shared: &Shared,
    activity: &Activity,
    is_http1: bool,
) -> Result<(), BoxError> {
    let mut idle = pin!(sleep(shared.limits.idle_timeout));
    let mut age = shared.limits.max_connection_age.map(|age| Box::pin(sleep(jittered(age))));
    let mut seen = activity.started();
    let (mut closing, mut old) = (false, false);
    // How much longer a connection that is to close waits for the rest of a head.
    let mut grace: Option<Pin<Box<Sleep>>> = None;
    loop {
        let leaves = tokio::select! {
            // What has arrived is looked at before anything is closed.
            biased;
            ended = connection.as_mut() => return ended.map_err(Into::into),
            () = shared.drain.cancelled(), if !closing => true,
            () = over(&mut grace) => {
                grace = None;
                shut_down(connection.as_mut());
                false
            }
            () = shared.cut.cancelled() => return Ok(()),
            () = over(&mut age) => {
                if old {
                    tracing::debug!("a connection was cut off that was too old, with calls in flight");
                    return Ok(());
                }
                old = true;
                age = Some(Box::pin(sleep(shared.limits.max_connection_age_grace)));
                !closing
            }
            () = idle.as_mut() => {
                let quiet = activity.in_flight() == 0 && activity.started() == seen;
                if quiet && closing {
                    // It was asked to close, and the other side does not even answer that.
                    return Ok(());
                }
                if quiet {
                    closing = true;
                    shut_down(connection.as_mut());
                }
                seen = activity.started();
                idle.as_mut().reset(Instant::now() + shared.limits.idle_timeout);
                false
            }
        };
        if leaves {
            closing = true;
            activity.leave();
            // To shut HTTP/1.1 down would throw a request away whose head is on its way. Its answer
            // closes the connection.
            if !is_http1 || !activity.awaits_head() {
                shut_down(connection.as_mut());
            } else {
                grace = Some(Box::pin(sleep(FIRST_WORDS)));
            }
        }
    }
}

/// Waits for the time to be over, where there is one.
async fn over(time: &mut Option<Pin<Box<Sleep>>>) {
    match time {
        Some(time) => time.await,
        None => std::future::pending().await,
    }
}

/// Up to a tenth more or less.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(0.9 + 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_has_no_room_for_what_it_may_never_need() {
        // A server has thousands of them, most of them silent.
        let size = size_of_future(serve);
        assert!(size <= 1024, "{size}");
    }
}
