use std::collections::HashMap;

use super::handler::{Binder, Endpoint};
use super::{MethodDescriptor, ServiceDescriptor};
use crate::error::{Error, Result};

/// The table of a server: endpoints by path.
#[derive(Default)]
pub(crate) struct Routes {
    endpoints: HashMap<&'static str, Endpoint>,
    services: Vec<&'static ServiceDescriptor>,
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
        Ok(Self { endpoints, services: binder.services })
    }

    /// The endpoint on this path, or `unimplemented` in words that help.
    pub(crate) fn find(&self, path: &str) -> Result<&Endpoint> {
        self.endpoints.get(path).ok_or_else(|| self.unknown(path))
    }

    /// Whether there is a method on this path.
    pub(crate) fn serves(&self, path: &str) -> bool {
        self.endpoints.contains_key(path)
    }

    /// Whether there is a service of this name. Who asks has found no method on the path, so this may
    /// take longer.
    pub(crate) fn has_service(&self, name: &str) -> bool {
        self.methods().any(|known| known.service == name)
    }

    #[cold]
    fn unknown(&self, path: &str) -> Error {
        let name = path.strip_prefix('/').unwrap_or(path);
        let (service, method) = name.rsplit_once('/').unwrap_or((name, ""));
        let known: Vec<_> =
            self.methods().filter(|known| known.service == service).map(|known| known.name).collect();
        let message = if !known.is_empty() {
            format!("`{service}` has no method `{method}`; it has: {}", sorted(known))
        } else {
            let known = self.services.iter().map(|service| service.name).collect();
            format!("nothing here serves `/{name}`; known services: {}", sorted(known))
        };
        Error::unimplemented(message).never_processed()
    }

    /// All methods.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &'static MethodDescriptor> {
        self.endpoints.values().map(|endpoint| endpoint.method)
    }
}

fn sorted(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
