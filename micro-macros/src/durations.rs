//! Durations written for people, checked while compiling.

use std::time::Duration;

use crate::errors::Errors;
use crate::options::Opt;

/// The duration that an option gives.
pub(crate) fn read(option: &Opt, errors: &mut Errors) -> Option<Duration> {
    read_of_each(option, "call", errors)
}

/// The same of an option that is about each of something.
pub(crate) fn read_of_each(option: &Opt, of: &str, errors: &mut Errors) -> Option<Duration> {
    let literal = option.text(errors)?;
    let name = &option.name;
    let example =
        format!("write a number and a unit, for example `{name} = \"500ms\"`, `\"2s\"` or `\"1m 30s\"`");
    match humantime::parse_duration(&literal.value()) {
        Ok(Duration::ZERO) => {
            let timeout = format!("a timeout of zero would fail every {of}");
            let (what, without) = match name.to_string().as_str() {
                "hedge" => ("a hedge after no time would make every call twice", "no hedging"),
                "attempt_timeout" => ("an attempt of no time would fail", "no limit"),
                _ => (timeout.as_str(), "no limit"),
            };
            errors.add(&literal, format_args!("{what}\n{example}, or leave `{name}` out for {without}"));
            None
        }
        Ok(duration) => Some(duration),
        Err(error) => {
            let text = literal.value();
            errors.add(&literal, format_args!("`{text}` is not a duration: {error}\n{example}"));
            None
        }
    }
}
