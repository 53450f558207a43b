use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::table::Table;
use super::{Registration, Registry, ServiceRecord, Watch};
use crate::error::Result;

/// A registry in memory: for tests, and for services that live in one process.
///
/// Clones are the same registry; two made with [`Memory::new`] know nothing of each other. Times
/// are tokio's, so a test with a paused clock decides when a node expires. Watches end when the
/// last clone is dropped.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Table>);

impl Memory {
    /// An empty registry.
    pub fn new() -> Self {
        Self(Arc::new(Table::new(true)))
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Registry for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
        registration.check()?;
        self.0.forget_expired();
        // A time too far away to be counted is as good as none.
        let expires = (!ttl.is_zero()).then(|| Instant::now().checked_add(ttl)).flatten();
        self.0.put(Arc::new(registration.clone()), expires);
        Ok(())
    }

    async fn deregister(&self, registration: &Registration) -> Result<()> {
        let Registration { service, node, .. } = registration;
        self.0.remove(service, &node.id, |known| known.node.address == node.address);
        Ok(())
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        Ok(self.0.watch(service))
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        Ok(self.0.services())
    }
}
