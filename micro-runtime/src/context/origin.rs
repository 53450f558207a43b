use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// Where calls come from, and the server that they came to: one for all calls of a connection.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The address of the other side.
    pub(crate) address: Arc<str>,
    pub(crate) departure: Departure,
}

impl Origin {
    pub(crate) fn new(address: impl Into<Arc<str>>, departure: &Departure) -> Arc<Self> {
        Arc::new(Self { address: address.into(), departure: departure.clone() })
    }

    /// Of events that a broker brought to who is no service.
    pub(crate) fn of_broker(name: &str) -> Arc<Self> {
        Self::new(name, &Departure::default())
    }

    /// Of calls that came to no server.
    pub(crate) fn of_test() -> Arc<Self> {
        Self::new("test", &Departure::default())
    }
}

impl Deref for Origin {
    type Target = str;

    fn deref(&self) -> &str {
        &self.address
    }
}

/// What a server that stops and the calls in it tell each other. Clones are handles on the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Departure(Arc<Inner>);

#[derive(Default)]
struct Inner {
    begun: AtomicBool,
    told: CancellationToken,
    cut: AtomicBool,
    /// How many calls of each method were cut off.
    lost: Mutex<BTreeMap<&'static str, usize>>,
    /// What its handlers find in their contexts, whatever call they serve.
    belonging: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("begun", &self.begun).field("cut", &self.cut).finish_non_exhaustive()
    }
}

impl Departure {
    /// Of a server whose handlers find this in their contexts.
    pub(crate) fn with(belonging: Arc<dyn Any + Send + Sync>) -> Self {
        Self(Arc::new(Inner { belonging: Some(belonging), ..Inner::default() }))
    }

    /// What belongs to the server, where it is of this type.
    pub(super) fn belonging<T: 'static>(&self) -> Option<&T> {
        self.0.belonging.as_ref()?.downcast_ref()
    }

    /// The server takes no new calls: tells those in flight.
    pub(crate) fn begin(&self) {
        self.0.begun.store(true, Ordering::SeqCst);
        self.0.told.cancel();
    }

    /// Whether the server takes no new calls.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::SeqCst)
    }

    /// Waits until the server takes no new calls.
    pub(crate) async fn begun(&self) {
        self.0.told.cancelled().await;
    }

    /// Handlers that are dropped from now on were cut off.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::SeqCst);
    }

    /// Notes that the handler of a method was dropped before it was done.
    pub(crate) fn dropped(&self, method: &'static str) {
        if self.0.cut.load(Ordering::SeqCst) {
            *self.0.lost.lock().unwrap_or_else(PoisonError::into_inner).entry(method).or_default() += 1;
        }
    }

    /// How many calls of each method were cut off, by the paths of the methods.
    pub(crate) fn lost(&self) -> BTreeMap<&'static str, usize> {
        self.0.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
