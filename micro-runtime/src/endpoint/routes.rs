use std::collections::HashMap;

use super::handler::{Binder, Endpoint};
use super::{MethodDescriptor, ServiceDescriptor};
use crate::error::{Error, Result};

/// The table of a server: endpoints by path.
#[derive(Default)]
pub(crate) struct Routes {
    endpoints: HashMap<&'static str, Endpoint>,
    services: Vec<&'static ServiceDescriptor>,
    /// The services that every server has, which are served and not advertised.
    standard: Vec<&'static ServiceDescriptor>,
}

impl Routes {
    /// Two methods on one path are an error.
    pub(crate) fn new(binder: Binder) -> Result<Self> {
        let mut endpoints = HashMap::with_capacity(binder.endpoints.len());
        for endpoint in binder.endpoints {
            let path = endpoint.method.path;
            if endpoints.insert(path, endpoint).is_some() {
                return Err(Error::already_exists(format!(
                    "two handlers serve `{path}`: give one of their contracts another `package` or `name`"
                )));
            }
        }
        Ok(Self { endpoints, services: binder.services, standard: Vec::new() })
    }

    /// Adds services that every server has. One that the user serves as well is the user's.
    #[cfg(feature = "protobuf")]
    pub(crate) fn add_standard(&mut self, binder: Binder) {
        let Binder { services, endpoints } = binder;
        let is_users = |name: &str| self.services.iter().any(|service| service.name == name);
        let endpoints = endpoints.into_iter().filter(|endpoint| !is_users(endpoint.method.service));
        self.endpoints.extend(endpoints.map(|endpoint| (endpoint.method.path, endpoint)));
        self.standard.extend(services.into_iter().filter(|service| !is_users(service.name)));
    }

    /// The services that the user serves.
    pub(crate) fn services(&self) -> &[&'static ServiceDescriptor] {
        &self.services
    }

    /// The endpoint on this path, or `unimplemented` in words that help.
    pub(crate) fn find(&self, path: &str) -> Result<&Endpoint> {
        self.endpoints.get(path).ok_or_else(|| self.unknown(path))
    }

    #[cold]
    fn unknown(&self, path: &str) -> Error {
        let name = path.strip_prefix('/').unwrap_or(path);
        let (service, method) = name.rsplit_once('/').unwrap_or((name, ""));
        let known: Vec<_> =
            self.all().filter(|known| known.service == service).map(|known| known.name).collect();
        let message = if !known.is_empty() {
            format!("`{service}` has no method `{method}`; it has: {}", sorted(known))
        } else {
            let known = self.services.iter().map(|service| service.name).collect();
            format!("nothing here serves `/{name}`; known services: {}", sorted(known))
        };
        Error::unimplemented(message).never_processed()
    }

    /// The methods that the user serves.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &'static MethodDescriptor> {
        let is_standard = |name: &str| self.standard.iter().any(|service| service.name == name);
        self.all().filter(move |method| !is_standard(method.service))
    }

    fn all(&self) -> impl Iterator<Item = &'static MethodDescriptor> {
        self.endpoints.values().map(|endpoint| endpoint.method)
    }
}

fn sorted(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
