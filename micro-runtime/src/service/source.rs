use std::fmt;

use crate::environment::Environment;
use crate::error::Result;

/// Why an option has the value it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It was set in code.
    Code,
    /// It is that of the client that was given in code.
    Client,
    /// This variable was set.
    Environment(&'static str),
    /// Nobody said anything.
    Default,
}

impl Source {
    /// Of an option that was not set in code.
    pub(super) fn of(environment: &Environment, variable: &'static str) -> Result<Self> {
        Ok(match environment.get(variable)? {
            Some(_) => Self::Environment(variable),
            None => Self::Default,
        })
    }

    /// A value with its source, for people: `mdns (default)`, `random (MICRO_SELECTOR)`.
    pub(super) fn of_value(self, value: impl fmt::Display) -> String {
        match self {
            Self::Code => format!("{value} (code)"),
            Self::Client => format!("{value} (given client)"),
            Self::Environment(variable) => format!("{value} ({variable})"),
            Self::Default => format!("{value} (default)"),
        }
    }
}
