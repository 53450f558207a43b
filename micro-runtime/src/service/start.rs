use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use super::checks;
use super::decide::Decided;
use super::hooks::Errors;
use super::life::{Life, Plan, Subscribing};
use super::source::Source;
use super::standard::Standard;
use super::state::Machine;
use super::{Running, Service};
use crate::client::Client;
use crate::context::Departure;
use crate::endpoint::{Routes, Subscribers};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::messaging::Surroundings;
use crate::protocol::Site;
use crate::registry::{Discovery, EndpointRecord};
use crate::tls::ServerTls;

/// How a start ended that did not fail: with a service that takes calls, or undone because it was
/// told to stop.
pub(super) type Started<S> = std::result::Result<Running, S>;

/// From a service that is put together to one that takes calls, unless it is `told` to stop first.
///
/// Where the start fails or is told to stop, what was done is undone before this returns.
pub(super) async fn start<S>(service: Service, told: impl Future<Output = S>) -> Result<Started<S>> {
    let (health, metrics, publisher) = (service.health(), service.metrics.clone(), service.publisher());
    let (client, mut life, plan) = prepare(service)?;
    let up = tokio::select! {
        biased;
        told = told => Err(told),
        up = life.up(plan) => Ok(up),
    };
    let mut errors = Errors::default();
    match up {
        Ok(Ok(address)) => Ok(Ok(Running::new(client, health, metrics, publisher, address, life))),
        Ok(Err(error)) => {
            let _ = life.down(&mut errors).await;
            Err(errors.behind(error))
        }
        Err(told) => {
            let _ = life.down(&mut errors).await;
            errors.into_result().map(|()| Err(told))
        }
    }
}

/// All that can be known to be wrong before any of the user's code runs.
fn prepare(service: Service) -> Result<(Client, Life, Plan)> {
    if let Some(wrong) = service.wrong {
        return Err(wrong);
    }
    let publisher = service.publisher();
    let mut decided = Decided::new(service.options, &service.environment)?;
    if decided.address_from == Source::Default {
        decided.address = service.transport.any_address().to_owned();
    }
    let host = decided.host();
    service.own.configure(|client| client.broker_host(host));
    let (discovery, registry_from) =
        discovery(&service.own, service.given.as_ref(), service.registry_in_code, &service.environment)?;
    let (selector, selector_from) = match &service.given {
        Some(given) => (given.selector_name()?, Source::Client),
        None => (service.own.selector_name()?, Source::of(&service.environment, "MICRO_SELECTOR")?),
    };
    let mut binder = service.binder;
    let subscribers = Subscribers::take(&mut binder);
    let mut routes = Routes::new(binder)?;
    // Before the services that every server has, which are not limited.
    routes.protect(&service.protection)?;
    let standard = Standard::new(&service.health, service.reflection, &mut routes);
    let checks = checks::prepare(service.checks, &service.health, &discovery)?;
    routes.count(&service.metrics);
    service.protection.observe(&service.metrics);
    let subscribed = subscribers.all();
    let subscribed = subscribed.iter().map(|subscriber| EndpointRecord::from(subscriber.descriptor));
    let endpoints = routes.methods().map(EndpointRecord::from).chain(subscribed).collect();
    // What is advertised is known once it listens; the rest can be checked now.
    decided.registration(&service.name, decided.address.clone(), Vec::new(), true).check()?;

    let interceptors = Arc::new(service.interceptors);
    let subscriptions = Subscribing {
        subscribers: subscribers.all(),
        surroundings: Surroundings {
            codecs: service.codecs.clone(),
            interceptors: interceptors.clone(),
            departure: Departure::with(Arc::new(publisher.clone())),
        },
        publisher,
    };
    let site = Site {
        routes,
        subscribers,
        codecs: service.codecs,
        interceptors,
        max_message_size: service.limits.max_message_size,
        body_timeout: service.limits.body_timeout,
        compress_from: service.compress_from,
    };
    let chosen = [registry_from.of_value(discovery.registry().name()), selector_from.of_value(selector)];
    let machine = Machine::new(&service.name, service.health);
    let life = Life::new(service.hooks, machine, standard, decided.spread_delay, decided.drain_timeout);
    let plan = Plan {
        name: service.name,
        decided,
        endpoints,
        site,
        subscriptions,
        surroundings: service.surroundings,
        limits: service.limits,
        cores: service.runtime_per_core.then(|| available_parallelism().map_or(1, NonZeroUsize::get)),
        tls: service.tls.as_ref().map(ServerTls::open).transpose()?,
        discovery,
        in_background: service.register_in_background,
        checks,
        transport: service.transport,
        metrics: service.metrics,
        chosen,
    };
    Ok((service.own, life, plan))
}

/// Where the service registers, which is where its own client finds nodes as well.
///
/// It opens the clients: what is wrong with them fails the start, and not the first call.
fn discovery(
    own: &Client,
    given: Option<&Client>,
    in_code: bool,
    environment: &Environment,
) -> Result<(Discovery, Source)> {
    let found = match given {
        Some(given) => given.discovery()?.filter(|_| !in_code),
        None => None,
    };
    let source = match &found {
        Some(_) => Source::Client,
        None if in_code => Source::Code,
        None => Source::of(environment, "MICRO_REGISTRY")?,
    };
    if let Some(found) = found
        && !own.configure(|client| client.discovery(found))
    {
        return Err(Error::failed_precondition(
            "`with_client` was called after the service's own client had made a call: call it first",
        ));
    }
    match own.discovery()? {
        Some(discovery) => Ok((discovery, source)),
        None => Err(Error::internal("the client that a service makes for itself has no fixed addresses")),
    }
}
