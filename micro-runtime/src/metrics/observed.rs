//! Numbers that somebody else keeps, asked for when they are read.

use std::any::TypeId;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::families::{clean_labels, clean_name};
use super::snapshot::{Kind, Snapshot, Value};

/// Where an owner puts its numbers, see [`Metrics::observe`](super::Metrics::observe).
pub struct Samples<'a>(&'a mut Snapshot);

impl Samples<'_> {
    /// A number that only grows.
    pub fn counter(&mut self, name: &str, help: &'static str, labels: &[(&str, &str)], value: f64) {
        self.put(Kind::Counter, name, help, labels, value);
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &'static str, labels: &[(&str, &str)], value: f64) {
        self.put(Kind::Gauge, name, help, labels, value);
    }

    /// A number that goes up and down, of which the greatest counts where several owners have the same labels: an age,
    /// which is not added up.
    pub fn gauge_max(&mut self, name: &str, help: &'static str, labels: &[(&str, &str)], value: f64) {
        let (name, labels) = (clean_name(Kind::Gauge, name), clean_labels(labels));
        self.0.put_with(Kind::Gauge, &name, help, labels, Value::Number(value), f64::max);
    }

    fn put(&mut self, kind: Kind, name: &str, help: &'static str, labels: &[(&str, &str)], value: f64) {
        self.0.put(kind, &clean_name(kind, name), help, clean_labels(labels), Value::Number(value));
    }
}

impl fmt::Debug for Samples<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Samples").finish_non_exhaustive()
    }
}

/// Who is asked.
#[derive(Default)]
pub(super) struct Observers(Mutex<Vec<Observer>>);

type Ask = dyn Fn(Option<&mut Snapshot>) -> bool + Send + Sync;

#[derive(Clone)]
struct Observer {
    /// The owner and the code that asks it.
    identity: (usize, TypeId),
    /// Says whether the owner is still there, and puts its numbers where there is a place for them.
    ask: Arc<Ask>,
}

impl Observers {
    pub(super) fn add<T, F>(&self, owner: &Arc<T>, observe: F)
    where
        T: ?Sized + Send + Sync + 'static,
        F: Fn(&T, &mut Samples<'_>) + Send + Sync + 'static,
    {
        let owner = Arc::downgrade(owner);
        // Nothing else is put there while it is held on to, be it only weakly.
        let identity = (owner.as_ptr().cast::<()>().addr(), TypeId::of::<F>());
        let ask = move |snapshot: Option<&mut Snapshot>| {
            let Some(snapshot) = snapshot else { return owner.strong_count() > 0 };
            let owner = owner.upgrade();
            if let Some(owner) = &owner {
                observe(owner, &mut Samples(snapshot));
            }
            owner.is_some()
        };
        let mut observers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that are gone do not pile up where nobody reads.
        observers.retain(|observer| (observer.ask)(None));
        if !observers.iter().any(|observer| observer.identity == identity) {
            observers.push(Observer { identity, ask: Arc::new(ask) });
        }
    }

    pub(super) fn read(&self, snapshot: &mut Snapshot) {
        // Not under the lock: it is the code of others that is called.
        let observers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut gone = Vec::new();
        for observer in observers {
            if !(observer.ask)(Some(snapshot)) {
                gone.push(observer.identity);
            }
        }
        if !gone.is_empty() {
            let mut observers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            observers.retain(|observer| !gone.contains(&observer.identity));
        }
    }
}
