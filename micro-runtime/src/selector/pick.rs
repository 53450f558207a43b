use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Candidate;
use super::availability::Admission;

/// How a call went, as far as its node is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The node answered. An answer that says no, `not_found` for example, is one.
    Ok,
    /// The node failed: it answered `unavailable` or `internal`, or broke the connection.
    Failed,
    /// The node was not done by the deadline. That is a failure where the call waited for twice as long as the node
    /// usually takes; the deadline of a call that came too late says nothing about the node.
    TimedOut,
    /// The node has too much to do, and says so: `resource_exhausted`. That is no failure; but an answer that
    /// comes fast because nothing was done does not make the node look fast.
    Overloaded,
    /// Nobody listens at the address. It takes the node out of use, see [`Candidate::eject`].
    Unreachable,
}

/// What is told how a call went and how long it took.
type Callback = Box<dyn FnOnce(Outcome, Duration) + Send + Sync>;

/// A picked node: the call counts as in flight there until this is dropped.
///
/// Say how the call went with [`done`](Self::done), or with [`report`](Self::report) where it goes on,
/// as a stream does after its first message. A pick that is dropped without a word was given up by
/// its caller.
pub struct Pick {
    candidate: Arc<Candidate>,
    since: Instant,
    admission: Admission,
    reported: bool,
    answered: Option<Instant>,
    on_done: Option<Callback>,
    overdue: Option<Arc<Overdue>>,
}

/// Tells a pick that is dropped that its call took too long, and was not just given up.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    set: AtomicBool,
    failure: AtomicBool,
}

impl Overdue {
    /// From now on a pick that is dropped timed out.
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::Relaxed);
    }

    /// Whether one did, after more time than its node usually takes.
    pub(crate) fn is_failure(&self) -> bool {
        self.failure.load(Ordering::Relaxed)
    }
}

impl Pick {
    /// Picks this node, now.
    pub fn new(candidate: &Arc<Candidate>) -> Self {
        Self::at(candidate, Instant::now())
    }

    pub(super) fn at(candidate: &Arc<Candidate>, now: Instant) -> Self {
        candidate.picked(now);
        candidate.load().begin();
        let admission = candidate.admit(now);
        Self {
            candidate: candidate.clone(),
            since: now,
            admission,
            reported: false,
            answered: None,
            on_done: None,
            overdue: None,
        }
    }

    /// The same with a callback, for a selector that keeps its own statistics. It is called once,
    /// with the outcome and the latency, and not at all for a call that was given up.
    #[must_use]
    pub fn on_done(mut self, callback: impl FnOnce(Outcome, Duration) + Send + Sync + 'static) -> Self {
        self.on_done = Some(Box::new(callback));
        self
    }

    /// Lets it hear that its call took too long.
    pub(crate) fn heeds(&mut self, overdue: &Arc<Overdue>) {
        self.overdue = Some(overdue.clone());
    }

    /// The node.
    pub fn candidate(&self) -> &Arc<Candidate> {
        &self.candidate
    }

    /// There is no call after all, and nothing is learnt.
    pub(crate) fn withdraw(mut self) {
        self.reported = true;
        self.candidate.load().uncount();
        self.release(self.since);
    }

    /// Whether the node is in use, or this call is to find out whether it can be again. Another call may have been
    /// picked to do that in the meantime.
    pub(super) fn is_admitted(&self) -> bool {
        self.admission != Admission::Closed
    }

    fn is_probe(&self) -> bool {
        self.admission == Admission::Probe
    }

    /// Where this call was to find out how the node does, another one may.
    fn release(&self, now: Instant) {
        if self.is_probe() {
            self.candidate.release(now);
        }
    }

    /// The call is over; its latency is the time since the pick.
    pub fn done(mut self, outcome: Outcome) {
        let latency = self.since.elapsed();
        self.report(outcome, latency);
    }

    /// The node answered now, and had the call since `start`.
    pub(crate) fn answers(&mut self, start: Instant) {
        let now = Instant::now();
        self.answered = Some(now);
        self.report(Outcome::Ok, now.saturating_duration_since(start));
    }

    /// When its node answered, as far as that was said.
    pub(crate) fn answered(&self) -> Option<Instant> {
        self.answered
    }

    /// When it was made.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Whether no more time has passed than the node may take and be fine.
    pub(crate) fn is_in_time(&self) -> bool {
        self.candidate.load().is_usual(self.since.elapsed())
    }

    /// Says how the call went where the time it took is not the node's.
    pub(crate) fn report_untimed(&mut self, outcome: Outcome) {
        if self.reported {
            return;
        }
        if outcome == Outcome::Ok {
            self.reported = true;
            self.candidate.reached(self.since, self.candidate.nanos(self.since));
            if let Some(callback) = self.on_done.take() {
                callback(outcome, self.since.elapsed());
            }
        } else {
            self.report(outcome, self.since.elapsed());
        }
    }

