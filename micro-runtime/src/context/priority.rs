use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The metadata that a priority travels in.
pub(crate) const PRIORITY: &str = "micro-priority";

/// How much a call matters to who made it. A service that has too much to do refuses the lowest first.
///
/// It travels as the metadata `micro-priority`, and the calls that a handler makes in its context have the
/// priority of the call that it serves. So what matters to the user at the edge matters all the way down.
///
/// ```
/// # use micro_runtime::{Context, Priority};
/// let ctx = Context::new().with_priority(Priority::Low);
/// assert_eq!(ctx.priority(), Priority::Low);
/// assert_eq!(Context::new().priority(), Priority::Normal);
/// assert!(Priority::Critical > Priority::Low);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Can be done later, or not at all: prefetching, reports, retries of a batch.
    Low,
    /// What is not said otherwise.
    #[default]
    Normal,
    /// Somebody waits for it and would notice.
    High,
    /// Without it the business stops: paying, signing in, what keeps the system itself running.
    Critical,
}

impl Priority {
    /// All of them, the lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Critical];

    /// The name on the wire, `low` for example.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|priority| name.eq_ignore_ascii_case(priority.as_str())).ok_or_else(|| {
            Error::invalid_argument(format!(
                "`{name}` is no priority: use `critical`, `high`, `normal` or `low`"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::context::Context;
    use crate::metadata::Metadata;

    fn serving(value: &str) -> Context {
        let mut metadata = Metadata::new();
        metadata.append(PRIORITY, value).unwrap();
        Context::of_call(metadata)
    }

    fn sent(ctx: Context) -> Vec<String> {
        ctx.sending(Metadata::new()).outgoing().get_all(PRIORITY).map(str::to_owned).collect()
    }

    #[test]
    fn calls_of_a_handler_inherit_the_priority_of_the_call_that_it_serves() {
        let ctx = serving("critical");
        assert_eq!(ctx.priority(), Priority::Critical);
        assert_eq!(sent(ctx), ["critical"]);
        assert!(sent(Context::of_call(Metadata::new())).is_empty(), "what is not said is not sent");
    }

    #[test]
    fn a_handler_can_give_its_calls_another_priority() {
        let ctx = serving("critical").with_priority(Priority::Low);
        assert_eq!(ctx.priority(), Priority::Low);
        assert_eq!(sent(ctx.with_priority(Priority::High)), ["high"]);
    }

    #[test]
    fn the_metadata_of_one_call_wins_over_its_context() {
        let mut own = Metadata::new();
        own.append(PRIORITY, "low").unwrap();
        for ctx in [serving("critical"), Context::new().with_priority(Priority::High)] {
            let ctx = ctx.sending(own.clone());
            assert_eq!(ctx.outgoing().get_all(PRIORITY).collect::<Vec<_>>(), ["low"]);
        }
    }

    proptest! {
        #[test]
        fn any_value_is_a_priority_or_the_normal_one(value in "(low|LOW|high|critical|normal)|[ -~]{0,12}") {
            prop_assert_eq!(serving(&value).priority(), value.parse().unwrap_or_default());
        }
    }
}
