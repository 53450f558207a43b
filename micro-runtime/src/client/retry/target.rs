//! What a client knows of one service that it calls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::breaker::Breaker;
use super::budget::Balance;
use super::policy::Policy;
use crate::client::coalesce::Coalesced;
use crate::error::{Code, Error, Result};
use crate::metrics::Metrics;

/// Beyond so many services those that no channel leads to are forgotten.
const KEPT: usize = 1024;

/// What a client did for the calls to one service beyond making them once. All numbers only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetStats {
    /// The name that the service is registered by.
    pub service: String,
    /// Attempts in place of one that failed or took too long.
    pub retries: u64,
    /// Attempts beside one that had not been answered in time.
    pub hedges: u64,
    /// Hedges whose answer was the first.
    pub hedge_wins: u64,
    /// Attempts that were not made because the retry budget was used up.
    pub budget_refusals: u64,
    /// Attempts that the circuit breaker refused.
    pub breaker_rejections: u64,
    /// Calls that a fallback answered.
    pub fallbacks: u64,
    /// Calls that shared the answer of another one.
    pub coalesced: u64,
}

/// One service, as far as all calls of a client to it share something.
#[derive(Debug)]
pub(in crate::client) struct Target {
    service: String,
    balance: Balance,
    breaker: Option<Breaker>,
    pub(super) counts: Counts,
    /// The calls that others may join.
    pub(in crate::client) coalesced: Coalesced,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) retries: AtomicU64,
    pub(super) hedges: AtomicU64,
    pub(super) hedge_wins: AtomicU64,
    budget_refusals: AtomicU64,
    breaker_rejections: AtomicU64,
    fallbacks: AtomicU64,
    coalesced: AtomicU64,
}

/// Adds one.
pub(super) fn count(number: &AtomicU64) {
    number.fetch_add(1, Ordering::Relaxed);
}

impl Target {
    fn new(service: &str, policy: &Policy) -> Self {
        Self {
            service: service.to_owned(),
            balance: Balance::new(policy.budget),
            breaker: policy.breaker.map(Breaker::new),
            counts: Counts::default(),
            coalesced: Coalesced::default(),
        }
    }

    /// Notes a call, which is worth a share of a retry.
    #[inline]
    pub(in crate::client) fn called(&self) {
        self.balance.deposit();
    }

    /// Takes one further attempt from the budget.
    pub(in crate::client) fn may_try_again(&self) -> bool {
        let may = self.balance.withdraw();
        if !may {
            count(&self.counts.budget_refusals);
        }
        may
    }

    /// Lets an attempt through, or refuses it where most of them fail.
    #[inline]
    pub(in crate::client) fn admit(&self) -> Result<()> {
        match &self.breaker {
            Some(breaker) if !breaker.admits() => Err(self.rejected()),
            _ => Ok(()),
        }
    }

    #[cold]
    fn rejected(&self) -> Error {
        count(&self.counts.breaker_rejections);
        let message = format!(
            "`{}` was not called: most of the last calls to it failed, and the circuit breaker of this client lets \
             few through until it answers again (the client's option `circuit_breaker`)",
            self.service
        );
        Error::unavailable(message).never_processed().spent()
    }

    /// Notes an attempt that was answered.
    #[inline]
    pub(in crate::client) fn answered(&self) {
        if let Some(breaker) = &self.breaker {
            breaker.accepted();
        }
    }

    /// Notes an attempt that ended with an error.
    #[cold]
    pub(in crate::client) fn failed(&self, error: &Error) {
        let Some(breaker) = &self.breaker else { return };
        match error.code() {
            // Its node asked for less.
            _ if error.retry_after().is_some() => breaker.failed(),
            // It says nothing of the service, or the caller gave it up.
            _ if error.was_never_processed() => {}
            Code::Canceled => {}
            Code::Unavailable | Code::DeadlineExceeded => breaker.failed(),
            _ => breaker.accepted(),
        }
    }

    /// Notes an attempt that was given up because it took too long.
    pub(super) fn timed_out(&self) {
        if let Some(breaker) = &self.breaker {
            breaker.failed();
        }
    }

    /// Notes a call that a fallback answered.
    pub(in crate::client) fn fell_back(&self) {
        count(&self.counts.fallbacks);
    }

    /// Notes a call that shared the answer of another one.
    pub(in crate::client) fn shared(&self) {
        count(&self.counts.coalesced);
    }

    pub(in crate::client) fn stats(&self) -> TargetStats {
        let Counts { retries, hedges, hedge_wins, budget_refusals, breaker_rejections, fallbacks, coalesced } =
            &self.counts;
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        TargetStats {
            service: self.service.clone(),
            retries: of(retries),
            hedges: of(hedges),
            hedge_wins: of(hedge_wins),
            budget_refusals: of(budget_refusals),
            breaker_rejections: of(breaker_rejections),
            fallbacks: of(fallbacks),
            coalesced: of(coalesced),
        }
    }
}

