use std::time::Duration;

use tokio::time::Instant;

/// How much longer a node stays out of the registry for each time that it was taken out lately, after the first.
const STEP: Duration = Duration::from_secs(5);

/// The longest that it is kept out while it says that it is healthy.
const LONGEST: Duration = Duration::from_secs(60);

/// A time out is forgotten after so much time in.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// When a node that was taken out of the registry may come back.
///
/// The first time it may at once: that it is healthy was found out with patience already, or the program said it.
/// After that it stays out for longer each time, because each time all its callers hear of it twice. The time grows with
/// the number of times, as that of Envoy's outlier ejection does (`base_ejection_time`).
#[derive(Debug, Default)]
pub(super) struct Rejoin {
    /// How many times it was taken out lately.
    lately: u32,
    /// Since when it is in.
    joined: Option<Instant>,
    /// Before this it stays out.
    until: Option<Instant>,
}

impl Rejoin {
    /// The node is taken out.
    pub(super) fn out(&mut self, now: Instant) {
        if let Some(joined) = self.joined.take() {
            let periods = now.saturating_duration_since(joined).as_secs() / FORGOTTEN.as_secs();
            self.lately = self.lately.saturating_sub(u32::try_from(periods).unwrap_or(u32::MAX));
        }
        let pause = STEP.saturating_mul(self.lately).min(LONGEST);
        self.lately = self.lately.saturating_add(1);
        self.until = now.checked_add(pause);
    }

    /// The node comes back.
    pub(super) fn back(&mut self, now: Instant) {
        self.joined = Some(now);
    }

    /// When it may come back, where it may not yet.
    pub(super) fn wait(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_out_is_longer_than_the_one_before_up_to_a_minute() {
        let mut rejoin = Rejoin::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..15 {
            rejoin.out(now);
            let back = rejoin.wait(now).unwrap_or(now);
            pauses.push((back - now).as_secs());
            now = back;
            rejoin.back(now);
            now += Duration::from_secs(1);
        }
        assert_eq!(pauses[..4], [0, 5, 10, 15]);
        assert_eq!(pauses[14], 60);
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut rejoin = Rejoin::default();
        let mut now = Instant::now();
        for _ in 0..3 {
            rejoin.out(now);
            rejoin.back(now);
        }
        now += Duration::from_secs(180);
        rejoin.out(now);
        assert_eq!(rejoin.wait(now), None);
    }
}
