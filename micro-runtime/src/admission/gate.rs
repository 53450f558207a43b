//! Where the calls of one method are let in.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::adaptive::{Adaptive, Shedder, Watched};
use super::counts::Tally;
use super::limiter::{Limiter, Room, Slot};
use super::protection::Judge;
use super::queue::{Ended, Waiting};
use super::rate::Rates;
use super::refusal;
use crate::context::{Context, Priority};
use crate::endpoint::MethodDescriptor;
use crate::error::{Error, Result};

/// What all methods of a service have in common.
pub(super) struct Shared {
    pub(super) all: Option<Arc<Limiter>>,
    pub(super) rates: Option<Rates>,
    pub(super) judge: Option<Judge>,
    pub(super) tally: Arc<Tally>,
}

/// The gate of one method.
pub(crate) struct Gate {
    method: &'static MethodDescriptor,
    shared: Arc<Shared>,
    own: Option<Arc<Limiter>>,
    /// Of a method without streams.
    shedder: Option<Arc<Shedder>>,
}

/// What became of a call that asked to be let in.
pub(crate) enum Asked {
    Admitted(Box<Permit>),
    Refused(Error),
    /// It is known when there is room, or has been none for too long.
    Waits(BoxFuture<'static, Result<Box<Permit>>>),
}

/// A call that was let in, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    watched: Option<Watched>,
    _own: Option<Slot>,
    _all: Option<Slot>,
}

impl Permit {
    /// Notes that the handler has answered. One that is dropped before that was given up.
    pub(crate) fn answered(&mut self, well: bool) {
        if let Some(watched) = &mut self.watched {
            watched.answered(well);
        }
    }
}

impl Asked {
    /// Waits where there is something to wait for.
    pub(crate) async fn settled(self) -> Result<Box<Permit>> {
        match self {
            Self::Admitted(permit) => Ok(permit),
            Self::Refused(error) => Err(error),
            Self::Waits(waiting) => waiting.await,
        }
    }
}

impl Gate {
    pub(super) fn new(
        method: &'static MethodDescriptor,
        shared: Arc<Shared>,
        own: Option<Arc<Limiter>>,
        adaptive: Option<&Adaptive>,
        percent: [u8; 4],
    ) -> Self {
        let shedder = adaptive.filter(|_| method.is_unary());
        let shedder = shedder.map(|adaptive| Arc::new(Shedder::new(adaptive, percent)));
        Self { method, shared, own, shedder }
    }

    /// Asks to let a call in. What costs least to find out comes first.
    pub(crate) fn ask(&self, context: &Context) -> Asked {
        let shared = &self.shared;
        if let Some(Err(after)) = shared.rates.as_ref().map(|rates| rates.check(context)) {
            shared.tally.rate_limited.add();
            return Asked::Refused(refusal::too_often(after));
        }
        let priority = self.priority(context);
        let watched = match self.shedder.as_ref().map(|shedder| shedder.enter(priority)).transpose() {
            Ok(watched) => watched,
            Err(limit) => {
                shared.tally.shed.add();
                return Asked::Refused(refusal::shed(&self.name(), limit, priority));
            }
        };
        let asking = Asking { name: Name::Method(self.method), priority, tally: shared.tally.clone() };
        let own = match self.own.as_ref().map(|own| asking.room(own)) {
            None => None,
            Some(Ok(Now::Had(slot))) => Some(slot),
            Some(Ok(Now::Waits(waiting))) => return asking.waits(waiting, watched, shared.all.clone()),
            Some(Err(error)) => return Asked::Refused(error),
        };
        let asking = Asking { name: Name::Service, ..asking };
        let all = match shared.all.as_ref().map(|all| asking.room(all)) {
            None => None,
            Some(Ok(Now::Had(slot))) => Some(slot),
            Some(Ok(Now::Waits(waiting))) => {
                return Asked::Waits(
                    async move {
                        let all = asking.wait(waiting).await?;
                        Ok(asking.admit(watched, own, Some(all)))
                    }
                    .boxed(),
                );
            }
            Some(Err(error)) => return Asked::Refused(error),
        };
        Asked::Admitted(asking.admit(watched, own, all))
    }

    /// Whether a call would now have to wait for room. It has not asked with that, and counts nowhere.
    pub(crate) fn makes_wait(&self, context: &Context) -> bool {
        let limiters = || [&self.own, &self.shared.all].into_iter().flatten();
        // Mostly there is no queue, and nothing to find out.
        limiters().any(|limiter| limiter.queue().is_some()) && {
            let priority = self.priority(context);
            limiters().any(|limiter| limiter.makes_wait(priority))
        }
    }

    fn priority(&self, context: &Context) -> Priority {
        self.shared.judge.as_ref().map_or_else(|| context.priority(), |judge| judge(context))
    }

    fn name(&self) -> String {
        Name::Method(self.method).to_string()
    }
}

/// What is limited, for people.
#[derive(Clone, Copy)]
enum Name {
    Method(&'static MethodDescriptor),
    Service,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(method) => write!(f, "{}/{}", method.service, method.name),
            Self::Service => f.write_str("this node"),
        }
    }
}

/// A call in front of a limit.
struct Asking {
    name: Name,
    priority: Priority,
    tally: Arc<Tally>,
}

enum Now {
    Had(Slot),
    Waits(Waiting),
}

impl Asking {
    fn room(&self, limiter: &Arc<Limiter>) -> Result<Now> {
        match limiter.ask(self.priority) {
            Room::Had(slot) => Ok(Now::Had(slot)),
            Room::Waits(waiting) => {
                self.tally.queued.add();
                Ok(Now::Waits(waiting))
            }
            Room::None => {
                self.tally.refused_by_limit.add();
                Err(refusal::full(&self.name.to_string(), limiter.max, self.priority))
            }
        }
    }

    async fn wait(&self, waiting: Waiting) -> Result<Slot> {
        let (max, longest) = (waiting.max(), waiting.longest());
        waiting.wait().await.map_err(|ended| {
            self.tally.refused_by_limit.add();
            let name = self.name.to_string();
            match ended {
                Ended::TooLong => refusal::waited(&name, max, longest),
                Ended::Displaced => refusal::displaced(&name, max, self.priority),
            }
        })
    }

    /// Waits at the limit of the method, and then asks at that of the service.
    fn waits(self, waiting: Waiting, watched: Option<Watched>, all: Option<Arc<Limiter>>) -> Asked {
        let waits = async move {
            let own = self.wait(waiting).await?;
            let asking = Self { name: Name::Service, ..self };
            let all = match all.as_ref().map(|all| asking.room(all)).transpose()? {
                None => None,
                Some(Now::Had(slot)) => Some(slot),
                Some(Now::Waits(waiting)) => Some(asking.wait(waiting).await?),
            };
            Ok(asking.admit(watched, Some(own), all))
        };
        Asked::Waits(waits.boxed())
    }

    fn admit(&self, watched: Option<Watched>, own: Option<Slot>, all: Option<Slot>) -> Box<Permit> {
        self.tally.admitted.add();
        Box::new(Permit { watched, _own: own, _all: all })
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("method", &self.method.path).finish_non_exhaustive()
    }
}
