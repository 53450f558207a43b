use std::ops::Deref;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::Channel;
use super::channel::Destination;
use crate::error::{Error, Result};
use crate::registry::{Discovery, Node, Registration, Registry, Snapshot, View};
use crate::selector::{Candidate, Filter, Fleet, Narrowing, NodeStatus, Route};

/// How long the registry may take to say, for an error message, what there is, and how long that
/// is good for.
const LIST_TIMEOUT: Duration = Duration::from_secs(1);

/// For so many different filters of calls the nodes are kept that they go to.
const KEPT: usize = 16;

/// Where a client finds nodes.
pub(super) enum Nodes {
    Registered { discovery: Discovery, wait: Duration, listed: Listed, narrowing: Narrowing },
    Fixed(Fleet),
}

impl Nodes {
    pub(super) fn registered(discovery: Discovery, wait: Duration, narrowing: Narrowing) -> Self {
        Self::Registered { discovery, wait, listed: Listed::default(), narrowing }
    }

    pub(super) fn fixed(addresses: &[String]) -> Self {
        let candidate = |address: &String| {
            let node = Registration::new("fixed", Node::new(address, address));
            Arc::new(Candidate::new(Arc::new(node)))
        };
        Self::Fixed(Fleet::of(addresses.iter().map(candidate).collect()))
    }

    pub(super) fn discovery(&self) -> Option<&Discovery> {
        match self {
            Self::Registered { discovery, .. } => Some(discovery),
            Self::Fixed(_) => None,
        }
    }

    /// The nodes of a service, where some are known now.
    pub(super) fn known<'a>(&'a self, channel: &'a Channel, route: &Route) -> Option<Known<'a>> {
        match self {
            Self::Fixed(fleet) => Some(Known::Fixed(fleet)),
            Self::Registered { narrowing, .. } => {
                let view = channel.0.view.get().filter(|view| view.is_followed())?;
                let nodes = view.current();
                (!nodes.is_empty()).then(|| channel.0.narrowed.of(narrowing, &nodes, route))
            }
        }
    }

    /// The nodes of a service. Waits where none is known yet.
    pub(super) async fn wait<'a>(&'a self, channel: &'a Channel, route: &Route) -> Result<Known<'a>> {
        match self {
            Self::Fixed(fleet) => Ok(Known::Fixed(fleet)),
            Self::Registered { discovery, wait, listed, narrowing } => {
                let Destination { view, service, narrowed, .. } = &*channel.0;
                let view = match view.get() {
                    Some(view) if view.is_followed() => view.clone(),
                    // It begins here, or, where it ended with the runtime that followed it, again.
                    _ => {
                        let begun = discovery.view(service)?;
                        view.get_or_init(|| begun).clone()
                    }
                };
                let nodes = view.nodes();
                let nodes =
                    if nodes.is_empty() { first(discovery, &view, *wait, listed).await? } else { nodes };
                Ok(narrowed.of(narrowing, &nodes, route))
            }
        }
    }

    /// How the nodes of a service do.
    pub(super) fn status(&self, service: &str) -> Result<Vec<NodeStatus>> {
        let status = |nodes: &[Arc<Candidate>]| nodes.iter().map(|node| NodeStatus::of(node)).collect();
        match self {
            Self::Fixed(fleet) => Ok(status(fleet.everyone())),
            Self::Registered { discovery, .. } => Ok(status(&discovery.view(service)?.nodes())),
        }
    }

    /// Tells the registry that a node could not be reached.
    pub(super) fn suspect(&self, candidate: &Candidate) {
        if let Self::Registered { discovery, .. } = self {
            discovery.registry().suspect(candidate.registration());
        }
    }
}

/// The nodes that are known at one moment.
pub(super) enum Known<'a> {
    Fixed(&'a Fleet),
    Kept(Guard<Arc<Kept>>),
    Made(Arc<Kept>),
}

impl Deref for Known<'_> {
    type Target = Fleet;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Fixed(fleet) => fleet,
            Self::Kept(kept) => &kept.fleet,
            Self::Made(kept) => &kept.fleet,
        }
    }
}

