use std::sync::Arc;

use super::decide::Decided;
use super::registrar::Registrar;
use super::{Running, Service};
use crate::endpoint::Routes;
use crate::error::Result;
use crate::protocol::Site;
use crate::registry::{self, EndpointRecord, Node, Registration};
use crate::server::Server;

/// From a service that is put together to one that takes calls.
pub(super) async fn start(service: Service) -> Result<Running> {
    let Service { name, options, binder, hooks, client, registry, transport, .. } = service;
    if let Some(wrong) = service.wrong {
        return Err(wrong);
    }
    let decided = Decided::new(options, &service.environment)?;
    let registry = match registry {
        Some(registry) => registry,
        None => match client.discovery()? {
            Some(discovery) => discovery.registry().clone(),
            None => registry::from_environment(&service.environment)?,
        },
    };
    let routes = Routes::new(binder)?;
    let endpoints = routes.methods().map(EndpointRecord::from).collect();

    // Known to be wrong before any of the user's code runs, and not only when it is registered.
    registration(&name, &decided, decided.address.clone(), Vec::new()).check()?;

    hooks.before_start.run().await?;
    let listener = transport.listen(&decided.address).await?;
    let advertised = decided.advertised(transport.advertised(&listener.address())?);
    let site = Site {
        routes,
        codecs: service.codecs,
        interceptors: Arc::new(service.interceptors),
        max_message_size: service.limits.max_message_size,
        body_timeout: service.limits.body_timeout,
    };
    let server = Server::start(listener, site, service.limits);

    let registration = registration(&name, &decided, advertised, endpoints);
    let node = registration.node.id.clone();
    let registrar = Registrar::start(registry.clone(), registration, decided.ttl, decided.interval).await?;
    tracing::info!(
        service = name,
        version = decided.version,
        node,
        address = server.address(),
        registry = registry.name(),
        transport = transport.name(),
        "started"
    );
    let running =
        Running::new(client, server, registrar, hooks.before_stop, hooks.after_stop, service.drain_timeout);
    match hooks.after_start.run().await {
        Ok(()) => Ok(running),
        Err(error) => {
            // The error of the hook is the one to tell; it stands before whatever stopping brings.
            let _ = running.stop().await;
            Err(error)
        }
    }
}

fn registration(
    name: &str,
    decided: &Decided,
    address: String,
    endpoints: Vec<EndpointRecord>,
) -> Registration {
    let mut metadata = decided.metadata.clone();
    metadata.insert("protocols".to_owned(), "connect".to_owned());
    Registration {
        service: name.to_owned(),
        version: decided.version.clone(),
        metadata: Default::default(),
        endpoints,
        node: Node { id: format!("{name}-{}", decided.id), address, metadata },
    }
}
