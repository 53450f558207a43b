use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::error::Result;
use crate::registry::{Registration, Registry};

/// Keeps a node in the registry.
pub(super) struct Registrar {
    registry: Arc<dyn Registry>,
    registration: Arc<Registration>,
    renewal: JoinHandle<()>,
}

impl Registrar {
    /// Registers, and goes on registering every `interval`.
    pub(super) async fn start(
        registry: Arc<dyn Registry>,
        registration: Registration,
        ttl: Duration,
        interval: Duration,
    ) -> Result<Self> {
        registry.register(&registration, ttl).await?;
        let registration = Arc::new(registration);
        let renewal = tokio::spawn(renew(registry.clone(), registration.clone(), ttl, interval));
        Ok(Self { registry, registration, renewal })
    }

    /// Takes the node out of the registry.
    pub(super) async fn stop(&self) -> Result<()> {
        self.renewal.abort();
        self.registry.deregister(&self.registration).await
    }
}

/// A registrar that is let go without [`Registrar::stop`] still tries to take the node out.
impl Drop for Registrar {
    fn drop(&mut self) {
        if self.renewal.is_finished() {
            return;
        }
        self.renewal.abort();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (registry, registration) = (self.registry.clone(), self.registration.clone());
            runtime.spawn(async move { registry.deregister(&registration).await });
        }
    }
}

async fn renew(
    registry: Arc<dyn Registry>,
    registration: Arc<Registration>,
    ttl: Duration,
    interval: Duration,
) {
    loop {
        // Nodes that started together do not come together for ever.
        sleep(interval.mul_f64(0.9 + 0.1 * fastrand::f64())).await;
        if let Err(error) = registry.register(&registration, ttl).await {
            tracing::warn!(registry = registry.name(), %error, "cannot renew the registration; it is tried again");
        }
    }
}
