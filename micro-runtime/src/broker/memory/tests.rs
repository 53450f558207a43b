use std::sync::Arc;

use super::Memory;
use crate::broker::Broker;
use crate::broker::conformance::{Fixture, Kit};
use crate::error::Result;

#[derive(Debug)]
struct InMemory(Memory);

#[async_trait::async_trait]
impl Fixture for InMemory {
    async fn broker(&self) -> Result<Arc<dyn Broker>> {
        Ok(Arc::new(self.0.clone()))
    }
}

#[tokio::test]
async fn the_broker_in_memory_conforms() -> Result<()> {
    Kit::new(InMemory(Memory::new())).run().await
}
