//! Settings from the environment: variables named `MICRO_…`, as in go-micro.
//!
//! Options in code win over them, and they win over the defaults.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};

/// Where variables are looked up: the environment of the process, or a fixed list for tests.
///
/// ```
/// # use micro_runtime::Environment;
/// let environment = Environment::from_iter([("MICRO_REGISTER_TTL", "90s")]);
/// assert_eq!(environment.duration("MICRO_REGISTER_TTL")?.unwrap().as_secs(), 90);
/// # Ok::<_, micro_runtime::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Environment(Option<Arc<HashMap<String, String>>>);

impl Environment {
    /// The environment of this process.
    pub fn process() -> Self {
        Self(None)
    }

    /// No variables at all.
    pub fn empty() -> Self {
        Self(Some(Arc::default()))
    }

    /// The value of a variable. One that is set to nothing counts as not set.
    pub fn get(&self, name: &str) -> Result<Option<String>> {
        let value = match &self.0 {
            Some(fixed) => fixed.get(name).cloned(),
            None => match std::env::var(name) {
                Ok(value) => Some(value),
                Err(std::env::VarError::NotPresent) => None,
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(wrong(name, "…", "it is not valid UTF-8"));
                }
            },
        };
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// A length of time: `30s`, `1m 30s`, `500ms`, or a whole number of seconds, as go-micro has it.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>> {
        match self.delay(name)? {
            Some(Duration::ZERO) => {
                let value = self.get(name)?.unwrap_or_default();
                Err(wrong(name, &value, "it must be longer than nothing"))
            }
            duration => Ok(duration),
        }
    }

    /// The same, where it may be nothing at all: `0`.
    pub fn delay(&self, name: &str) -> Result<Option<Duration>> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        let parsed = match value.parse() {
            Ok(seconds) => Ok(Duration::from_secs(seconds)),
            Err(_) => humantime::parse_duration(&value),
        };
        match parsed {
            Ok(duration) => Ok(Some(duration)),
            Err(error) => {
                Err(wrong(name, &value, format_args!("{error}; write `30s` or `1m 30s`, or whole seconds")))
            }
        }
    }

    /// A switch: `on` or `off`.
    pub fn switch(&self, name: &str) -> Result<Option<bool>> {
        match self.get(name)?.as_deref() {
            None => Ok(None),
            Some("on") => Ok(Some(true)),
            Some("off") => Ok(Some(false)),
            Some(value) => Err(wrong(name, value, "it is `on` or `off`")),
        }
    }

    /// A list of `name=value`, separated by commas.
    pub fn pairs(&self, name: &str) -> Result<Vec<(String, String)>> {
        let Some(list) = self.get(name)? else { return Ok(Vec::new()) };
        let pair = |pair: &str| match pair.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok((key.trim().to_owned(), value.trim().to_owned()))
            }
            _ => Err(wrong(name, pair, "it is a list of `name=value`, separated by commas")),
        };
        list.split(',').map(str::trim).filter(|part| !part.is_empty()).map(pair).collect()
    }
}

#[cold]
fn wrong(name: &str, value: &str, why: impl fmt::Display) -> Error {
    Error::invalid_argument(format!("the environment variable {name} is `{value}`: {why}"))
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(Some(Arc::new(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())))
    }
}

/// Shows no values: they may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Environment(fixed)" } else { "Environment(process)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_human_or_whole_seconds() {
        let of = |value: &str| Environment::from_iter([("T", value)]).duration("T");
        assert_eq!(of("60").unwrap(), Some(Duration::from_secs(60)));
        assert_eq!(of("1m 30s").unwrap(), Some(Duration::from_secs(90)));
        assert_eq!(of("").unwrap(), None);
        let wrong = of("soon").unwrap_err();
        assert!(wrong.message().starts_with("the environment variable T is `soon`: "), "{wrong}");
        assert!(of("0").is_err());
        assert_eq!(Environment::from_iter([("T", "0")]).delay("T").unwrap(), Some(Duration::ZERO));
    }

    #[test]
    fn a_switch_is_on_or_off() {
        let of = |value: &str| Environment::from_iter([("S", value)]).switch("S");
        assert_eq!((of("on").unwrap(), of("off").unwrap(), of("").unwrap()), (Some(true), Some(false), None));
        assert!(of("yes").unwrap_err().message().contains("`on` or `off`"));
    }

    #[test]
    fn a_list_of_pairs_is_split_and_trimmed() {
        let of = |value: &str| Environment::from_iter([("M", value)]).pairs("M");
        assert_eq!(
            of("zone=a, tier = gold,").unwrap(),
            [("zone".into(), "a".into()), ("tier".into(), "gold".into())]
        );
        assert!(of("zone").unwrap_err().message().contains("`name=value`"));
    }
}
