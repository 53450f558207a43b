//! Selectors: which node a call goes to.
//!
//! A [`Selector`] picks one of the [`Candidate`]s that a registry view holds. It learns from every
//! call: a [`Pick`] counts the call as in flight while it lives, and [`Pick::done`] tells how it
//! went.
//!
//! ```
//! use std::sync::Arc;
//! use micro_runtime::registry::{Node, Registration};
//! use micro_runtime::selector::{self, Candidate, Outcome};
//!
//! let nodes = [7000, 7001].map(|port| {
//!     let node = Node::new(format!("greeter-{port}"), format!("127.0.0.1:{port}"));
//!     Arc::new(Candidate::new(Arc::new(Registration::new("greeter", node))))
//! });
//! let selector = selector::by_name("p2c")?;
//! let pick = selector.pick(&nodes).expect("there are candidates");
//! assert_eq!(pick.candidate().in_flight(), 1);
//! // … call `pick.candidate().node().address` …
//! pick.done(Outcome::Ok);
//! # Ok::<(), micro_runtime::Error>(())
//! ```

mod availability;
mod candidate;
mod load;
mod p2c;
mod pick;
mod random;

use std::borrow::Cow;
use std::cell::LazyCell;
use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

pub use availability::{FIRST_EJECTION, LONGEST_EJECTION};
pub use candidate::Candidate;
pub use p2c::P2c;
pub use pick::{Outcome, Pick};
pub use random::Random;

use crate::error::{Error, Result};

/// A way to choose among the nodes of a service.
///
/// One selector serves many services and calls at the same time. What it learns of a node is kept
/// in the [`Candidate`]; one that learns something of its own attaches a callback to its picks
/// ([`Pick::on_done`]).
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use micro_runtime::selector::{Candidate, Pick, Selector};
///
/// /// One after the other.
/// #[derive(Debug, Default)]
/// struct InTurn(AtomicUsize);
///
/// impl Selector for InTurn {
///     fn name(&self) -> &'static str {
///         "in-turn"
///     }
///
///     fn pick(&self, candidates: &[Arc<Candidate>]) -> Option<Pick> {
///         let turn = self.0.fetch_add(1, Ordering::Relaxed);
///         candidates.get(turn.checked_rem(candidates.len())?).map(Pick::new)
///     }
/// }
/// ```
pub trait Selector: fmt::Debug + Send + Sync + 'static {
    /// The name it is chosen by: `p2c`.
    fn name(&self) -> &'static str;

    /// Picks one of the candidates; `None` only where there are none.
    ///
    /// The candidates are usable ones: those that are ejected, filtered out or were tried by this
    /// call already are not among them (see [`usable`]). It is on the path of every call, so it
    /// should not allocate, lock or wait.
    fn pick(&self, candidates: &[Arc<Candidate>]) -> Option<Pick>;
}

/// A shared selector is one as well: what [`by_name`] returns can be given to a client.
impl<S: Selector + ?Sized> Selector for Arc<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn pick(&self, candidates: &[Arc<Candidate>]) -> Option<Pick> {
        (**self).pick(candidates)
    }
}

/// The names that [`by_name`] knows, the default first.
pub const NAMES: &[&str] = &["p2c", "random"];

/// A selector by its name, as `MICRO_SELECTOR` gives it. An unknown name is `invalid_argument` and
/// lists the known ones.
///
/// ```
/// let error = micro_runtime::selector::by_name("fastest").unwrap_err();
/// assert_eq!(error.message(), "there is no selector `fastest`; known: p2c, random");
/// ```
pub fn by_name(name: &str) -> Result<Arc<dyn Selector>> {
    match name {
        "p2c" => Ok(Arc::new(P2c::new())),
        "random" => Ok(Arc::new(Random::new())),
        _ => Err(Error::invalid_argument(format!(
            "there is no selector `{name}`; known: {}",
            NAMES.join(", ")
        ))),
    }
}

/// The candidates that are not ejected and that `wanted` holds for.
///
/// Where that is all of them, which is the usual case, nothing is copied. The result may be empty;
/// whether to fail then, or to try an ejected node after all, is for the caller to decide.
pub fn usable(
    candidates: &[Arc<Candidate>],
    wanted: impl Fn(&Candidate) -> bool,
) -> Cow<'_, [Arc<Candidate>]> {
    let now = LazyCell::new(Instant::now);
    let in_use = |candidate: &Candidate| !candidate.was_ejected() || candidate.is_available(*now);
    let fine = |candidate: &&Arc<Candidate>| in_use(candidate) && wanted(candidate);
    if candidates.iter().all(|candidate| fine(&candidate)) {
        Cow::Borrowed(candidates)
    } else {
        Cow::Owned(candidates.iter().filter(fine).cloned().collect())
    }
}

/// Whether a node is in use.
pub(crate) fn is_usable(candidate: &Candidate) -> bool {
    !candidate.was_ejected() || candidate.is_available(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Node, Registration};

    pub(super) fn candidates(count: usize) -> Vec<Arc<Candidate>> {
        let of = |index: usize| {
            let node = Node::new(format!("a-{index}"), format!("127.0.0.1:{}", index + 1));
            Arc::new(Candidate::new(Arc::new(Registration::new("a", node))))
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn every_known_name_makes_a_selector_of_that_name() -> Result<()> {
        for name in NAMES {
            let selector = by_name(name)?;
            assert_eq!(selector.name(), *name);
            assert!(selector.pick(&[]).is_none());
            assert!(selector.pick(&candidates(1)).is_some());
        }
        Ok(())
    }

    #[test]
    fn nothing_is_copied_while_all_candidates_are_usable() {
        let all = candidates(3);
        assert!(matches!(usable(&all, |_| true), Cow::Borrowed(_)));
        all[1].eject();
        let usable_now = usable(&all, |candidate| candidate.node().id != "a-2");
        assert_eq!(usable_now.iter().map(|c| c.node().id.as_str()).collect::<Vec<_>>(), ["a-0"]);
    }
}
