use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::{BoxIo, Listener, Movable, Transport};
use crate::error::{Error, Result};

/// How many bytes a memory connection holds in each direction before the writer waits.
const BUFFER: usize = 256 * 1024;

/// Connections inside one process. Clones share one network; two networks made with
/// [`Memory::new`] know nothing of each other.
///
/// Addresses are any names; an empty one, or one that ends in `:0`, is replaced by a free one.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    network: Arc<Mutex<Network>>,
}

#[derive(Debug, Default)]
struct Network {
    listeners: HashMap<String, mpsc::Sender<DuplexStream>>,
    named: u64,
}

#[derive(Debug)]
struct MemoryListener {
    address: String,
    transport: Memory,
    incoming: mpsc::Receiver<DuplexStream>,
}

impl Memory {
    /// A network of its own.
    pub fn new() -> Self {
        Self::default()
    }

    fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        let mut network = self.network();
        let address = if address.is_empty() || address.ends_with(":0") {
            network.named += 1;
            format!("memory-{}", network.named)
        } else {
            address.to_owned()
        };
        match network.listeners.entry(address.clone()) {
            Entry::Occupied(_) => Err(Error::unavailable(format!(
                "cannot listen on `{address}`: something else in this process does"
            ))),
            Entry::Vacant(vacant) => {
                let (sender, incoming) = mpsc::channel(16);
                vacant.insert(sender);
                Ok(Box::new(MemoryListener { address, transport: self.clone(), incoming }))
            }
        }
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        let listener = self.network().listeners.get(address).cloned();
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let refused = || {
            Error::unavailable(format!("cannot connect to {address}: nothing in this process listens there"))
                .never_processed()
        };
        listener.ok_or_else(refused)?.send(theirs).await.map_err(|_| refused())?;
        Ok(Box::new(ours))
    }
}

#[async_trait]
impl Listener for MemoryListener {
    fn address(&self) -> String {
        self.address.clone()
    }

    async fn accept(&mut self) -> io::Result<(BoxIo, String)> {
        match self.incoming.recv().await {
            Some(io) => Ok((Box::new(io), "memory".to_owned())),
            // The sender lives as long as the listener.
            None => std::future::pending().await,
        }
    }

    fn is_movable(&self) -> bool {
        true
    }

    /// A memory connection belongs to no runtime.
    async fn accept_movable(&mut self) -> io::Result<(Movable, String)> {
        let (io, peer) = self.accept().await?;
        Ok((Box::new(|| Ok(io)), peer))
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        self.transport.network().listeners.remove(&self.address);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn bytes_pass_until_the_listener_is_gone() {
        let memory = Memory::new();
        let mut listener = memory.listen("").await.unwrap();
        let mut client = memory.connect(&listener.address()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"hi").await.unwrap();
        let mut read = [0; 2];
        server.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"hi");

        let address = listener.address();
        drop(listener);
        assert!(memory.connect(&address).await.err().unwrap().was_never_processed());
        assert!(Memory::new().connect(&address).await.is_err());
    }
}
