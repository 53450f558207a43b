//! The test kit for selectors: what every one of them has to do.
//!
//! ```
//! use micro_runtime::selector::{P2c, conformance};
//!
//! conformance::run(P2c::new)?;
//! # Ok::<(), micro_runtime::Error>(())
//! ```

mod scenarios;

use super::Selector;
use crate::error::{Error, Result};

/// Runs all scenarios, each with a selector of its own, and fails with what did not go as it should.
///
/// What it asks for: that a node is picked wherever one is usable and none where there is none; that only usable ones
/// are; that all get calls, in small fleets and in large ones, with keys and without; and that the same selector serves
/// several services and fleets that change.
pub fn run<S: Selector>(make: impl Fn() -> S) -> Result<()> {
    let mut failures = Vec::new();
    for (name, scenario) in scenarios::ALL {
        if let Err(failure) = scenario(&make()) {
            failures.push(format!("{name}: {failure}"));
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Error::internal(format!(
        "the selector `{}` does not conform: {}",
        make().name(),
        failures.join("; ")
    )))
}

#[cfg(test)]
mod tests {
    use super::super::{Choice, Pick};
    use super::*;

    /// Looks at nothing.
    #[derive(Debug)]
    struct Careless;

    impl Selector for Careless {
        fn name(&self) -> &'static str {
            "careless"
        }

        fn pick(&self, choice: &Choice<'_>) -> Option<Pick> {
            choice.candidates().first().map(|candidate| choice.take(candidate))
        }
    }

    #[test]
    fn a_selector_that_does_not_conform_is_told_where() {
        let error = run(|| Careless).unwrap_err();
        for told in ["`careless`", "a node that is out of use is not picked", "every node gets calls"] {
            assert!(error.message().contains(told), "{error}");
        }
    }
}
