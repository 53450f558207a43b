use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Origin;
use crate::event::About;
use crate::metadata::Metadata;

/// What a server knows of the call that a context serves.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) metadata: Metadata,
    pub(crate) peer: Arc<Origin>,
    pub(crate) reply: ReplyMetadata,
    /// Where it is no call but an event.
    pub(crate) event: Option<Arc<About>>,
    over: AtomicBool,
    awaits_first: AtomicBool,
    /// Made only when somebody waits: most calls never need one.
    token: OnceLock<CancellationToken>,
}

/// The metadata that a handler sets on its answer.
#[derive(Debug, Default)]
pub(crate) struct ReplyMetadata(Mutex<ReplyParts>);

#[derive(Debug, Default)]
pub(crate) struct ReplyParts {
    pub(crate) headers: Metadata,
    pub(crate) headers_sent: bool,
    pub(crate) trailers: Metadata,
}

impl ReplyMetadata {
    pub(crate) fn lock(&self) -> MutexGuard<'_, ReplyParts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the headers, which are sent now: none can be set any more.
    pub(crate) fn take_headers(&self) -> Metadata {
        let mut reply = self.lock();
        reply.headers_sent = true;
        std::mem::take(&mut reply.headers)
    }

    pub(crate) fn take_trailers(&self) -> Metadata {
        std::mem::take(&mut self.lock().trailers)
    }
}

impl Incoming {
    pub(crate) fn new(metadata: Metadata, peer: Arc<Origin>) -> Self {
        Self {
            metadata,
            peer,
            reply: ReplyMetadata::default(),
            event: None,
            over: AtomicBool::new(false),
            awaits_first: AtomicBool::new(false),
            token: OnceLock::new(),
        }
    }

    /// The same for an event, which is handed over as a call is.
    #[must_use]
    pub(crate) fn with_event(mut self, event: Arc<About>) -> Self {
        self.event = Some(event);
        self
    }

    /// Whether the handler waits for the first message of its caller's stream.
    pub(crate) fn awaits_first(&self) -> bool {
        self.awaits_first.load(Ordering::Relaxed)
    }

    pub(crate) fn set_awaits_first(&self, awaits: bool) {
        self.awaits_first.store(awaits, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(super) async fn over(&self) {
        let token = self.token.get_or_init(CancellationToken::new);
        fence(Ordering::SeqCst);
        if !self.is_over() {
            token.cancelled().await;
        }
    }

    /// The call was answered or given up. Whoever waits, and makes the token after this looked for
    /// one, looks at `over` after that and sees it.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if let Some(token) = self.token.get() {
            token.cancel();
        }
    }
}
