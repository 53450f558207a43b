use std::sync::Arc;

use super::pace::Pace;
use super::subscriber::Subscriber;
use super::{MethodDescriptor, Serve, ServiceDescriptor, SubscriberDescriptor};
use crate::admission::Gate;
use crate::metrics::Calls;

/// A value that serves calls: one whose `impl` block is marked `#[micro::handler]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what it serves",
    label = "not a handler",
    note = "write `#[micro::handler]` above its `impl SomeContract for {Self}` block,",
    note = "or, to serve without a contract, above its `impl {Self}` block"
)]
pub trait Handler: Send + Sync + 'static {
    /// Adds the endpoints of this value to the table.
    #[doc(hidden)]
    fn bind(self: Arc<Self>, binder: &mut Binder);
}

/// What `#[micro::handler]` implements, once for each type. Twice is a compile error that has no text
/// but this name, and so the name says what to do.
#[doc(hidden)]
pub trait OneHandlerPerTypeWithOtherContractsInAlso: Send + Sync + 'static {
    fn bind(self: Arc<Self>, binder: &mut Binder);
}

#[diagnostic::do_not_recommend]
impl<T: OneHandlerPerTypeWithOtherContractsInAlso> Handler for T {
    fn bind(self: Arc<Self>, binder: &mut Binder) {
        OneHandlerPerTypeWithOtherContractsInAlso::bind(self, binder);
    }
}

#[diagnostic::do_not_recommend]
impl<T: Handler> Handler for Arc<T> {
    fn bind(self: Arc<Self>, binder: &mut Binder) {
        T::bind(Self::clone(&self), binder);
    }
}

/// Collects what handlers serve.
#[derive(Default)]
pub struct Binder {
    pub(super) services: Vec<&'static ServiceDescriptor>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) subscribers: Vec<Arc<Subscriber>>,
}

/// A method and the code behind it.
pub(crate) struct Endpoint {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) serve: Box<dyn Serve>,
    /// How its handler runs for callers in the same process.
    pub(crate) pace: Pace,
    /// What is counted of its calls.
    pub(crate) calls: Calls,
    /// Who is let in, where not everybody is.
    pub(crate) gate: Option<Gate>,
}

impl Endpoint {
    pub(super) fn new(method: &'static MethodDescriptor, serve: impl Serve + 'static) -> Self {
        let (pace, calls) = (Pace::default(), Calls::default());
        Self { method, serve: Box::new(serve), pace, calls, gate: None }
    }
}

impl Binder {
    /// Adds a contract's description.
    pub fn service(&mut self, service: &'static ServiceDescriptor) {
        self.services.push(service);
    }

    /// The contracts that were added.
    #[cfg(feature = "protobuf")]
    pub(crate) fn services(&self) -> impl Iterator<Item = &'static ServiceDescriptor> {
        self.services.iter().copied()
    }

    /// Adds a method and the code behind it.
    pub fn endpoint(&mut self, method: &'static MethodDescriptor, serve: impl Serve + 'static) {
        self.endpoints.push(Endpoint::new(method, serve));
    }

    /// Adds a subscriber and the code behind it.
    pub fn subscriber(&mut self, descriptor: &'static SubscriberDescriptor, serve: impl Serve + 'static) {
        self.subscribers.push(Arc::new(Subscriber::new(descriptor, serve)));
    }

    /// What the subscribers say of themselves that were added.
    pub fn subscribers(&self) -> impl Iterator<Item = &'static SubscriberDescriptor> {
        self.subscribers.iter().map(|subscriber| subscriber.descriptor)
    }
}

impl std::fmt::Debug for Binder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.endpoints.iter().map(|endpoint| endpoint.method.path)).finish()
    }
}
