//! Selectors: which node a call goes to.
//!
//! A [`Selector`] picks one of the [`Candidate`]s that a registry view holds. It learns from every
//! call: a [`Pick`] counts the call as in flight while it lives, and [`Pick::done`] tells how it
//! went.
//!
//! ```
//! use std::sync::Arc;
//! use micro_runtime::registry::{Node, Registration};
//! use micro_runtime::selector::{self, Candidate, CandidateSet, Outcome};
//!
//! let nodes: CandidateSet = [7000, 7001]
//!     .map(|port| {
//!         let node = Node::new(format!("greeter-{port}"), format!("127.0.0.1:{port}"));
//!         Arc::new(Candidate::new(Arc::new(Registration::new("greeter", node))))
//!     })
//!     .into_iter()
//!     .collect();
//! let selector = selector::by_name("p2c")?;
//! let pick = selector.pick(&nodes.choice()).expect("there are candidates");
//! assert_eq!(pick.candidate().in_flight(), 1);
//! // … call `pick.candidate().node().address` …
//! pick.done(Outcome::Ok);
//! # Ok::<(), micro_runtime::Error>(())
//! ```
//!
//! What holds whatever the selector is: nodes that cannot be reached are out of use at once, those that fail too often
//! for a while ([`OutlierEjection`]), each comes back through one call that tries it, and [`Filter`]s say which nodes
//! calls go to. A selector of your own is an implementation of [`Selector`] that passes [`conformance::run`].

mod availability;
mod balancing;
mod candidate;
mod choice;
pub mod conformance;
mod filter;
mod fleet;
mod hash;
mod least_request;
mod load;
mod narrowing;
mod outlier;
mod p2c;
mod pick;
mod random;
mod round_robin;
mod route;
mod set;
mod split;
mod status;
mod weight;

use std::fmt;
use std::sync::Arc;

pub use availability::{FIRST_EJECTION, LONGEST_EJECTION, Reason};
pub(crate) use balancing::Balancing;
pub use candidate::Candidate;
pub use choice::Choice;
pub(crate) use choice::Policy;
pub use filter::Filter;
pub(crate) use fleet::Fleet;
pub use hash::Hash;
pub use least_request::LeastRequest;
pub(crate) use narrowing::Narrowing;
pub use narrowing::ZONE;
pub use outlier::OutlierEjection;
pub use p2c::P2c;
pub(crate) use pick::Overdue;
pub use pick::{Outcome, Pick};
pub use random::Random;
pub use round_robin::RoundRobin;
pub(crate) use route::Route;
pub use set::CandidateSet;
pub(crate) use split::Split;
pub use status::NodeStatus;
pub use weight::{DEFAULT_WEIGHT, LARGEST_WEIGHT, WEIGHT};

use crate::error::{Error, Result};

/// A way to choose among the nodes of a service.
///
/// One selector serves many services and calls at the same time. What it learns of a node is kept
/// in the [`Candidate`], and what it learns of the nodes of a service beside them ([`Choice::prepared`]); one that
/// learns from the calls attaches a callback to its picks ([`Pick::on_done`]).
///
/// ```
/// use micro_runtime::selector::{Choice, Pick, Selector};
///
/// /// The node with the smallest id that is usable.
/// #[derive(Debug)]
/// struct First;
///
/// impl Selector for First {
///     fn name(&self) -> &'static str {
///         "first"
///     }
///
///     fn pick(&self, choice: &Choice<'_>) -> Option<Pick> {
///         choice.usable_from(0).map(|candidate| choice.take(candidate))
///     }
/// }
/// ```
pub trait Selector: fmt::Debug + Send + Sync + 'static {
    /// The name it is chosen by: `p2c`.
    fn name(&self) -> &'static str;

    /// Picks one of the nodes that are [usable](Choice::is_usable); `None` only where there are none.
    ///
    /// It is on the path of every call, so it should not allocate, lock or wait, nor look at all nodes of a large
    /// fleet.
    fn pick(&self, choice: &Choice<'_>) -> Option<Pick>;
}

/// A shared selector is one as well: what [`by_name`] returns can be given to a client.
impl<S: Selector + ?Sized> Selector for Arc<S> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn pick(&self, choice: &Choice<'_>) -> Option<Pick> {
        (**self).pick(choice)
    }
}

/// The names that [`by_name`] knows, the default first.
pub const NAMES: &[&str] = &["p2c", "random", "round-robin", "least-request", "hash"];

/// A selector by its name, as `MICRO_SELECTOR` gives it. An unknown name is `invalid_argument` and
/// lists the known ones.
///
/// ```
/// let error = micro_runtime::selector::by_name("fastest").unwrap_err();
/// assert_eq!(
///     error.message(),
///     "there is no selector `fastest`; known: p2c, random, round-robin, least-request, hash"
/// );
/// ```
pub fn by_name(name: &str) -> Result<Arc<dyn Selector>> {
    match name {
        "p2c" => Ok(Arc::new(P2c::new())),
        "random" => Ok(Arc::new(Random::new())),
        "round-robin" => Ok(Arc::new(RoundRobin::new())),
        "least-request" => Ok(Arc::new(LeastRequest::new())),
        "hash" => Ok(Arc::new(Hash::new())),
        _ => Err(Error::invalid_argument(format!(
            "there is no selector `{name}`; known: {}",
            NAMES.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Node, Registration};

    fn made(id: &str, change: impl FnOnce(&mut Registration)) -> Arc<Candidate> {
        let mut registration = Registration::new("a", Node::new(id, format!("{id}:1")));
        change(&mut registration);
        Arc::new(Candidate::new(Arc::new(registration)))
    }

    pub(super) fn candidate(id: &str) -> Arc<Candidate> {
        made(id, |_| ())
    }

    pub(super) fn candidates(count: usize) -> Vec<Arc<Candidate>> {
        (0..count).map(|index| candidate(&format!("a-{index}"))).collect()
    }

    pub(super) fn weighs(id: &str, weight: u32) -> Arc<Candidate> {
        made(id, |registration| {
            registration.node.metadata.insert(WEIGHT.to_owned(), weight.to_string());
        })
    }

    pub(super) fn weighing(weights: &[u32]) -> Vec<Arc<Candidate>> {
        weights.iter().enumerate().map(|(index, weight)| weighs(&format!("a-{index}"), *weight)).collect()
    }

    pub(super) fn versions(versions: &[&str]) -> Vec<Arc<Candidate>> {
        let node = |(index, version): (usize, &&str)| {
            made(&format!("a-{index}"), |registration| (*version).clone_into(&mut registration.version))
        };
        versions.iter().enumerate().map(node).collect()
    }

    pub(super) fn zones(zones: &[&str]) -> Vec<Arc<Candidate>> {
        let node = |(index, zone): (usize, &&str)| {
            made(&format!("a-{index}"), |registration| {
                registration.node.metadata.insert(ZONE.to_owned(), (*zone).to_owned());
            })
        };
        zones.iter().enumerate().map(node).collect()
    }

    #[test]
    fn every_known_name_makes_a_selector_of_that_name_that_does_as_it_should() -> Result<()> {
        for name in NAMES {
            let selector = by_name(name)?;
            assert_eq!(selector.name(), *name);
            conformance::run(|| selector.clone())?;
        }
        Ok(())
    }
}
