//! Calls of callers in the same process.

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Server, Shared};
use crate::context::{IN_PROCESS, Origin};
use crate::endpoint::{Endpoint, Entered, Entrance, Local, LocalAnswer, LocalCall, Run, cut_off, prepare};
use crate::error::{Code, Error, Result};
use crate::metrics::Counting;

/// So many handlers run in the future of one caller, one called by the other. A handler that calls itself
/// goes on in tasks from there, so that no stack overflows.
const NESTED: usize = 4;

thread_local! {
    /// How many handlers are polled on this thread, each by the one before.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Counts the callers inside, and turns them away when the server stops.
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: AtomicBool,
    inside: AtomicUsize,
}

impl Gate {
    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// How many calls are inside.
    pub(super) fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }
}

impl Server {
    /// The way in for callers in the same process; none where every call has to pass layers, which are
    /// of HTTP.
    pub(crate) fn entrance(&self) -> Option<Arc<dyn Entrance>> {
        let shared = &self.shared;
        let runtime = Handle::try_current().ok().filter(|_| !shared.front.has_layers())?;
        let peer = Origin::new(IN_PROCESS, &shared.departure);
        Some(Arc::new(Door { shared: shared.clone(), peer, runtime }))
    }
}

struct Door {
    shared: Arc<Shared>,
    peer: Arc<Origin>,
    /// Where handlers get tasks, whoever calls them: that of the server, as on the wire.
    runtime: Handle,
}

impl Entrance for Door {
    fn enter(&self, call: LocalCall) -> Entered {
        let shared = &self.shared;
        let Some(visit) = Visit::new(shared) else { return Entered::Full(call.body) };
        // Looked at behind the count, so that a server which stops waits for whom it did not turn away.
        if shared.gate.closed.load(Ordering::SeqCst) {
            return Entered::Closed(call.body);
        }
        let site = shared.front.borrow_site();
        let (method, deadline) = (call.method, call.deadline);
        let endpoint = match site.routes.find(method.path) {
            Ok(endpoint) => endpoint.clone(),
            Err(error) => {
                return Entered::Called(ready(Err(error.delivered(method.service, method.name))).boxed());
            }
        };
        let prepared = prepare(&endpoint, call, site.interceptors.clone(), self.peer.clone());
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(not) => return not,
        };
        match prepared {
            Local::One(work) => Entered::Called(one(visit, endpoint, deadline, work, &self.runtime)),
            Local::Many(mut many) => {
                let work = many.take_work();
                shared.tasks.spawn_on(unless_cut(visit, work), &self.runtime);
                Entered::Called(async move { Ok(many.answer(method).await) }.boxed())
            }
        }
    }
}

/// One call inside of the server.
struct Visit {
    shared: Arc<Shared>,
    /// A server that stops waits for it.
    _task: TaskTrackerToken,
}

impl Visit {
    fn new(shared: &Arc<Shared>) -> Option<Self> {
        let most = shared.limits.max_concurrent_streams as usize;
        if shared.gate.inside.fetch_add(1, Ordering::SeqCst) >= most {
            shared.gate.inside.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        Some(Self { shared: shared.clone(), _task: shared.tasks.token() })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.shared.gate.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs a call that is answered with one message: in the future of its caller, or in a task.
fn one(
    visit: Visit,
    endpoint: Arc<Endpoint>,
    deadline: Option<Instant>,
    work: BoxFuture<'static, Result<LocalAnswer>>,
    runtime: &Handle,
) -> BoxFuture<'static, Result<LocalAnswer>> {
    let method = endpoint.method;
    // A caller's stream is read while its caller does something else.
    let apart = method.request.stream || DEPTH.get() >= NESTED;
    let how = if apart { Run::Apart } else { endpoint.pace.next() };
    if how == Run::Apart {
        let tasks = visit.shared.tasks.clone();
        let task = AbortOnDropHandle::new(tasks.spawn_on(unless_cut(visit, work), runtime));
        return async move {
            let mut counting = Timed { counting: endpoint.calls.begin(Instant::now()), deadline };
            let answer = task.await.ok().flatten().unwrap_or_else(|| Err(cut_off(method)));
            counting.end(answer.as_ref().err().map(Error::code));
            answer
        }
        .boxed();
    }
    let runtime = runtime.clone();
    async move {
        let mut counting = Timed { counting: endpoint.calls.begin(Instant::now()), deadline };
        let mut work = std::pin::pin!(unless_cut(visit, work));
        let mut first = Some(how);
        let answer = poll_fn(|task| {
            let polled = {
                let _deeper = Deeper::new();
                // What the handler spawns belongs to its server, whoever calls.
                let _entered = runtime.enter();
                work.as_mut().poll(task)
            };
            if let Some(how) = first.take() {
                endpoint.pace.ran(how);
            }
            polled
        });
        let answer = answer.await.unwrap_or_else(|| Err(cut_off(method)));
        counting.end(answer.as_ref().err().map(Error::code));
        answer
    }
    .boxed()
}

/// A call that is counted. Its caller looks at the clock and drops it when its time is over, which is not to be counted as
/// given up.
struct Timed<'a> {
    counting: Counting<'a>,
    /// Until the call ends.
    deadline: Option<Instant>,
}

impl Timed<'_> {
    fn end(&mut self, end: Option<Code>) {
        self.deadline = None;
        self.counting.end(end);
    }
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.counting.end(Some(Code::DeadlineExceeded));
        }
    }
}

/// Runs to the end, which is `None` where the server cuts its calls off.
async fn unless_cut<T>(visit: Visit, mut work: BoxFuture<'static, T>) -> Option<T> {
    let mut cut = None;
    poll_fn(|task| {
        if let Poll::Ready(done) = work.as_mut().poll(task) {
            return Poll::Ready(Some(done));
        }
        // Made where the call waits. Most do not.
        let cut = cut.get_or_insert_with(|| Box::pin(visit.shared.cut.clone().cancelled_owned()));
        cut.as_mut().poll(task).map(|()| None)
    })
    .await
}

/// One handler more that is polled on this thread.
struct Deeper;

impl Deeper {
    fn new() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Deeper {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
