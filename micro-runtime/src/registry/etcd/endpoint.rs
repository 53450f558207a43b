use http::uri::{Authority, Scheme, Uri};

use crate::error::{Error, Result};

const DEFAULT_PORT: u16 = 2379;

/// The URLs of the endpoints, which are `host:port`, `host`, or one of them with `http://` or `https://` in front.
pub(super) fn parse<'a>(endpoints: impl Iterator<Item = &'a str>) -> Result<Vec<String>> {
    let endpoints: Vec<_> =
        endpoints.map(str::trim).filter(|endpoint| !endpoint.is_empty()).map(url).collect::<Result<_>>()?;
    if endpoints.is_empty() {
        return Err(Error::invalid_argument(
            "etcd has no endpoint: give one as `host:2379`, several with commas",
        ));
    }
    Ok(endpoints)
}

fn url(endpoint: &str) -> Result<String> {
    let wrong = || {
        Error::invalid_argument(format!(
            "`{}` is no endpoint of etcd: give it as `host:2379`, or `https://host:2379` for TLS",
            endpoint.escape_debug()
        ))
    };
    let (scheme, rest) = match endpoint.split_once("://") {
        None => (Scheme::HTTP, endpoint),
        Some(("http", rest)) => (Scheme::HTTP, rest),
        Some(("https", rest)) => (Scheme::HTTPS, rest),
        Some(_) => return Err(wrong()),
    };
    if scheme == Scheme::HTTPS && cfg!(not(feature = "tls")) {
        return Err(Error::failed_precondition(format!(
            "the etcd endpoint `{endpoint}` takes TLS, which is not compiled in: add the cargo feature `tls` of `micro`"
        )));
    }
    let authority: Authority = rest.trim_end_matches('/').parse().map_err(|_| wrong())?;
    // A password in an address would be logged with it.
    let host = authority.host();
    if host.is_empty() || authority.as_str().contains('@') {
        return Err(wrong());
    }
    let port = match authority.port() {
        Some(port) => port.as_u16(),
        None if authority.as_str() == host => DEFAULT_PORT,
        None => return Err(wrong()),
    };
    let url = format!("{scheme}://{host}:{port}");
    url.parse::<Uri>().map_err(|_| wrong())?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(endpoints: &str) -> Result<Vec<String>> {
        parse(endpoints.split(','))
    }

    #[test]
    fn endpoints_may_leave_out_their_port_and_their_scheme() -> Result<()> {
        assert_eq!(of("a, b:1,,[::1]")?, ["http://a:2379", "http://b:1", "http://[::1]:2379"]);
        assert_eq!(of("http://a:7/")?, ["http://a:7"]);
        Ok(())
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_what_to_write() {
        for odd in [
            "",
            " , ",
            "a b",
            "etcd://a",
            "a:x",
            "a:70000",
            "a/b",
            "ada:secret@a:1",
            "http://",
            ":2379",
            "::1",
        ] {
            let error = of(odd).expect_err(odd);
            assert!(error.message().contains("host:2379"), "{odd}: {error}");
            assert!(!error.message().contains("secret") || odd.contains('@'), "{error}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn tls_that_is_not_compiled_in_names_its_feature() {
        assert!(of("https://a").expect_err("no TLS").message().contains("feature `tls`"));
    }

    proptest! {
        #[test]
        fn any_text_is_endpoints_or_an_error(text in any::<String>()) {
            for url in of(&text).unwrap_or_default() {
                prop_assert!(url.parse::<Uri>().is_ok());
                prop_assert_eq!(of(&url).unwrap(), [url]);
            }
        }
    }
}
