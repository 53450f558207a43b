use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex as AsyncMutex;

use super::connection::{Connection, Use};
use super::proto::{CREATE, Compare, DeleteRangeRequest, MOD, Op, PutRequest, RequestOp, Target};
use super::record;
use crate::error::{Code, Error, Result};
use crate::registry::Registration;

/// How often a record is read again that changes while it is to be deleted.
const ATTEMPTS: usize = 5;

/// The nodes that were registered here, with their leases.
#[derive(Debug, Default)]
pub(super) struct Announced(Mutex<HashMap<String, Slot>>);

/// What is known of one node. It is locked while etcd is asked about the node, so that its operations come one after the other.
type Slot = Arc<AsyncMutex<Option<Own>>>;

#[derive(Debug)]
struct Own {
    address: String,
    value: Bytes,
    /// The time to live in seconds; zero is without an end.
    seconds: i64,
    /// Zero is none.
    lease: i64,
}

impl Announced {
    /// Announces a node, or renews it.
    pub(super) async fn announce(
        &self,
        connection: &Connection,
        registration: &Registration,
        ttl: Duration,
    ) -> Result<()> {
        let key = record::key(&registration.service, &registration.node.id);
        let node = Node { connection, what: format!("register `{}`", registration.service), key };
        let value = Bytes::from(record::encode(registration)?);
        // A lease has whole seconds, and none at all would be one without an end.
        let seconds = i64::try_from(ttl.as_millis().div_ceil(1000)).unwrap_or(i64::MAX);
        let slot = self.slots().entry(node.key.clone()).or_default().clone();
        let mut own = slot.lock().await;
        if let Some(before) = own.as_mut().filter(|before| before.seconds == seconds)
            && node.renew(before.lease).await?
        {
            let written = if before.value == value {
                node.write_where_gone(&value, before.lease).await?
            } else {
                node.write(&value, before.lease).await?
            };
            if written {
                before.value = value;
                before.address.clone_from(&registration.node.address);
                return Ok(());
            }
        }
        let lease = node.grant(seconds).await?;
        // Where writing fails, the next time goes on with this lease and does not leave it behind. Nothing is sure to be written.
        let address = registration.node.address.clone();
        let before = own.replace(Own { address, value: Bytes::new(), seconds, lease });
        if !node.write(&value, lease).await? {
            *own = None;
            return Err(Error::unavailable(format!("cannot {}: etcd ended the lease at once", node.what)));
        }
        if let Some(own) = own.as_mut() {
            own.value = value;
        }
        if let Some(before) = before {
            // It has no key any more. Where this fails it runs out by itself.
            let _ = node.revoke(before.lease).await;
        }
        Ok(())
    }

    /// Takes a node back where it is still the one at this address.
    pub(super) async fn withdraw(&self, connection: &Connection, registration: &Registration) -> Result<()> {
        let key = record::key(&registration.service, &registration.node.id);
        let node = Node { connection, what: format!("deregister `{}`", registration.service), key };
        let slot = self.slots().get(&node.key).cloned();
        let mut own = match &slot {
            Some(slot) => Some(slot.lock().await),
            None => None,
        };
        node.delete(registration).await?;
        let Some(own) = own.as_deref_mut() else { return Ok(()) };
        if own.as_ref().is_some_and(|own| own.address == registration.node.address)
            && let Some(before) = own.take()
        {
            self.slots().remove(&node.key);
            // What is still on the lease is the node itself, written by somebody who did not know that it left.
            let _ = node.revoke(before.lease).await;
        }
        Ok(())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node in etcd.
struct Node<'a> {
    connection: &'a Connection,
    what: String,
    key: String,
}

impl Node<'_> {
    async fn grant(&self, seconds: i64) -> Result<i64> {
        if seconds == 0 {
            return Ok(0);
        }
        self.connection.call(&self.what, |used| async move { used.api.grant(seconds).await }).await
    }

    /// Renews a lease, and says whether it was still there.
    async fn renew(&self, lease: i64) -> Result<bool> {
        if lease == 0 {
            return Ok(true);
        }
        self.connection.call(&self.what, |used| async move { used.api.keep_alive(lease).await }).await
    }

    async fn revoke(&self, lease: i64) -> Result<()> {
        if lease == 0 {
            return Ok(());
        }
        self.connection.call(&self.what, |used| async move { used.api.revoke(lease).await }).await
    }

    /// Writes the record, and says whether the lease was still there.
    async fn write(&self, value: &Bytes, lease: i64) -> Result<bool> {
        self.put(None, value, lease).await
    }

    /// The same where the record is not there. One that is there stays: it may be that of a successor.
    async fn write_where_gone(&self, value: &Bytes, lease: i64) -> Result<bool> {
        self.put(Some(self.compare(CREATE, Target::CreateRevision(0))), value, lease).await
    }

    async fn put(&self, compare: Option<Compare>, value: &Bytes, lease: i64) -> Result<bool> {
        let put = Op::Put(PutRequest { key: self.key(), value: value.clone(), lease });
        match self.transaction(compare, put).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Code::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn transaction(&self, compare: Option<Compare>, op: Op) -> Result<bool> {
        let (compare, op) = (&compare, &op);
        let ask = |used: Use| async move {
            used.api.transaction(compare.clone(), RequestOp { op: Some(op.clone()) }).await
        };
        self.connection.call(&self.what, ask).await
    }

    async fn delete(&self, registration: &Registration) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let read = |used: Use| async move { used.api.get(&self.key).await };
            let answer = self.connection.call(&self.what, read).await?;
            let Some(pair) = answer.kvs.first() else { return Ok(()) };
            let is_this = |node: &Registration| {
                node.node.id == registration.node.id && node.node.address == registration.node.address
            };
            if !record::decode(&pair.value).is_ok_and(|nodes| nodes.iter().any(is_this)) {
                return Ok(());
            }
            let as_read = self.compare(MOD, Target::ModRevision(pair.mod_revision));
            let delete = Op::Delete(DeleteRangeRequest { key: self.key() });
            if self.transaction(Some(as_read), delete).await? {
                return Ok(());
            }
        }
        Err(Error::aborted(format!("cannot {}: its record kept changing; try again", self.what)))
    }

    fn compare(&self, target: i32, value: Target) -> Compare {
        Compare { result: 0, target, key: self.key(), value: Some(value) }
    }

    fn key(&self) -> Bytes {
        Bytes::copy_from_slice(self.key.as_bytes())
    }
}
