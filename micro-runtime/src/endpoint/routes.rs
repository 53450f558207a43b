use std::collections::HashMap;
use std::sync::Arc;

use super::handler::{Binder, Endpoint};
use super::{MethodDescriptor, ServiceDescriptor};
use crate::admission::Protection;
use crate::error::{Error, Result};
use crate::metrics::{Metrics, Side};

/// The table of a server: endpoints by path.
#[derive(Default)]
pub(crate) struct Routes {
    endpoints: HashMap<&'static str, Arc<Endpoint>>,
    /// Paths by the names that go-micro has for them, see [`names`].
    names: HashMap<String, Vec<&'static str>>,
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
            if endpoints.insert(path, Arc::new(endpoint)).is_some() {
                return Err(Error::already_exists(format!(
                    "two handlers serve `{path}`: give one of their contracts another `package` or `name`"
                )));
            }
        }
        let names = names(&endpoints);
        Ok(Self { endpoints, names, services: binder.services, standard: Vec::new() })
    }

    /// Puts a gate in front of every method that is there by now.
    pub(crate) fn protect(&mut self, protection: &Protection) -> Result<()> {
        let methods: Vec<_> = self.all().collect();
        let Some(gate) = protection.gates(&methods)? else { return Ok(()) };
        for endpoint in self.endpoints.values_mut() {
            // Nobody else has one yet.
            if let Some(endpoint) = Arc::get_mut(endpoint) {
                endpoint.gate = Some(gate(endpoint.method));
            }
        }
        Ok(())
    }

    /// Adds services that every server has. One that the user serves as well is the user's.
    #[cfg(feature = "protobuf")]
    pub(crate) fn add_standard(&mut self, binder: Binder) {
        let Binder { services, endpoints, .. } = binder;
        let is_users = |name: &str| self.services.iter().any(|service| service.name == name);
        let endpoints = endpoints.into_iter().filter(|endpoint| !is_users(endpoint.method.service));
        self.endpoints.extend(endpoints.map(|endpoint| (endpoint.method.path, Arc::new(endpoint))));
        self.standard.extend(services.into_iter().filter(|service| !is_users(service.name)));
    }

    /// Counts the calls of all methods here.
    pub(crate) fn count(&mut self, metrics: &Metrics) {
        for endpoint in self.endpoints.values_mut() {
            // Nobody else has it before it is served.
            if let Some(endpoint) = Arc::get_mut(endpoint) {
                endpoint.calls = metrics.calls(Side::Server, endpoint.method.service, endpoint.method.name);
            }
        }
    }

    /// The services that the user serves.
    pub(crate) fn services(&self) -> &[&'static ServiceDescriptor] {
        &self.services
    }

    /// The endpoint on this path, or `unimplemented` in words that help.
    pub(crate) fn find(&self, path: &str) -> Result<&Arc<Endpoint>> {
        self.endpoints.get(path).ok_or_else(|| self.unknown(path))
    }

    /// The endpoint that go-micro calls by this name: `Greeter.Hello`. Where several contracts end in
    /// the same word, the name does not say which one is meant, and the error names them.
    pub(crate) fn find_endpoint(&self, name: &str) -> Result<&Arc<Endpoint>> {
        match self.names.get(name).map(Vec::as_slice) {
            Some(&[path]) => self.find(path),
            Some(paths) => Err(ambiguous(name, paths)),
            None => Err(self.unknown_endpoint(name)),
        }
    }

    /// The endpoint on this path, or the only one with the same last part of the contract's name and
    /// the same method: go-micro's gRPC client puts the name of the registered service in front of
    /// that part, and its server does not look at what is in front. For any other caller, what is in
    /// front is a package, and versions of a contract are different contracts.
    pub(crate) fn find_by_last_part(&self, path: &str, is_go_micro: bool) -> Result<&Arc<Endpoint>> {
        if let Some(endpoint) = self.endpoints.get(path) {
            return Ok(endpoint);
        }
        let Some((package, name)) = last_part(path) else { return Err(self.unknown(path)) };
        match self.names.get(&name).map(Vec::as_slice) {
            _ if is_version(package) && !is_go_micro => Err(self.unknown(path)),
            Some(&[path]) => self.find(path),
            Some(paths) => Err(ambiguous(path, paths)),
            None => Err(self.unknown(path)),
        }
    }

    #[cold]
    fn unknown_endpoint(&self, name: &str) -> Error {
        let known = sorted(self.methods().map(MethodDescriptor::endpoint).collect());
        Error::unimplemented(format!("nothing here serves `{name}`; known endpoints: {known}"))
            .never_processed()
    }

    /// Whether there is a method on this path.
    pub(crate) fn serves(&self, path: &str) -> bool {
        self.endpoints.contains_key(path)
    }

    /// Whether there is a service of this name. Who asks has found no method on the path, so this may
    /// take longer.
    pub(crate) fn has_service(&self, name: &str) -> bool {
        self.all().any(|known| known.service == name)
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

/// The names that go-micro has for methods: the last part of the contract's name, and the name of
/// the method as it is in the contract or as Go writes it.
fn names(endpoints: &HashMap<&'static str, Arc<Endpoint>>) -> HashMap<String, Vec<&'static str>> {
    let mut names: HashMap<_, Vec<_>> = HashMap::with_capacity(endpoints.len());
    for (path, endpoint) in endpoints {
        let method = endpoint.method;
        names.entry(method.endpoint()).or_default().push(*path);
        let camel = camel_case(method.name);
        // Which is the name of another method where a contract has both.
        if !endpoints.contains_key(format!("/{}/{camel}", method.service).as_str()) {
            let service = method.service.rsplit('.').next().unwrap_or(method.service);
            names.entry(format!("{service}.{camel}")).or_default().push(*path);
        }
    }
    names
}

/// `say_hello` as Go writes it: `SayHello`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for part in name.split('_') {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// `/greeter.v1.Greeter/Hello` as `greeter.v1` and `Greeter.Hello`.
fn last_part(path: &str) -> Option<(&str, String)> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let (package, service) = service.rsplit_once('.').unwrap_or(("", service));
    (!service.is_empty() && !method.is_empty()).then(|| (package, format!("{service}.{method}")))
}

/// Whether a package ends in a version as packages do: `v1`, `v2beta3`.
fn is_version(package: &str) -> bool {
    let last = package.rsplit('.').next().unwrap_or(package);
    let Some(number) = last.strip_prefix('v') else { return false };
    let rest = number.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let stage = rest.trim_end_matches(|letter: char| letter.is_ascii_digit());
    rest.len() < number.len() && matches!(stage, "" | "alpha" | "beta")
}

#[cold]
fn ambiguous(name: &str, paths: &[&str]) -> Error {
    let paths = sorted(paths.to_vec());
    Error::unimplemented(format!("`{name}` may be any of {paths}: call one of them by its full name"))
        .never_processed()
}

fn sorted<T: AsRef<str> + Ord>(mut names: Vec<T>) -> String {
    names.sort_unstable();
    let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::endpoint::returning;

    fn routes(methods: &'static [MethodDescriptor]) -> Routes {
        let mut binder = Binder::default();
        for method in methods {
            binder.endpoint(method, returning(|_, ()| async { Ok(()) as Result<()> }));
        }
        Routes::new(binder).unwrap()
    }

    const HELLO: MethodDescriptor = MethodDescriptor::new::<(), ()>(
        "greeter.v1.Greeter",
        "say_hello",
        "/greeter.v1.Greeter/say_hello",
        "",
    );
    const OTHER: MethodDescriptor =
        MethodDescriptor::new::<(), ()>("other.Greeter", "say_hello", "/other.Greeter/say_hello", "");

    #[test]
    fn a_method_is_found_by_the_names_that_go_micro_has_for_it() {
        let routes = routes(&[HELLO]);
        for name in ["Greeter.say_hello", "Greeter.SayHello"] {
            assert_eq!(routes.find_endpoint(name).ok().unwrap().method.path, HELLO.path);
        }
        let error = routes.find_endpoint("Greeter.Bye").err().unwrap();
        assert!(error.message().contains("known endpoints: Greeter.say_hello"), "{error}");
    }

    #[test]
    fn what_is_in_front_of_the_last_part_does_not_matter() {
        let routes = routes(&[HELLO]);
        for path in ["/greeter.v1.Greeter/say_hello", "/greeter.Greeter/SayHello", "/Greeter/say_hello"] {
            assert_eq!(routes.find_by_last_part(path, false).ok().unwrap().method.path, HELLO.path, "{path}");
        }
        for path in ["/a.b.Other/SayHello", "/greeter.Greeter/Bye", "/", "//", "/./", "Greeter/SayHello", ""]
        {
            assert!(routes.find_by_last_part(path, true).is_err(), "{path}");
        }
    }

    #[test]
    fn another_version_is_another_contract() {
        let routes = routes(&[HELLO]);
        for path in ["/greeter.v2.Greeter/say_hello", "/greeter.v1beta1.Greeter/say_hello"] {
            assert!(routes.find_by_last_part(path, true).is_ok());
            let error = routes.find_by_last_part(path, false).err().unwrap();
            assert!(error.message().contains("known services"), "{error}");
        }
        assert!(routes.find_by_last_part("/vienna.Greeter/say_hello", false).is_ok());
        assert!(routes.find_by_last_part("/v.Greeter/say_hello", false).is_ok());
    }

    #[test]
    fn a_name_of_several_contracts_is_an_error_that_names_them() {
        let routes = routes(&[HELLO, OTHER]);
        let full = routes.find_by_last_part(OTHER.path, false).ok().unwrap();
        assert_eq!(full.method.path, OTHER.path);
        for error in
            [routes.find_by_last_part("/x.Greeter/SayHello", false), routes.find_endpoint("Greeter.SayHello")]
        {
            let error = error.err().unwrap();
            let due = "may be any of /greeter.v1.Greeter/say_hello, /other.Greeter/say_hello";
            assert!(error.message().contains(due), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_path_is_a_route_or_an_error(path in "[/.vA-Za-z0-9_]{0,20}|.*") {
            prop_assert!(Routes::default().find_by_last_part(&path, true).is_err());
        }

        #[test]
        fn what_is_found_has_the_name_that_was_asked_for(
            package in "[a-z.0-9/]{0,8}",
            name in "(Greeter|greeter|Other)[./](SayHello|say_hello|Say_Hello|x)|.{0,12}",
            is_go_micro in any::<bool>(),
        ) {
            let routes = routes(&[HELLO]);
            for path in [format!("/{package}.{name}"), format!("/{name}"), name.clone()] {
                let found = [routes.find(&path), routes.find_by_last_part(&path, is_go_micro)];
                for endpoint in found.into_iter().flatten() {
                    prop_assert!(path.starts_with('/') && path.contains("Greeter/"));
                    prop_assert_eq!(endpoint.method.path, HELLO.path);
                }
            }
            if let Ok(endpoint) = routes.find_endpoint(&name) {
                prop_assert!(name.starts_with("Greeter."));
                prop_assert_eq!(endpoint.method.path, HELLO.path);
            }
        }
    }
}
