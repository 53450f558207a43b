//! Cross-origin resource sharing: which web pages may call (the Fetch standard,
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>).

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, Uri};

use crate::error::{Error, Result};

/// How long browsers may remember what they were told, unless it is set. Chromium keeps it for two
/// hours at the most.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// Which web pages may call a service from a browser, with Connect or gRPC-Web, and read what it
/// answers; for [`Service::cors`](crate::Service::cors).
///
/// Without it there are none. A browser runs the code of every page that its user visits, and it
/// reaches whatever its user's machine reaches: a service that listens on the loopback address for
/// programs on the same machine, or inside a company network, is reached by any web page as well. What
/// keeps the page out is that the service did not say it may come in.
///
/// It holds for everything on the port, a mounted service included, and it is in front of the layers:
/// an answer of a layer can be read too. Calls may send any headers, since metadata has any names, and
/// all headers of the answers can be read.
///
/// ```
/// # use micro_runtime::server::Cors;
/// // The pages of one site, with the cookies that the browser has for the service.
/// let shop = Cors::origins(["https://shop.example"]).credentials();
/// // Every page there is: for what is public anyway.
/// let public = Cors::any();
/// ```
#[derive(Clone, Debug)]
pub struct Cors {
    /// `None` where it is any.
    origins: Option<Vec<String>>,
    methods: Vec<Method>,
    /// `None` where it is any.
    headers: Option<Vec<String>>,
    credentials: bool,
    max_age: Duration,
}

impl Cors {
    /// Pages of any origin. They call without the credentials that the browser has for the service.
    pub fn any() -> Self {
        Self {
            origins: None,
            methods: vec![Method::GET, Method::POST],
            headers: None,
            credentials: false,
            max_age: MAX_AGE,
        }
    }

    /// Pages of these origins, each as `scheme://host` or `scheme://host:port`, in the form that a
    /// browser sends. Anything else is an error at the start of the service.
    pub fn origins<I>(origins: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self { origins: Some(origins.into_iter().map(Into::into).collect()), ..Self::any() }
    }

    /// The methods of HTTP that pages may use; GET and POST unless set, which is what calls need. A
    /// mounted service may need more.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// The headers that pages may send, the names of metadata among them; any unless set. Connect
    /// needs `content-type`, `connect-protocol-version` and `connect-timeout-ms`, gRPC-Web needs
    /// `content-type`, `x-grpc-web`, `x-user-agent` and `grpc-timeout`.
    #[must_use]
    pub fn headers<I>(mut self, headers: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.headers = Some(headers.into_iter().map(|name| name.into().to_ascii_lowercase()).collect());
        self
    }

    /// Lets calls carry the cookies and client certificates that the browser has for the service.
    /// Not together with [`any`](Self::any): then every page could act for whoever looks at it.
    #[must_use]
    pub fn credentials(mut self) -> Self {
        self.credentials = true;
        self
    }

    /// How long browsers may remember what they were told; 2 h unless set, in whole seconds.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Says what is wrong with it.
    pub(crate) fn check(&self) -> Result<()> {
        if self.credentials && self.origins.is_none() {
            return Err(Error::invalid_argument(
                "`Cors::any` and `credentials` do not go together: every web page could act for its visitor; \
                 name the pages with `Cors::origins`",
            ));
        }
        for origin in self.origins.iter().flatten() {
            if !is_origin(origin) {
                return Err(Error::invalid_argument(format!(
                    "`{origin}` in `Cors::origins` is not an origin: it is `scheme://host` or `scheme://host:port`, \
                     in lower case, with nothing behind it and without the scheme's own port"
                )));
            }
        }
        for name in self.headers.iter().flatten() {
            if HeaderName::try_from(name).is_err() {
                return Err(Error::invalid_argument(format!(
                    "`{name}` in `Cors::headers` is not the name of a header"
                )));
            }
        }
        Ok(())
    }

    /// What a request asks for.
    pub(super) fn asked<B>(&self, request: &Request<B>) -> Asked {
        let origin = request.headers().get(ORIGIN);
        if let (Some(origin), Some(method)) = (origin, request.headers().get(ACCESS_CONTROL_REQUEST_METHOD))
            && request.method() == Method::OPTIONS
        {
            return Asked::Preflight(Box::new(self.preflight(origin, method, request.headers())));
        }
        let origin = origin.filter(|origin| self.takes(origin)).map(|origin| self.named(origin));
        Asked::Call(Allowed { origin, credentials: self.credentials })
    }

    fn takes(&self, origin: &HeaderValue) -> bool {
        self.origins
            .as_ref()
            .is_none_or(|known| known.iter().any(|known| known.as_bytes() == origin.as_bytes()))
    }

    /// The origin as the answer names it.
    fn named(&self, origin: &HeaderValue) -> HeaderValue {
        if self.origins.is_none() { HeaderValue::from_static("*") } else { origin.clone() }
    }

