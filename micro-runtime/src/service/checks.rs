use std::time::{Duration, Instant};

use super::Service;
use super::presence;
use crate::error::{Error, Result};
use crate::health::{Check, Health, IntoCheck};
use crate::registry::Discovery;

/// The longest name, in bytes.
const LONGEST_NAME: usize = 100;

/// The check of the runtime that runs the service.
const RUNTIME: &str = "runtime";

/// The check of what the clients of the service read of other services.
const DISCOVERY: &str = "discovery";

/// What is read of other services may be older than now by this, before it is said.
const OLD: Duration = Duration::from_secs(10);

/// A task that is ready waits no longer than this before it runs, where nothing blocks the threads of the runtime.
const STALL: Duration = Duration::from_millis(500);

impl Service {
    /// Has this looked at again and again while the service runs: a database that it cannot do without, for example.
    /// While it fails, the service is not in the registry.
    ///
    /// An async function is a check that runs every 10 s and may take 2 s. After three failures in a row the service is
    /// unhealthy, and after two successes in a row healthy again; a [`Check`] sets all that. A check that panics or
    /// hangs has failed, and never runs twice at a time.
    ///
    /// The first run comes before the first registration, and the start waits for it. A service whose check fails then
    /// is started and not registered; it is as soon as the check succeeds.
    ///
    /// Callers of the standard health service ask for it as `check/database`, and
    /// [`Health::report`](crate::Health::report) tells all that is known of it. A name that is there twice, `registry`,
    /// `runtime` and `discovery` (which every service has), and one that is not made of 1 to 100 ASCII letters, digits, `.`, `_`,
    /// `/` and `-` are errors at the start.
    ///
    /// ```
    /// # use micro_runtime::{Error, Service};
    /// # async fn ping() -> micro_runtime::Result<()> { Ok(()) }
    /// let service = Service::new("greeter").check("database", || async { ping().await });
    /// ```
    pub fn check(mut self, name: impl Into<String>, check: impl IntoCheck) -> Self {
        self.checks.push((name.into(), check.into_check()));
        self
    }
}

/// Makes the checks known, with those that every service has, and returns those that are to be run.
pub(super) fn prepare(
    mut checks: Vec<(String, Check)>,
    health: &Health,
    discovery: &Discovery,
) -> Result<Vec<(String, Check)>> {
    for (at, (name, check)) in checks.iter().enumerate() {
        named(name)?;
        if checks[..at].iter().any(|(before, _)| before == name) {
            return Err(wrong(name, "there are two of that name"));
        }
        health.add_check(name, check, false);
    }
    // Its results come from the registrations.
    let registry = Check::new(|| async { Ok(()) }).failures(1).successes(1);
    health.add_check(presence::CHECK, &registry, true);
    let runtime = Check::new(stalls).failures(1).successes(1);
    health.add_check(RUNTIME, &runtime, true);
    checks.push((RUNTIME.to_owned(), runtime));
    let views = discovery.clone();
    let discovery = Check::new(move || std::future::ready(is_current(&views))).failures(1).successes(1);
    health.add_check(DISCOVERY, &discovery, true);
    checks.push((DISCOVERY.to_owned(), discovery));
    Ok(checks)
}

/// Whether what is read of other services is what the registry says now.
fn is_current(discovery: &Discovery) -> Result<()> {
    let age = discovery.age();
    if age <= OLD {
        return Ok(());
    }
    Err(Error::unavailable(format!(
        "the registry `{}` has not been heard of for {}: calls go to the nodes that were known then",
        discovery.registry().name(),
        humantime::format_duration(Duration::from_secs(age.as_secs()))
    )))
}

/// Whether a task waits for long before it runs.
async fn stalls() -> Result<()> {
    // The real time, also where a test has a clock of its own.
    let asked = Instant::now();
    let waited = tokio::spawn(async move { asked.elapsed() }).await.unwrap_or_default();
    if waited <= STALL {
        return Ok(());
    }
    Err(Error::resource_exhausted(format!(
        "a task waited for {} before it ran: does something block the threads of the runtime?",
        humantime::format_duration(Duration::from_millis(
            u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)
        ))
    )))
}

fn named(name: &str) -> Result<()> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(known) {
        return Err(wrong(name, "use 1 to 100 ASCII letters, digits, `.`, `_`, `/` and `-`"));
    }
    if [presence::CHECK, RUNTIME, DISCOVERY].contains(&name) {
        return Err(wrong(name, "every service has a check of that name"));
    }
    Ok(())
}

#[cold]
fn wrong(name: &str, why: &str) -> Error {
    let name: String = name.escape_debug().take(LONGEST_NAME).collect();
    Error::invalid_argument(format!("the check `{name}` cannot be added: {why}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::registry::Memory;

    #[test]
    fn a_name_that_is_taken_or_odd_is_refused_with_the_reason() {
        let check = || Check::new(|| async { Ok(()) });
        let nowhere = Discovery::new(Arc::new(Memory::new()));
        for (names, why) in [
            (vec!["a", "a"], "two of that name"),
            (vec!["registry"], "every service"),
            (vec!["runtime"], "every service"),
            (vec!["discovery"], "every service"),
            (vec![""], "use 1 to 100"),
            (vec!["grüße"], "use 1 to 100"),
        ] {
            let checks = names.iter().map(|name| ((*name).to_owned(), check())).collect();
            let error = prepare(checks, &Health::new(), &nowhere).unwrap_err();
            assert!(error.message().contains(why), "{names:?}: {error}");
        }
        let checks = prepare(vec![("database/main".to_owned(), check())], &Health::new(), &nowhere).unwrap();
        assert_eq!(checks.len(), 3);
    }
}
