use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For how long a group is waited for: as long as a subscription is announced.
const EXPECTED: Duration = Duration::from_secs(60);

/// The most groups that are remembered.
const MOST: usize = 1024;

/// Groups a member of which did not answer. When the registry knows no member of such a group any more, that is no goodbye: it may be
/// starting again, and events for it are owed to it.
#[derive(Debug, Default)]
pub(super) struct Lost {
    any: AtomicBool,
    /// Until when each is expected, by topic and group.
    groups: Mutex<HashMap<(String, String), Instant>>,
}

impl Lost {
    /// A member did not answer.
    pub(super) fn note(&self, topic: &str, group: &str) {
        let (mut groups, now) = (self.groups(), Instant::now());
        if groups.len() >= MOST {
            groups.retain(|_, until| *until > now);
        }
        if groups.len() < MOST {
            groups.insert((topic.to_owned(), group.to_owned()), now + EXPECTED);
            self.any.store(true, Ordering::Release);
        }
    }

    /// A member answered, or took its leave.
    pub(super) fn found(&self, topic: &str, group: &str) {
        if self.any.load(Ordering::Acquire) {
            let mut groups = self.groups();
            groups.remove(&(topic.to_owned(), group.to_owned()));
            self.any.store(!groups.is_empty(), Ordering::Release);
        }
    }

    /// Whether the group is expected to come back.
    pub(super) fn has(&self, topic: &str, group: &str) -> bool {
        self.of(topic).iter().any(|known| known == group)
    }

    /// The groups of a topic that are expected to come back.
    pub(super) fn of(&self, topic: &str) -> Vec<String> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let (mut groups, now) = (self.groups(), Instant::now());
        groups.retain(|_, until| *until > now);
        self.any.store(!groups.is_empty(), Ordering::Release);
        groups.keys().filter(|(of, _)| of == topic).map(|(_, group)| group.clone()).collect()
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<(String, String), Instant>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_group_is_expected_until_it_answers_or_a_minute_is_over() {
        let lost = Lost::default();
        lost.note("a", "one");
        lost.note("a", "two");
        lost.note("b", "one");
        assert!(lost.has("a", "one") && lost.has("b", "one") && !lost.has("b", "two"));
        lost.found("a", "one");
        assert_eq!(lost.of("a"), ["two"]);
        tokio::time::advance(EXPECTED).await;
        assert!(lost.of("a").is_empty() && !lost.has("b", "one"));
    }

    #[test]
    fn groups_that_are_remembered_are_bounded() {
        let lost = Lost::default();
        (0..2 * MOST).for_each(|group| lost.note("a", &group.to_string()));
        assert_eq!(lost.groups().len(), MOST);
    }
}
