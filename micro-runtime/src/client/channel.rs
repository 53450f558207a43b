use std::fmt;
use std::sync::{Arc, OnceLock};

use super::counted::Counted;
use super::nodes::Narrowed;
use super::retry::Target;
use super::{Call, Client};
use crate::context::Context;
use crate::endpoint::{Body, MethodDescriptor};
use crate::error::Result;
use crate::message::Message;
use crate::registry::View;
use crate::stream::{Sender, Streaming};

/// A client's way to one service. Generated clients hold one.
#[derive(Clone)]
pub struct Channel(pub(super) Arc<Destination>);

/// Where the calls of a channel go.
pub(super) struct Destination {
    pub(super) client: Client,
    pub(super) service: String,
    /// The view of the service, from the first call on. Holding it keeps it up to date.
    pub(super) view: OnceLock<Arc<View>>,
    /// What its calls choose among, as long as that does not change.
    pub(super) narrowed: Narrowed,
    /// What the client knows of the service, from the first call on.
    pub(super) target: OnceLock<Arc<Target>>,
    pub(super) counted: Counted,
}

impl Channel {
    /// The way to the service that is registered under this name.
    pub fn new(client: &Client, service: impl Into<String>) -> Self {
        let (client, service) = (client.clone(), service.into());
        Self(Arc::new(Destination {
            client,
            service,
            view: OnceLock::new(),
            narrowed: Narrowed::default(),
            target: OnceLock::new(),
            counted: Counted::default(),
        }))
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("service", &self.0.service).finish_non_exhaustive()
    }
}
/// Prepares a call. Generated clients call it. It asks nothing of the types, so that a wrong one is
/// reported only where the contract names it.
pub fn call<A, B>(
    channel: &Channel,
    context: &Context,
    method: &'static MethodDescriptor,
    request: A,
) -> Call<A, B> {
    Call::new(channel.clone(), context.clone(), method, request)
}

/// Makes a call that answers with a stream, and hands the stream on. Generated clients call it
/// where a contract's method sends to a [`Sender`].
pub async fn relay<A: Body, T: Message>(call: Call<A, Streaming<T>>, out: &mut Sender<T>) -> Result<()> {
    let mut answers = call.send().await?;
    while let Some(answer) = answers.next().await? {
        out.send(answer).await?;
    }
    Ok(())
}
