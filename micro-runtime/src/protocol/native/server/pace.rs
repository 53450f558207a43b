//! Whether the calls of a method run in the task of their connection, or in tasks of their own.
//!
//! A handler that answers at once is fastest where its call was read: no task is made and nobody is woken.
//! One that computes for long would keep the other calls of the connection waiting there, on one core.
//! Which one it is shows: now and then a call is timed.

use std::time::{Duration, Instant};

/// One of so many calls is timed.
const TIMED: u32 = 16;

/// A handler that runs for longer than this before it first waits gets tasks of its own.
const LONG: Duration = Duration::from_micros(100);

/// For so many calls, before it is timed again.
const APART: u32 = 1024;

/// The pace of one method on one connection.
#[derive(Debug, Default)]
pub(super) struct Pace {
    calls: u32,
    /// How many calls more get tasks of their own.
    apart: u32,
}

/// How one call runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Run {
    Here,
    /// Here, and its time is taken.
    Timed(Instant),
    Apart,
}

impl Pace {
    /// How the next call runs.
    pub(super) fn next(&mut self) -> Run {
        if self.apart > 0 {
            self.apart -= 1;
            return Run::Apart;
        }
        let timed = self.calls % TIMED == 0;
        self.calls = self.calls.wrapping_add(1);
        if timed { Run::Timed(Instant::now()) } else { Run::Here }
    }

    /// Notes how long a call took.
    pub(super) fn took(&mut self, time: Duration) {
        if time > LONG {
            self.apart = APART;
            self.calls = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_computes_for_long_gets_tasks_of_its_own_and_is_timed_again_later() {
        let mut pace = Pace::default();
        assert!(matches!(pace.next(), Run::Timed(_)));
        pace.took(LONG);
        assert_eq!((1..TIMED).filter(|_| pace.next() == Run::Here).count(), TIMED as usize - 1);
        assert!(matches!(pace.next(), Run::Timed(_)));
        pace.took(LONG * 2);
        assert_eq!((0..APART).filter(|_| pace.next() == Run::Apart).count(), APART as usize);
        assert!(matches!(pace.next(), Run::Timed(_)));
    }
}