/// The services that a client calls.
#[derive(Debug, Default)]
pub(in crate::client) struct Targets(Mutex<HashMap<String, Arc<Target>>>);

impl Targets {
    /// The one of this name. Whoever calls keeps it: this is not for the path of every call.
    pub(in crate::client) fn get(&self, service: &str, policy: &Policy) -> Arc<Target> {
        let mut targets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(target) = targets.get(service) {
            return target.clone();
        }
        if targets.len() >= KEPT {
            targets.retain(|_, target| Arc::strong_count(target) > 1);
        }
        let target = Arc::new(Target::new(service, policy));
        targets.insert(service.to_owned(), target.clone());
        target
    }

    /// Shows what was done for the calls to each of them.
    pub(in crate::client) fn observe(self: &Arc<Self>, metrics: &Metrics) {
        metrics.observe(self, |targets, samples| {
            for stats in targets.stats() {
                let numbers = [
                    ("micro_client_retries", "Attempts in place of one that failed.", stats.retries),
                    ("micro_client_hedges", "Attempts beside one that took long.", stats.hedges),
                    ("micro_client_hedge_wins", "Hedges whose answer was the first.", stats.hedge_wins),
                    (
                        "micro_client_retry_budget_refusals",
                        "Attempts that were not made because the retry budget was used up.",
                        stats.budget_refusals,
                    ),
                    (
                        "micro_client_circuit_breaker_rejections",
                        "Attempts that the circuit breaker refused.",
                        stats.breaker_rejections,
                    ),
                    ("micro_client_fallbacks", "Calls that a fallback answered.", stats.fallbacks),
                    (
                        "micro_client_coalesced",
                        "Calls that shared the answer of another one.",
                        stats.coalesced,
                    ),
                ];
                for (name, help, number) in numbers {
                    samples.counter(name, help, &[("service", &stats.service)], number as f64);
                }
            }
        });
    }

    /// The numbers of all of them, by name.
    pub(in crate::client) fn stats(&self) -> Vec<TargetStats> {
        let targets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stats: Vec<_> = targets.values().map(|target| target.stats()).collect();
        stats.sort_by(|one, other| one.service.cmp(&other.service));
        stats
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::{CircuitBreaker, RetryBudget};

    fn target(policy: &Policy) -> Target {
        Target::new("users", policy)
    }

    /// Whether calls are refused after many that ended like this.
    fn trips(error: &Error) -> bool {
        let target = target(&Policy { breaker: Some(CircuitBreaker::new()), ..Policy::default() });
        (0..200).for_each(|_| target.failed(error));
        (0..100).any(|_| target.admit().is_err())
    }

    #[tokio::test(start_paused = true)]
    async fn the_breaker_counts_what_a_service_under_pressure_does_and_nothing_else() {
        assert!(trips(&Error::unavailable("away")));
        assert!(trips(&Error::deadline_exceeded("slow")));
        assert!(trips(&Error::resource_exhausted("full").with_retry_after(Duration::from_secs(1))));
        assert!(!trips(&Error::resource_exhausted("no calls are left today")));
        assert!(!trips(&Error::unavailable("nobody listens").never_processed()));
        assert!(!trips(&Error::canceled("given up")));
        assert!(!trips(&Error::internal("a bug")));
        assert!(!trips(&Error::not_found("no such user")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejection_says_who_rejected_and_how_to_change_that() {
        let target = target(&Policy::default());
        (0..200).for_each(|_| target.failed(&Error::unavailable("away")));
        let error = std::iter::from_fn(|| Some(target.admit())).find_map(Result::err).unwrap();
        assert_eq!(error.code(), Code::Unavailable);
        assert!(error.message().contains("circuit breaker"), "{error}");
        assert!(error.was_never_processed());
        assert_eq!(target.stats().breaker_rejections, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_that_is_used_up_is_counted() {
        let target = target(&Policy { budget: Some(RetryBudget::new(0.0, 0)), ..Policy::default() });
        assert!(target.may_try_again());
        assert!(!target.may_try_again());
        assert_eq!(target.stats().budget_refusals, 1);
    }

    #[test]
    fn a_service_is_known_once_and_those_that_nobody_calls_any_more_are_forgotten() {
        let (targets, policy) = (Targets::default(), Policy::default());
        let kept = targets.get("kept", &policy);
        assert!(Arc::ptr_eq(&kept, &targets.get("kept", &policy)));
        (0..3 * KEPT).for_each(|number| drop(targets.get(&number.to_string(), &policy)));
        assert!(targets.stats().len() <= KEPT);
        assert!(Arc::ptr_eq(&kept, &targets.get("kept", &policy)));
    }
}
