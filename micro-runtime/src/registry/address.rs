//! Addresses that people write, in settings and files.

use crate::transport::is_path;

/// What is wrong with the address of a node, and how to write it; `None` where it can be called.
pub(super) fn fault(address: &str) -> Option<String> {
    let say = |reason: &str| Some(format!("`{}` is no address of a node: {reason}", address.escape_debug()));
    if address.is_empty() {
        return say("it is empty; write `host:port`, or `unix:/path`");
    }
    if address.chars().any(char::is_whitespace) {
        return say("it has spaces");
    }
    if is_path(address) {
        return if address.starts_with("unix:/") { None } else { say("write the whole path, `unix:/path`") };
    }
    if let Some((scheme, rest)) = address.split_once("://") {
        return say(&format!(
            "leave `{}://` away and write `{}`",
            scheme.escape_debug(),
            rest.escape_debug()
        ));
    }
    match host_and_port(address) {
        Ok(_) => None,
        Err(reason) => say(reason),
    }
}

/// The two halves of `host:port`. An IPv6 address is in brackets, which stay.
pub(super) fn host_and_port(address: &str) -> Result<(&str, u16), &'static str> {
    let (host, port) = address.rsplit_once(':').ok_or("the port is missing; write `host:port`")?;
    if host.is_empty() {
        return Err("the host is missing; write `host:port`");
    }
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.contains(':') && !bracketed {
        return Err("write an IPv6 address in brackets: `[::1]:7000`");
    }
    if host.contains('/') {
        return Err("a host has no `/`");
    }
    match port.parse() {
        Ok(0) | Err(_) => Err("the port has to be a number from 1 to 65535"),
        Ok(port) => Ok((host, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_nobody_could_call_says_what_to_write() {
        for fine in ["127.0.0.1:7000", "[::1]:7000", "greeter.example:80", "unix:/run/a.sock"] {
            assert_eq!(fault(fine), None, "{fine}");
        }
        for (wrong, reason) in [
            ("", "empty"),
            ("greeter", "port is missing"),
            ("greeter:http", "1 to 65535"),
            ("greeter:0", "1 to 65535"),
            (":80", "host is missing"),
            ("::1:7000", "brackets"),
            ("a b:1", "spaces"),
            ("http://greeter:80", "`greeter:80`"),
            ("greeter/x:80", "no `/`"),
            ("unix:run/a.sock", "whole path"),
        ] {
            let fault = fault(wrong).unwrap_or_default();
            assert!(fault.contains(reason), "{wrong}: {fault}");
        }
    }
}
