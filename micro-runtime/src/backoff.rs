use std::time::Duration;

/// How long to wait before another attempt: exponential backoff with full jitter.
///
/// Before the n-th further attempt a call waits for a random time from nothing to `base · 2ⁿ⁻¹`, and to `cap` at
/// the most. Calls that failed together so come back spread out ("Exponential Backoff And Jitter", AWS
/// Architecture Blog, 2015, where this variant is called full jitter).
///
/// ```
/// # use std::time::Duration;
/// # use micro_runtime::client::{Backoff, Client};
/// let patient = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
/// let client = Client::builder().retries(4).retry_backoff(patient).build();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// Waits up to `base` before the first further attempt, twice as long before each one after that, and up to
    /// `cap` at the most. The default is 25 ms and 1 s.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    /// The longest wait before the further attempt with this number, counted from 1.
    fn most(self, number: u32) -> Duration {
        let doubled = 1_u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(doubled).min(self.cap)
    }

    /// The wait before the further attempt with this number, counted from 1.
    pub(crate) fn wait(self, number: u32) -> Duration {
        let most = u64::try_from(self.most(number).as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(fastrand::u64(0..=most))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(25), Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_wait_is_longer_than_the_cap_or_the_doubled_base(
            base in 0_u64..10_000_000_000, cap in 0_u64..10_000_000_000, number in 0..u32::MAX,
        ) {
            let backoff = Backoff::new(Duration::from_nanos(base), Duration::from_nanos(cap));
            prop_assert!(backoff.wait(number) <= Duration::from_nanos(cap));
            let doubled = u128::from(base) << number.saturating_sub(1).min(40);
            prop_assert!(backoff.wait(number.min(41)).as_nanos() <= doubled);
        }
    }

    #[test]
    fn waits_double_and_are_spread_over_all_of_the_time() {
        let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(35));
        let most = [1, 2, 3, 40].map(|number| backoff.most(number).as_millis());
        assert_eq!(most, [10, 20, 35, 35]);
        let waits: Vec<_> = (0..1000).map(|_| backoff.wait(2).as_micros()).collect();
        assert!(waits.iter().any(|wait| *wait < 2_000) && waits.iter().any(|wait| *wait > 18_000));
    }
}
