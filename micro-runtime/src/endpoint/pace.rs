use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// One of so many calls is timed.
const TIMED: u32 = 16;

/// A handler that runs for longer than this before it first waits gets tasks of its own.
const LONG: Duration = Duration::from_micros(100);

/// For so many calls, before it is timed again.
const APART: u32 = 1024;

/// The bit that says that the others count the calls which get tasks of their own.
const IS_APART: u32 = 1 << 31;

/// Whether the handler of a method runs in the future of its caller, or in tasks of its own.
///
/// One that answers at once is fastest where it was called. One that computes for long would keep all else
/// waiting that its caller does at the same time. Which one it is shows: now and then a call is timed. Calls that come at the same time may
/// count as one, which is as good.
#[derive(Debug, Default)]
pub(crate) struct Pace(AtomicU32);

/// How one call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Here,
    /// Here, and its time is taken.
    Timed(Instant),
    Apart,
}

impl Pace {
    /// How the next call runs.
    pub(crate) fn next(&self) -> Run {
        let state = self.0.load(Ordering::Relaxed);
        if state & IS_APART != 0 {
            let left = (state & !IS_APART).saturating_sub(1);
            self.0.store(if left == 0 { 0 } else { IS_APART | left }, Ordering::Relaxed);
            return Run::Apart;
        }
        self.0.store(state.wrapping_add(1) & !IS_APART, Ordering::Relaxed);
        if state.is_multiple_of(TIMED) { Run::Timed(Instant::now()) } else { Run::Here }
    }

    /// Notes how a call ran, up to where it first waited.
    pub(crate) fn ran(&self, how: Run) {
        if let Run::Timed(began) = how
            && began.elapsed() > LONG
        {
            self.0.store(IS_APART | APART, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_computes_for_long_gets_tasks_of_its_own_and_is_timed_again_later() {
        let pace = Pace::default();
        let first = pace.next();
        assert!(matches!(first, Run::Timed(_)));
        assert_eq!((1..TIMED).filter(|_| pace.next() == Run::Here).count(), TIMED as usize - 1);
        let Run::Timed(began) = pace.next() else { panic!("it is timed again") };
        pace.ran(Run::Timed(began.checked_sub(LONG * 2).unwrap()));
        assert_eq!((0..APART).filter(|_| pace.next() == Run::Apart).count(), APART as usize);
        assert!(matches!(pace.next(), Run::Timed(_)));
    }
}
