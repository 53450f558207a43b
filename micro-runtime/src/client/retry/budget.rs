use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How long the attempts per second that nobody made are kept.
const KEPT: Duration = Duration::from_secs(10);

/// A token, in the thousandths that are counted.
const TOKEN: i64 = 1000;

/// How many of the calls to one service may be further attempts: a share of all calls, and some each second.
///
/// A service that fails gets more calls by being tried again, which is how an overload stays when its cause is
/// long gone. With a budget, retries and hedges together add no more than their share. Each client has one for
/// each service that it calls.
///
/// The rules and the numbers are those of Finagle's `RetryBudget` (a share of 20 %, 10 each second, kept for
/// 10 s); as in gRPC's proposal A6 (section "Throttling Retry Attempts and Hedged RPCs"), nothing is counted
/// while the budget is full.
///
/// ```
/// # use micro_runtime::client::{Client, RetryBudget};
/// // At most one call in ten is a further attempt, or one each second where there are few calls.
/// let client = Client::builder().retry_budget(RetryBudget::new(0.1, 1)).build();
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// In thousandths.
    share: i64,
    per_second: u32,
}

impl RetryBudget {
    /// Further attempts may be this share of all calls, and beside that so many each second. The default is
    /// 0.2 and 10. The share is counted in thousandths, from 0 to 10.
    pub fn new(share: f64, per_second: u32) -> Self {
        // What is no number is 0.
        Self { share: (share.clamp(0.0, 10.0) * 1000.0) as i64, per_second }
    }

    /// The most that is kept: the attempts of [`KEPT`], and room for one where there are none.
    fn full(self) -> i64 {
        (i64::from(self.per_second) * KEPT.as_secs() as i64).max(1) * TOKEN
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(0.2, 10)
    }
}

/// What is left of a budget. It begins full.
#[derive(Debug)]
pub(super) struct Balance {
    /// Nothing, where there is no limit.
    budget: Option<RetryBudget>,
    tokens: AtomicI64,
    epoch: Instant,
    /// Until when the attempts per second were added, in milliseconds since the epoch.
    added: AtomicU64,
}

impl Balance {
    pub(super) fn new(budget: Option<RetryBudget>) -> Self {
        Self {
            budget,
            tokens: AtomicI64::new(budget.map_or(0, RetryBudget::full)),
            epoch: Instant::now(),
            added: AtomicU64::new(0),
        }
    }

    /// Notes a call. It is on the path of every call, and writes nothing as long as the budget is full.
    #[inline]
    pub(super) fn deposit(&self) {
        if let Some(budget) = self.budget
            && budget.share > 0
            && self.tokens.load(Ordering::Relaxed) < budget.full()
        {
            self.tokens.fetch_add(budget.share, Ordering::Relaxed);
        }
    }

    /// Takes one attempt, if there is one.
    pub(super) fn withdraw(&self) -> bool {
        let Some(budget) = self.budget else { return true };
        self.add(budget);
        let take = |tokens: i64| (tokens >= TOKEN).then(|| tokens - TOKEN);
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Adds what the time that passed is worth.
    fn add(&self, budget: RetryBudget) {
        let now = u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX);
        let before = self.added.load(Ordering::Relaxed);
        let passed = now.saturating_sub(before).min(KEPT.as_millis() as u64) as i64;
        if passed > 0
            && self.added.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            // A token is a thousand, and so is a second.
            let worth = passed * i64::from(budget.per_second);
            let add = |tokens: i64| (tokens < budget.full()).then(|| (tokens + worth).min(budget.full()));
            let _ = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::time::advance;

    use super::*;

    fn paused<F: Future>(work: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(work)
    }

    fn withdrawn(balance: &Balance) -> usize {
        std::iter::from_fn(|| balance.withdraw().then_some(())).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_is_a_share_of_the_calls_and_some_each_second() {
        let balance = Balance::new(Some(RetryBudget::new(0.2, 10)));
        (0..1000).for_each(|_| balance.deposit());
        assert_eq!(withdrawn(&balance), 100, "what is full gets no fuller");
        (0..50).for_each(|_| balance.deposit());
        assert_eq!(withdrawn(&balance), 10);
        advance(Duration::from_millis(500)).await;
        assert_eq!(withdrawn(&balance), 5);
        advance(Duration::from_secs(1000)).await;
        assert_eq!(withdrawn(&balance), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_of_nothing_is_used_up_and_none_is_without_end() {
        let nothing = Balance::new(Some(RetryBudget::new(f64::NAN, 0)));
        // It begins with the one that there is room for.
        assert_eq!(withdrawn(&nothing), 1);
        (0..1000).for_each(|_| nothing.deposit());
        advance(Duration::from_secs(1000)).await;
        assert_eq!(withdrawn(&nothing), 0);
        let endless = Balance::new(None);
        assert!((0..10_000).all(|_| endless.withdraw()));
    }

    proptest! {
        #[test]
        fn no_more_is_taken_than_was_there_and_was_added(
            share in 0.0..2.0_f64, per_second in 0..50_u32,
            steps in vec((0..50_usize, 0..50_usize, 0..3000_u64), 0..30),
        ) {
            paused(async {
                let budget = RetryBudget::new(share, per_second);
                let balance = Balance::new(Some(budget));
                let (mut most, mut taken) = (budget.full(), 0);
                for (calls, attempts, millis) in steps {
                    (0..calls).for_each(|_| balance.deposit());
                    advance(Duration::from_millis(millis)).await;
                    most += calls as i64 * budget.share + millis as i64 * i64::from(per_second);
                    taken += (0..attempts).filter(|_| balance.withdraw()).count() as i64 * TOKEN;
                    let left = balance.tokens.load(Ordering::Relaxed);
                    assert!(taken <= most && left >= 0 && left < budget.full() + budget.share.max(1));
                }
            });
        }
    }
}
