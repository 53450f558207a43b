//! One look at DNS.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::target::{Names, Target};
use crate::error::{Error, Result};
use crate::registry::{Node, Registration};

/// How long an answer is good for that there is nothing, where the zone does not say (RFC 2308).
const NOTHING: Duration = Duration::from_secs(5);

/// How long one try of a query may take.
const TRY: Duration = Duration::from_secs(2);

/// How often a query is tried, with each server.
const TRIES: usize = 2;

/// The most nodes of a service. An answer of DNS over TCP has room for a few thousand.
const MOST: usize = 4096;

/// How many names of hosts are looked up at the same time.
const AT_ONCE: usize = 16;

/// The metadata of a node's share of the calls, where SRV records say it.
const WEIGHT: &str = "weight";

/// What DNS says of a service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Sorted by address.
    pub(super) nodes: Vec<Arc<Registration>>,
    /// For how long.
    pub(super) ttl: Duration,
}

/// A resolver for the servers of this target. It belongs to the runtime it is used on.
pub(super) fn resolver(target: &Target) -> Result<TokioResolver> {
    let cannot = |error: NetError| {
        Error::failed_precondition(format!(
            "cannot read which DNS servers this system has: {error}. Name one: `dns://10.0.0.10/{target}`"
        ))
    };
    let mut builder = match target.server {
        None => TokioResolver::builder_tokio().map_err(cannot)?,
        Some(server) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            let server = NameServerConfig::new(server.ip(), true, connections.into());
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    // Who asks again does so because the time is over, or because the answer was wrong.
    options.cache_size = 0;
    (options.timeout, options.attempts) = (TRY, TRIES);
    builder.build().map_err(cannot)
}

/// Looks a service up: its SRV records, or else its addresses.
pub(super) async fn look_up(resolver: &TokioResolver, target: &Target, service: &str) -> Result<Found> {
    let Names { srv, host } = target.names(service)?;
    let mut ttl = Duration::MAX;
    if let Some(name) = srv {
        match ask(resolver, &name, RecordType::SRV).await? {
            Answer::Nothing(time) => ttl = time,
            Answer::Records(answer) => {
                let (nodes, ttl) = from_srv(resolver, &answer).await?;
                return Ok(found(service, nodes, ttl));
            }
        }
    }
    let Some(name) = host else { return Ok(found(service, BTreeMap::new(), ttl)) };
    let (addresses, time) = addresses(resolver, &name).await?;
    let nodes = match target.port {
        _ if addresses.is_empty() => BTreeMap::new(),
        None => {
            return Err(Error::failed_precondition(format!(
                "`{name}` has addresses in DNS and no SRV record, so the port of `{service}` is not known: write it \
                 after the name, `{target}:8080`"
            )));
        }
        Some(port) => addresses.into_iter().map(|ip| (SocketAddr::new(ip, port).to_string(), 0)).collect(),
    };
    Ok(found(service, nodes, ttl.min(time)))
}

/// The nodes, by address, with their weights.
type Nodes = BTreeMap<String, u16>;

fn found(service: &str, nodes: Nodes, ttl: Duration) -> Found {
    let first = nodes.values().next().copied();
    let weighted = nodes.values().any(|weight| Some(*weight) != first);
    let registration = |(address, weight): (String, u16)| {
        let mut node = Node::new(address.clone(), address);
        if weighted {
            // A weight of 0 is for a node that hardly gets any (RFC 2782).
            node.metadata.insert(WEIGHT.to_owned(), weight.max(1).to_string());
        }
        Arc::new(Registration::new(service, node))
    };
    Found { nodes: nodes.into_iter().take(MOST).map(registration).collect(), ttl }
}

/// The nodes that SRV records name: of the best priority there is, as the others are for when these fail.
async fn from_srv(resolver: &TokioResolver, answer: &Lookup) -> Result<(Nodes, Duration)> {
    let records = answer.answers().iter().filter_map(|record| match &record.data {
        // A single dot says that there is decidedly nothing.
        RData::SRV(srv) if !srv.target.is_root() => Some(srv),
        _ => None,
    });
    let all: Vec<&SRV> = records.take(MOST).collect();
    let best = all.iter().map(|srv| srv.priority).min();
    let wanted: Vec<_> = all.into_iter().filter(|srv| Some(srv.priority) == best).collect();

    let targets: BTreeSet<Name> = wanted.iter().map(|srv| srv.target.clone()).collect();
    let found: Vec<Result<(Name, Vec<IpAddr>, Duration)>> = stream::iter(targets)
        .map(|target| async move {
            let glue = glue(answer, &target);
            let (addresses, ttl) =
                if glue.is_empty() { addresses(resolver, &target).await? } else { (glue, Duration::MAX) };
            Ok::<_, Error>((target, addresses, ttl))
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut ttl = time(answer);
    let (mut hosts, mut failure) = (Vec::new(), None);
    for found in found {
        match found {
            Ok(found) => {
                ttl = ttl.min(found.2);
                hosts.push(found);
            }
            Err(error) => {
                tracing::debug!(%error, "left out a host that an SRV record names");
                failure = Some(error);
            }
        }
    }
    // A host that cannot be looked up is left out while there are others, and is asked for again soon.
    if let Some(error) = failure {
        if hosts.iter().all(|(_, addresses, _)| addresses.is_empty()) {
            return Err(error);
        }
        ttl = ttl.min(NOTHING);
    }
    let hosts: BTreeMap<_, _> = hosts.into_iter().map(|(name, addresses, _)| (name, addresses)).collect();
    let mut nodes = Nodes::new();
    for srv in wanted {
        for ip in hosts.get(&srv.target).into_iter().flatten() {
            nodes.insert(SocketAddr::new(*ip, srv.port).to_string(), srv.weight);
        }
    }
    Ok((nodes, ttl))
}

/// The addresses of a host that came with the answer; IPv6 where there is nothing else.
fn glue(answer: &Lookup, host: &Name) -> Vec<IpAddr> {
    let records = answer.additionals().iter().filter(|record| record.name == *host);
    let (four, six): (Vec<_>, Vec<_>) =
        records.filter_map(|record| record.data.ip_addr()).partition(IpAddr::is_ipv4);
    if four.is_empty() { six } else { four }
}

/// The addresses of a host; IPv6 where there is nothing else, as a host with both is still one node.
async fn addresses(resolver: &TokioResolver, host: &Name) -> Result<(Vec<IpAddr>, Duration)> {
    let mut nothing = Duration::MAX;
    for kind in [RecordType::A, RecordType::AAAA] {
        match ask(resolver, host, kind).await? {
            Answer::Nothing(time) => nothing = nothing.min(time),
            Answer::Records(answer) => {
                let addresses = answer.answers().iter().filter_map(|record| record.data.ip_addr());
                return Ok((addresses.take(MOST).collect(), time(&answer)));
            }
        }
    }
    Ok((Vec::new(), nothing))
}

enum Answer {
    Records(Lookup),
    /// There is no such record, and there will be none for this time.
    Nothing(Duration),
}

async fn ask(resolver: &TokioResolver, name: &Name, kind: RecordType) -> Result<Answer> {
    match resolver.lookup(name.clone(), kind).await {
        Ok(answer) if answer.answers().iter().any(|record| record.record_type() == kind) => {
            Ok(Answer::Records(answer))
        }
        Ok(_) => Ok(Answer::Nothing(NOTHING)),
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            let ttl = none.negative_ttl.map(|seconds| Duration::from_secs(seconds.into()));
            Ok(Answer::Nothing(ttl.unwrap_or(NOTHING)))
        }
        Err(error) => {
            let text = format!("DNS did not say what {kind} records `{name}` has: {error}");
            Err(Error::unavailable(text).with_source(error))
        }
    }
}

/// How long an answer is good for.
fn time(answer: &Lookup) -> Duration {
    let seconds = answer.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
    Duration::from_secs(seconds.into())
}
