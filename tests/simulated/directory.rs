//! A registry that is a host of the simulation: a service which keeps its records in memory, and the driver that
//! calls it. It can crash, and it can be cut off, like any other host.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use micro::registry::{Change, Memory, Registration, Registry, ServiceRecord, Watch};
use micro::transport::async_trait;
use micro::{Client, Context, Environment, Error, Result, Service, Streaming};
use serde::{Deserialize, Serialize};

use crate::network::Simulated;

/// How long an answer of the registry may take.
const PATIENCE: Duration = Duration::from_secs(2);

#[micro::service(package = "sim.v1")]
pub(crate) trait Records {
    async fn put(&self, ctx: &Context, entry: Entry) -> Result<()>;
    async fn remove(&self, ctx: &Context, entry: Entry) -> Result<()>;
    #[micro(idempotent)]
    async fn all(&self, ctx: &Context, request: ()) -> Result<Entry>;
    async fn follow(&self, ctx: &Context, service: String) -> Result<Streaming<News>>;
}

/// Records, in go-micro's JSON.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub(crate) struct Entry {
    records: String,
    ttl_ms: u64,
}

/// What changed.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub(crate) enum News {
    Put(String),
    Remove(String),
    Snapshot(Vec<String>),
}

/// Serves a registry on this host, until the host crashes.
pub(crate) async fn serve(port: u16) -> Result<()> {
    let service = Service::new("records")
        .environment(Environment::empty())
        .handle(InMemory(Memory::new()))
        .id("only")
        .address(format!("0.0.0.0:{port}"))
        .transport(Simulated)
        // It is found by its address.
        .registry(Memory::new());
    let _running = service.start().await?;
    std::future::pending().await
}

struct InMemory(Memory);

#[micro::handler]
impl Records for InMemory {
    async fn put(&self, _ctx: &Context, entry: Entry) -> Result<()> {
        for registration in registrations(&entry.records)? {
            self.0.register(&registration, Duration::from_millis(entry.ttl_ms)).await?;
        }
        Ok(())
    }

    async fn remove(&self, _ctx: &Context, entry: Entry) -> Result<()> {
        for registration in registrations(&entry.records)? {
            self.0.deregister(&registration).await?;
        }
        Ok(())
    }

    async fn all(&self, _ctx: &Context, _request: ()) -> Result<Entry> {
        Ok(Entry { records: json(&self.0.services().await?)?, ttl_ms: 0 })
    }

    async fn follow(&self, _ctx: &Context, service: String) -> Result<Streaming<News>> {
        let changes = self.0.watch(&service).await?;
        let text = |registration: &Arc<Registration>| json(&[registration.to_record()]);
        Ok(Streaming::from_stream(changes.map(move |change| match change? {
            Change::Put(registration) => Ok(News::Put(text(&registration)?)),
            Change::Remove(id) => Ok(News::Remove(id)),
            Change::Snapshot(all) => Ok(News::Snapshot(all.iter().map(text).collect::<Result<_>>()?)),
            other => Err(Error::unimplemented(format!("{other:?}"))),
        })))
    }
}

/// The driver.
#[derive(Debug)]
pub(crate) struct Directory(RecordsClient);

impl Directory {
    pub(crate) fn at(address: &str) -> Self {
        let client = Client::builder().environment(Environment::empty()).address(address);
        Self(RecordsClient::new(&client.transport(Simulated).timeout(PATIENCE).build()))
    }
}

#[async_trait]
impl Registry for Directory {
    fn name(&self) -> &'static str {
        "directory"
    }

    fn forgets(&self) -> bool {
        true
    }

    async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        self.0.put(&Context::new(), Entry { records: json(&[registration.to_record()])?, ttl_ms }).await
    }

    async fn deregister(&self, registration: &Registration) -> Result<()> {
        let entry = Entry { records: json(&[registration.to_record()])?, ttl_ms: 0 };
        self.0.remove(&Context::new(), entry).await
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        let news = self.0.follow(&Context::new(), service.to_owned()).await?;
        let one = |text: &str| {
            let all = registrations(text)?;
            all.into_iter().next().map(Arc::new).ok_or_else(|| Error::data_loss("a record without a node"))
        };
        let changes = news.and_then(move |news| async move {
            Ok(match news {
                News::Put(text) => Change::Put(one(&text)?),
                News::Remove(id) => Change::Remove(id),
                News::Snapshot(all) => {
                    Change::Snapshot(all.iter().map(|text| one(text)).collect::<Result<_>>()?)
                }
            })
        });
        Ok(changes.boxed())
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        let entry = self.0.all(&Context::new(), ()).await?;
        serde_json::from_str(&entry.records).map_err(unreadable)
    }
}

fn json(records: &[ServiceRecord]) -> Result<String> {
    serde_json::to_string(records).map_err(unreadable)
}

fn registrations(text: &str) -> Result<Vec<Registration>> {
    let records: Vec<ServiceRecord> = serde_json::from_str(text).map_err(unreadable)?;
    Ok(records.into_iter().flat_map(Registration::from_record).collect())
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::data_loss("the records cannot be read").with_source(error)
}
