use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::error::{Error, Result};
use crate::registry::{Discovery, Node, Registration, Snapshot, View};
use crate::selector::Candidate;

/// How long the registry may take to say, for an error message, what there is.
const LIST_TIMEOUT: Duration = Duration::from_secs(1);

/// Where a client finds nodes.
pub(super) enum Nodes {
    Registered { discovery: Discovery, wait: Duration },
    Fixed(Arc<Snapshot>),
}

impl Nodes {
    pub(super) fn registered(discovery: Discovery, wait: Duration) -> Self {
        Self::Registered { discovery, wait }
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

    /// The nodes of a service, as known now. Waits only where none is known yet.
    pub(super) async fn of(&self, service: &str) -> Result<Arc<Snapshot>> {
        match self {
            Self::Fixed(nodes) => Ok(nodes.clone()),
            Self::Registered { discovery, wait } => {
                let view = discovery.view(service)?;
                let nodes = view.nodes();
                if nodes.is_empty() { first(discovery, &view, *wait).await } else { Ok(nodes) }
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

/// Waits for the first nodes of a service.
async fn first(discovery: &Discovery, view: &View, wait: Duration) -> Result<Arc<Snapshot>> {
    let service = view.service();
    if let Err(error) = view.ready(Some(Instant::now() + wait)).await {
        let message = format!("cannot find a node of the service `{service}`: {}", error.message());
        return Err(Error::unavailable(message).with_source(error).never_processed());
    }
    let nodes = view.nodes();
    if nodes.is_empty() { Err(none(discovery, service).await) } else { Ok(nodes) }
}

/// Says what there is in place of what was looked for.
#[cold]
async fn none(discovery: &Discovery, service: &str) -> Error {
    let registry = discovery.registry();
    let known = match timeout(LIST_TIMEOUT, registry.services()).await {
        Ok(Ok(services)) => {
            let mut names: Vec<_> = services.into_iter().map(|service| service.name).collect();
            names.sort();
            names.dedup();
            names
        }
        _ => Vec::new(),
    };
    let known = if known.is_empty() {
        "there is no service at all".to_owned()
    } else {
        format!("there are: {}", known.join(", "))
    };
    Error::unavailable(format!(
        "no node of the service `{service}` is in the registry `{}`; {known}. Start the service, or name the one you \
         mean with the client's `with_name`",
        registry.name()
    ))
    .never_processed()
}
