use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, sleep};

use super::health::{self, Entries, Instance};
use super::http::Http;
use super::{tags, watch};
use crate::error::{Error, Result};
use crate::registry::{Labels, Registration};

/// A node that is silent for longer than its time to live is taken out by Consul after this much more, and after a minute and this at
/// the earliest, which is the shortest that Consul has. go-micro has the same.
const FORGET: Duration = Duration::from_secs(5);
const SHORTEST: Duration = Duration::from_secs(60);

/// How long registering waits until those who watch can see it.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

/// The nodes that were registered here, by their ids at the agent.
#[derive(Debug, Default)]
pub(super) struct Announced(Mutex<HashMap<String, Slot>>);

/// What the agent was told. It is locked while the agent is asked about the node, so that its operations come one after the other.
type Slot = Arc<AsyncMutex<Option<Bytes>>>;

impl Announced {
    /// Announces a node, or renews it.
    pub(super) async fn announce(
        &self,
        http: &Http,
        registration: &Registration,
        ttl: Duration,
    ) -> Result<()> {
        let what = format!("register `{}`", registration.service);
        let id = health::agent_id(&registration.service, &registration.node.id);
        let wanted = body(registration, &id, ttl)?;
        let slot = self.slots().entry(id.clone()).or_default().clone();
        let mut told = slot.lock().await;
        if told.as_ref() == Some(&wanted) && !ttl.is_zero() {
            let path = format!("/v1/agent/check/pass/{}", health::escaped(&format!("service:{id}")));
            let answer = http.put(&what, &path, Bytes::new()).await?;
            // An agent that lost its data does not know the check; which status says so is a matter of its version.
            let is_unknown =
                matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::INTERNAL_SERVER_ERROR);
            if !is_unknown {
                return answer.ok(&what);
            }
        }
        *told = None;
        http.put(&what, "/v1/agent/service/register?replace-existing-checks=true", wanted.clone())
            .await?
            .ok(&what)?;
        *told = Some(wanted);
        seen(http, &what, registration).await
    }

    /// Takes a node back where it is still the one at this address.
    pub(super) async fn withdraw(&self, http: &Http, registration: &Registration) -> Result<()> {
        let what = format!("deregister `{}`", registration.service);
        let id = health::agent_id(&registration.service, &registration.node.id);
        let slot = self.slots().entry(id.clone()).or_default().clone();
        let mut told = slot.lock().await;
        let escaped = health::escaped(&id);
        let answer = http.get(&what, &format!("/v1/agent/service/{escaped}")).await?;
        let is_there = answer.status != StatusCode::NOT_FOUND;
        if is_there && answer.json::<Instance>(&what)?.address("") != registration.node.address {
            return Ok(());
        }
        if is_there {
            let path = format!("/v1/agent/service/deregister/{escaped}");
            let answer = http.put(&what, &path, Bytes::new()).await?;
            if answer.status != StatusCode::NOT_FOUND {
                answer.ok(&what)?;
            }
        }
        *told = None;
        self.slots().remove(&id);
        Ok(())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the node has come from the agent to the servers, where others see it. An agent without a server registers all the
/// same, and tells it later; so this is no condition.
async fn seen(http: &Http, what: &str, registration: &Registration) -> Result<()> {
    let end = Instant::now() + SEEN_WITHIN;
    let path = health::path(&registration.service);
    let mut index = 0;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let answer = http.wait(what, &watch::newer(&path, index, left), left).await;
        let nodes = match answer.and_then(|answer| Ok((answer.index, answer.json::<Entries>(what)?))) {
            Ok((newer, entries)) => {
                index = newer;
                health::nodes(&registration.service, entries.readable)
            }
            Err(error) => {
                tracing::debug!(%error, "the Consul agent took a node, and its servers are not there");
                return Ok(());
            }
        };
        if nodes.iter().any(|node| **node == *registration) || left.is_zero() {
            return Ok(());
        }
        if index == 0 {
            sleep(watch::WITHOUT_INDEX.min(left)).await;
        }
    }
}

/// What the agent is told, <https://developer.hashicorp.com/consul/api-docs/agent/service#register-service>.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Service<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    address: &'a str,
    port: u16,
    tags: Vec<String>,
    meta: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Check {
    #[serde(rename = "TTL")]
    ttl: String,
    deregister_critical_service_after: String,
    status: &'static str,
}

fn body(registration: &Registration, id: &str, ttl: Duration) -> Result<Bytes> {
    let (address, port) = health::split(&registration.node.address);
    let forget = ttl.max(SHORTEST) + FORGET;
    let check = (!ttl.is_zero()).then(|| Check {
        ttl: format!("{}ms", ttl.as_millis().max(1)),
        deregister_critical_service_after: format!("{}s", forget.as_secs()),
        // It is well until it is silent, and needs no second request to be so.
        status: "passing",
    });
    let service = Service {
        id,
        name: &registration.service,
        address,
        port,
        tags: tags::encode(registration)?,
        meta: shown(&registration.node.metadata),
        check,
    };
    serde_json::to_vec(&service)
        .map(Bytes::from)
        .map_err(|error| Error::internal("cannot write a registration for Consul").with_source(error))
}

/// Of the metadata what Consul takes: it is there for people, and is read from the tags. The limits are Consul's:
/// <https://developer.hashicorp.com/consul/docs/reference/service#meta>.
fn shown(metadata: &Labels) -> Labels {
    let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let fits = |(key, value): &(&String, &String)| {
        !key.is_empty()
            && key.len() <= 128
            && key.chars().all(is_known)
            && !key.starts_with("consul-")
            && value.len() <= 512
    };
    metadata.iter().filter(fits).take(64).map(|(key, value)| (key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Node;

    #[test]
    fn the_agent_is_told_of_a_node_and_when_to_forget_it() -> Result<()> {
        let mut node = Registration::new("greeter", Node::new("greeter-1", "[::1]:7000"));
        node.node.metadata.insert("zone".into(), "a".into());
        node.node.metadata.insert("not.for/Consul".into(), "b".into());
        let body = body(&node, "greeter-1", Duration::from_secs(90))?;
        let due = concat!(
            r#"{"ID":"greeter-1","Name":"greeter","Address":"::1","Port":7000,"Tags":[TAGS],"Meta":{"zone":"a"},"#,
            r#""Check":{"TTL":"90000ms","DeregisterCriticalServiceAfter":"95s","Status":"passing"}}"#
        );
        let tags: Vec<_> = tags::encode(&node)?.into_iter().map(|tag| format!("\"{tag}\"")).collect();
        assert_eq!(String::from_utf8_lossy(&body), due.replace("TAGS", &tags.join(",")));
        Ok(())
    }

    #[test]
    fn a_node_without_an_end_has_no_check() -> Result<()> {
        let node = Registration::new("greeter", Node::new("greeter-1", "unix:/run/x"));
        let body = body(&node, "greeter-1", Duration::ZERO)?;
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains(r#""Address":"unix:/run/x","Port":0"#) && !text.contains("Check"), "{text}");
        Ok(())
    }
}
