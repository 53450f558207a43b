//! Durations written for people, checked while compiling.

use std::time::Duration;

use syn::LitStr;

use crate::errors::Errors;

const EXAMPLE: &str =
    "write a number and a unit, for example `timeout = \"500ms\"`, `\"2s\"` or `\"1m 30s\"`";

/// The duration that a literal gives.
pub(crate) fn read(literal: &LitStr, errors: &mut Errors) -> Option<Duration> {
    match humantime::parse_duration(&literal.value()) {
        Ok(Duration::ZERO) => {
            errors.add(
                literal,
                format_args!(
                    "a timeout of zero would fail every call\n{EXAMPLE}, or leave `timeout` out for no limit"
                ),
            );
            None
        }
        Ok(duration) => Some(duration),
        Err(error) => {
            let text = literal.value();
            errors.add(literal, format_args!("`{text}` is not a duration: {error}\n{EXAMPLE}"));
            None
        }
    }
}