    /// Says how the call went, which still counts as in flight. Only the first report counts.
    pub fn report(&mut self, outcome: Outcome, latency: Duration) {
        if std::mem::replace(&mut self.reported, true) {
            return;
        }
        let now = self.candidate.nanos(self.since + latency);
        match outcome {
            Outcome::Ok => {
                self.candidate.reached(self.since, now);
                self.candidate.load().measure(now, latency);
            }
            Outcome::TimedOut if self.candidate.load().is_usual(latency) => {
                self.candidate.load().give_up(now, latency);
                self.release(self.since + latency);
            }
            Outcome::Failed | Outcome::TimedOut => {
                self.candidate.load().fail(now, latency);
                self.candidate.failed(now, self.is_probe());
            }
            Outcome::Overloaded => {
                self.candidate.reached(self.since, now);
                self.candidate.load().fail(now, latency);
            }
            Outcome::Unreachable => {
                self.candidate.eject_unreachable(now, self.is_probe());
            }
        }
        if let Some(callback) = self.on_done.take() {
            callback(outcome, latency);
        }
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        self.candidate.load().end();
        if self.reported {
            return;
        }
        let overdue = self.overdue.take().filter(|overdue| overdue.set.load(Ordering::Relaxed));
        if let Some(overdue) = overdue {
            let latency = self.since.elapsed();
            overdue.failure.store(!self.candidate.load().is_usual(latency), Ordering::Relaxed);
            self.report(Outcome::TimedOut, latency);
        } else {
            let now = Instant::now();
            let waited = now.saturating_duration_since(self.since);
            self.candidate.load().give_up(self.candidate.nanos(now), waited);
            self.release(now);
        }
    }
}

impl fmt::Debug for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pick")
            .field("candidate", &self.candidate)
            .field("since", &self.since)
            .field("reported", &self.reported)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::super::tests::candidates;
    use super::*;

    #[test]
    fn a_call_is_in_flight_as_long_as_its_pick_lives() {
        let node = &candidates(1)[0];
        let (first, mut second) = (Pick::new(node), Pick::new(node));
        assert_eq!(node.in_flight(), 2);
        first.done(Outcome::Ok);
        second.report(Outcome::Ok, Duration::from_millis(1));
        assert_eq!(node.in_flight(), 1);
        drop(second);
        assert_eq!(node.in_flight(), 0);
    }

    #[test]
    fn a_node_that_is_unreachable_is_out_of_use_until_it_answers() {
        let node = &candidates(1)[0];
        Pick::new(node).done(Outcome::Unreachable);
        assert!(!node.is_available(Instant::now()));
        Pick::new(node).done(Outcome::Ok);
        assert!(node.is_available(Instant::now()));
    }

    #[test]
    fn a_deadline_that_passes_sooner_than_the_node_usually_answers_is_no_failure() {
        let node = &candidates(1)[0];
        let report = |outcome, latency| Pick::new(node).report(outcome, Duration::from_millis(latency));
        report(Outcome::TimedOut, 1);
        assert_eq!(node.failures(), 0);
        for _ in 0..3 {
            report(Outcome::Ok, 20);
        }
        report(Outcome::TimedOut, 30);
        assert_eq!(node.failures(), 0);
        // A node that hangs is one that fails, however often it happens.
        for failures in 1..5 {
            report(Outcome::TimedOut, 100);
            assert_eq!(node.failures(), failures);
        }
    }

    #[test]
    fn a_node_that_says_that_it_is_busy_is_in_use_and_looks_slow() {
        let node = &candidates(1)[0];
        Pick::new(node).report(Outcome::Ok, Duration::from_millis(20));
        for _ in 0..10 {
            Pick::new(node).report(Outcome::Overloaded, Duration::from_micros(50));
        }
        assert_eq!(node.failures(), 0);
        assert!(node.latency() > Duration::from_millis(100), "{:?}", node.latency());
    }

    #[test]
    fn a_call_that_is_given_up_because_it_took_too_long_is_a_failure_of_a_node_that_is_faster() {
        let node = &candidates(1)[0];
        Pick::new(node).report(Outcome::Ok, Duration::from_secs(1));
        let hurried = Arc::new(Overdue::default());
        let mut pick = Pick::new(node);
        pick.heeds(&hurried);
        hurried.set();
        drop(pick);
        assert!(!hurried.is_failure() && node.failures() == 0);
        let hung = Arc::new(Overdue::default());
        let mut pick = Pick::at(node, Instant::now() - Duration::from_secs(3));
        pick.heeds(&hung);
        hung.set();
        drop(pick);
        assert!(hung.is_failure() && node.failures() == 1);
    }

    #[test]
    fn a_callback_hears_the_first_report_and_no_other() {
        let node = &candidates(1)[0];
        let heard = Arc::new(AtomicU32::new(0));
        let hearing = heard.clone();
        let mut pick = Pick::new(node).on_done(move |outcome, latency| {
            assert_eq!((outcome, latency), (Outcome::Failed, Duration::from_millis(3)));
            hearing.fetch_add(1, Ordering::Relaxed);
        });
        pick.report(Outcome::Failed, Duration::from_millis(3));
        pick.done(Outcome::Ok);
        assert_eq!(heard.load(Ordering::Relaxed), 1);
    }
}