/// What the calls of a channel choose among. It is made when the nodes of the service change, and is read with one
/// atomic load otherwise.
#[derive(Default)]
pub(super) struct Narrowed {
    /// For calls that say nothing themselves.
    usual: ArcSwap<Kept>,
    /// For calls with filters of their own, the latest first.
    special: ArcSwap<Vec<Arc<Kept>>>,
    /// One at a time makes a new one.
    making: std::sync::Mutex<()>,
}

/// A fleet, and what it was made of.
#[derive(Default)]
pub(super) struct Kept {
    /// Held, so that no other snapshot can be at the same place.
    nodes: Arc<Snapshot>,
    wanted: Vec<Filter>,
    fleet: Fleet,
}

impl Narrowed {
    fn of(&self, narrowing: &Narrowing, nodes: &Arc<Snapshot>, route: &Route) -> Known<'_> {
        let wanted = route.wanted();
        if wanted.is_empty() {
            let usual = self.usual.load();
            if Arc::ptr_eq(&usual.nodes, nodes) {
                return Known::Kept(usual);
            }
        }
        Known::Made(self.made(narrowing, nodes, wanted))
    }

    fn made(&self, narrowing: &Narrowing, nodes: &Arc<Snapshot>, wanted: &[Filter]) -> Arc<Kept> {
        let find = || match wanted {
            [] => Some(self.usual.load_full()),
            wanted => self.special.load().iter().find(|kept| kept.wanted == wanted).cloned(),
        };
        let is_new = |kept: &Arc<Kept>| Arc::ptr_eq(&kept.nodes, nodes);
        if let Some(kept) = find().filter(is_new) {
            return kept;
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let before = find();
        if let Some(kept) = before.clone().filter(is_new) {
            return kept;
        }
        let fleet = narrowing.fleet(nodes, wanted, before.as_ref().map(|before| &before.fleet));
        let kept = Arc::new(Kept { nodes: nodes.clone(), wanted: wanted.to_vec(), fleet });
        if wanted.is_empty() {
            self.usual.store(kept.clone());
        } else {
            let others = self.special.load();
            let others = others.iter().filter(|other| other.wanted != wanted).take(KEPT - 1).cloned();
            self.special.store(Arc::new(std::iter::once(kept.clone()).chain(others).collect()));
        }
        kept
    }
}

/// Waits for the first nodes of a service.
async fn first(discovery: &Discovery, view: &View, wait: Duration, listed: &Listed) -> Result<Arc<Snapshot>> {
    let service = view.service();
    if let Err(error) = view.ready(Instant::now().checked_add(wait)).await {
        let message = format!("cannot find a node of the service `{service}`: {}", error.message());
        return Err(Error::unavailable(message).with_source(error).never_processed());
    }
    let nodes = view.nodes();
    if nodes.is_empty() { Err(none(discovery, service, listed).await) } else { Ok(nodes) }
}

/// The names of the services there are, for the errors of calls that find none. Many calls that
/// fail together ask the registry once.
#[derive(Default)]
pub(super) struct Listed(Mutex<Option<(Instant, Vec<String>)>>);

impl Listed {
    async fn names(&self, registry: &dyn Registry) -> Vec<String> {
        let mut listed = self.0.lock().await;
        if let Some((at, names)) = &*listed
            && at.elapsed() < LIST_TIMEOUT
        {
            return names.clone();
        }
        let services = timeout(LIST_TIMEOUT, registry.services()).await;
        let mut names: Vec<_> =
            services.into_iter().flatten().flatten().map(|service| service.name).collect();
        names.sort();
        names.dedup();
        *listed = Some((Instant::now(), names.clone()));
        names
    }
}

/// Says what there is in place of what was looked for.
#[cold]
async fn none(discovery: &Discovery, service: &str, listed: &Listed) -> Error {
    let registry = discovery.registry();
    let names = listed.names(&**registry).await;
    let known = match names.as_slice() {
        [] => "there is no service at all".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    let message = format!(
        "no node of the service `{service}` is in the registry `{}`; {known}. Start the service, or name the one you \
         mean with the client's `with_name`",
        registry.name()
    );
    Error::unavailable(message).never_processed()
}
