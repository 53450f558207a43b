use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::Channel;
use super::channel::Destination;
use crate::error::{Error, Result};
use crate::registry::{Discovery, Node, Registration, Registry, Snapshot, View};
use crate::selector::Candidate;

/// How long the registry may take to say, for an error message, what there is, and how long that
/// is good for.
const LIST_TIMEOUT: Duration = Duration::from_secs(1);

/// Where a client finds nodes.
pub(super) enum Nodes {
    Registered { discovery: Discovery, wait: Duration, listed: Listed },
    Fixed(Arc<Snapshot>),
}

impl Nodes {
    pub(super) fn registered(discovery: Discovery, wait: Duration) -> Self {
        Self::Registered { discovery, wait, listed: Listed::default() }
    }

    pub(super) fn fixed(addresses: &[String]) -> Self {
        let candidate = |address: &String| {
            let node = Registration::new("fixed", Node::new(address, address));
            Arc::new(Candidate::new(Arc::new(node)))
        };
        Self::Fixed(Arc::new(addresses.iter().map(candidate).collect()))
    }

    pub(super) fn discovery(&self) -> Option<&Discovery> {
        match self {
            Self::Registered { discovery, .. } => Some(discovery),
            Self::Fixed(_) => None,
        }
    }

    /// The nodes of a service, where some are known now.
    pub(super) fn known<'a>(&'a self, channel: &Channel) -> Option<Known<'a>> {
        match self {
            Self::Fixed(nodes) => Some(Known::Fixed(nodes)),
            Self::Registered { .. } => {
                let view = channel.0.view.get().filter(|view| !view.is_stale())?;
                let nodes = view.current();
                (!nodes.is_empty()).then_some(Known::Registered(nodes))
            }
        }
    }

    /// The nodes of a service. Waits where none is known yet.
    pub(super) async fn wait(&self, channel: &Channel) -> Result<Arc<Snapshot>> {
        match self {
            Self::Fixed(nodes) => Ok(nodes.clone()),
            Self::Registered { discovery, wait, listed } => {
                let Destination { view, service, .. } = &*channel.0;
                let view = match view.get() {
                    Some(view) if !view.is_stale() => view.clone(),
                    // It begins here, or, where it went stale with the runtime that followed it, again.
                    _ => {
                        let begun = discovery.view(service)?;
                        view.get_or_init(|| begun).clone()
                    }
                };
                let nodes = view.nodes();
                if nodes.is_empty() { first(discovery, &view, *wait, listed).await } else { Ok(nodes) }
            }
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
    Fixed(&'a Snapshot),
    Registered(Guard<Arc<Snapshot>>),
}

impl Deref for Known<'_> {
    type Target = [Arc<Candidate>];

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Fixed(nodes) => nodes,
            Self::Registered(nodes) => nodes,
        }
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
