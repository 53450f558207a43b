use http::header::{CONNECTION, HeaderMap, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};

/// Headers of HTTP/1.1 that say something of the connection. HTTP/2 does not have them (RFC 9113, section
/// 8.2.2), and layers that know nothing of HTTP/2 set them all the same.
const OF_CONNECTION: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Takes out what HTTP/2 does not have. A request may say that trailers are welcome (`te`).
pub(crate) fn strip(headers: &mut HeaderMap, of_request: bool) {
    let wrong = |name: &HeaderName| OF_CONNECTION.contains(name) || !of_request && *name == TE;
    if !headers.keys().any(wrong) {
        return;
    }
    let named = headers.remove(CONNECTION);
    for name in &OF_CONNECTION {
        headers.remove(name);
    }
    if !of_request {
        headers.remove(TE);
    }
    // It may name others that are of the connection as well.
    for name in named.iter().filter_map(|names| names.to_str().ok()).flat_map(|names| names.split(',')) {
        headers.remove(name.trim());
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_is_of_the_connection_is_taken_out_and_the_rest_stays() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "text/plain"),
            ("connection", "close, X-Hop"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("x-end", "2"),
            ("te", "trailers"),
        ] {
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_static(value));
        }
        let of = |of_request| {
            let mut headers = headers.clone();
            strip(&mut headers, of_request);
            headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of(false), ["content-type", "x-end"]);
        assert_eq!(of(true).len(), 3);
    }
}