    /// The answer to a browser that asks before it lets a page call.
    #[cold]
    fn preflight(&self, origin: &HeaderValue, method: &HeaderValue, asked: &HeaderMap) -> Response<Bytes> {
        let none = HeaderValue::from_static("");
        let headers = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or(&none);
        if let Err(why) = self.may(origin, method, headers) {
            return refused(why);
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.named(origin));
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        if !headers.is_empty() {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
        if self.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age.as_secs()));
        answer.insert(
            VARY,
            HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers"),
        );
        response
    }

    /// Why a page may not call so.
    fn may(&self, origin: &HeaderValue, method: &HeaderValue, headers: &HeaderValue) -> Result<(), String> {
        if !self.takes(origin) {
            return Err(format!("pages of {} may not call this service", printed(origin)));
        }
        if !self.methods.iter().any(|known| known.as_str().as_bytes() == method.as_bytes()) {
            return Err(format!("pages may not use the method {}", printed(method)));
        }
        let Some(known) = &self.headers else { return Ok(()) };
        let asked = headers.to_str().unwrap_or("?").split(',').map(str::trim).filter(|name| !name.is_empty());
        for name in asked {
            if !known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return Err(format!("pages may not send the header {name}"));
            }
        }
        Ok(())
    }
}

/// What a request asks for.
pub(super) enum Asked {
    /// Whether a page may call, with the answer.
    Preflight(Box<Response<Bytes>>),
    /// An answer, which a page may be allowed to read.
    Call(Allowed),
}

/// Who may read an answer.
pub(super) struct Allowed {
    origin: Option<HeaderValue>,
    credentials: bool,
}

impl Allowed {
    /// Says so in the answer, unless a mounted service has done that already.
    pub(super) fn allow(self, headers: &mut HeaderMap) {
        // Also where no page asks: a cache must not give one page the answer that another one got.
        headers.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = self.origin else { return };
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        if let Some(names) = to_expose(headers) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// The names of the headers that a page does not see by itself. They are those of this answer, since
/// nobody knows the names of metadata in advance, and `*` means nothing where there are credentials.
fn to_expose(headers: &HeaderMap) -> Option<HeaderValue> {
    let names = headers.keys().map(HeaderName::as_str).filter(|name| {
        !matches!(
            *name,
            "cache-control"
                | "content-language"
                | "content-length"
                | "content-type"
                | "expires"
                | "last-modified"
                | "pragma"
                | "set-cookie"
                | "vary"
        )
    });
    let names: Vec<_> = names.collect();
    if names.is_empty() { None } else { HeaderValue::try_from(names.join(",")).ok() }
}

/// People look at this in the tools of their browser.
#[cold]
fn refused(why: String) -> Response<Bytes> {
    let mut response = Response::new(format!("{why} (the option `cors`)\n").into());
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("origin"));
    response
}

fn printed(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("?")
}

/// Whether a browser would send it like that. `null` is not among them: any page can make itself
/// that.
fn is_origin(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return false };
    let own_port = match uri.port_u16() {
        Some(80) => *scheme == Scheme::HTTP,
        Some(443) => *scheme == Scheme::HTTPS,
        _ => false,
    };
    !own_port
        && *origin == format!("{scheme}://{authority}").to_ascii_lowercase()
        && !authority.as_str().contains('@')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for origin in ["https://shop.example", "http://localhost:5173", "http://[::1]:8080", "app://shop"] {
            Cors::origins([origin]).check().unwrap();
        }
        for wrong in [
            "https://shop.example/",
            "https://shop.example/cart",
            "https://Shop.example",
            "https://shop.example:443",
            "http://shop.example:80",
            "https://me@shop.example",
            "shop.example",
            "https://",
            "null",
            "*",
            "",
        ] {
            let error = Cors::origins([wrong]).check().unwrap_err();
            assert!(error.message().contains(&format!("`{wrong}` in `Cors::origins`")), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_an_error() {
        let error = Cors::any().credentials().check().unwrap_err();
        assert!(error.message().contains("do not go together"), "{error}");
        let error = Cors::any().headers(["x y"]).check().unwrap_err();
        assert!(error.message().contains("`x y` in `Cors::headers`"), "{error}");
        Cors::origins(["https://a.b"]).credentials().headers(["X-Tenant"]).check().unwrap();
    }

    proptest! {
        #[test]
        fn whatever_is_asked_only_the_named_origin_is_allowed(
            origin in "(https?://)?[ -~]{0,12}",
            method in "[ -~]{0,8}",
            names in "[ -~]{0,30}",
            preflight in any::<bool>(),
        ) {
            let cors = Cors::origins(["https://a.b"]).headers(["x-a"]);
            let request = Request::builder().header(ORIGIN, origin.clone());
            let request = match preflight {
                true => request
                    .method(Method::OPTIONS)
                    .header(ACCESS_CONTROL_REQUEST_METHOD, method.clone())
                    .header(ACCESS_CONTROL_REQUEST_HEADERS, names.clone()),
                false => request,
            };
            let mut headers = HeaderMap::new();
            let headers = match cors.asked(&request.body(()).unwrap()) {
                Asked::Preflight(answer) => answer.headers().clone(),
                Asked::Call(call) => {
                    call.allow(&mut headers);
                    headers
                }
            };
            if origin != "https://a.b" {
                prop_assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
            }
        }
    }
}
