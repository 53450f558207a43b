//! Nodes that a new watch does not know of, and that are kept for a while.
//!
//! A registry that was restarted without its data answers that there is nothing, and means it. The nodes
//! are there all the same, and register again one by one. So what a node was removed for is told apart: a
//! [`Change::Remove`], or an answer that lacks it in the middle of a watch, is somebody who took it back, and
//! holds at once; the first answer of a watch that lacks it may be a registry that lost it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::{Change, Registration, Snapshot};

/// The nodes of one service that the registry does not know any more, and until when each of them is kept.
#[derive(Debug)]
pub(super) struct Doubt {
    grace: Duration,
    until: HashMap<String, Instant>,
    /// How long those are kept that were in doubt when the registry was last heard of, from when it is again.
    left: HashMap<String, Duration>,
}

impl Doubt {
    pub(super) fn new(grace: Duration) -> Self {
        Self { grace, until: HashMap::new(), left: HashMap::new() }
    }

    /// The changes to what is `known` that one change of the registry stands for. The `first` complete answer of a
    /// watch is not believed where it lacks nodes.
    pub(super) fn weigh(&mut self, change: Change, known: &Snapshot, first: bool) -> Vec<Change> {
        match change {
            Change::Put(registration) => {
                self.believe(&registration.node.id);
                let mut changes = self.replaced_by(&registration, known);
                changes.push(Change::Put(registration));
                changes
            }
            Change::Remove(id) => {
                self.believe(&id);
                vec![Change::Remove(id)]
            }
            Change::Snapshot(mut all) => {
                let now = Instant::now();
                let mut before = std::mem::take(&mut self.until);
                before.extend(self.left.drain().map(|(id, left)| (id, now + left)));
                let ids: HashSet<_> = all.iter().map(|there| there.node.id.clone()).collect();
                // Where another one is by now, it has the place.
                let addresses: HashSet<_> = all.iter().map(|there| there.node.address.clone()).collect();
                let kept: Vec<_> = known
                    .iter()
                    .map(|candidate| candidate.registration())
                    .filter(|known| !ids.contains(&known.node.id) && !addresses.contains(&known.node.address))
                    .filter_map(|missing| {
                        let id = &missing.node.id;
                        // Who was in doubt before has no more time than it had.
                        let until = before.remove(id).or_else(|| first.then(|| now + self.grace))?;
                        (now < until).then(|| (missing.clone(), until))
                    })
                    .collect();
                for (missing, until) in kept {
                    self.until.insert(missing.node.id.clone(), until);
                    all.push(missing);
                }
                vec![Change::Snapshot(all)]
            }
        }
    }

    /// When the time of a node is over next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.until.values().min().copied()
    }

    /// Those whose time is over: they did not come back.
    pub(super) fn over(&mut self) -> Vec<Change> {
        let now = Instant::now();
        let over: Vec<_> =
            self.until.iter().filter(|(_, until)| **until <= now).map(|(id, _)| id.clone()).collect();
        over.into_iter()
            .map(|id| {
                self.until.remove(&id);
                Change::Remove(id)
            })
            .collect()
    }

    /// The registry is not heard of any more: no time passes for those it did not know, until it is again.
    pub(super) fn suspend(&mut self) {
        let now = Instant::now();
        self.left.extend(self.until.drain().map(|(id, until)| (id, until.saturating_duration_since(now))));
    }

    /// The registry said something of this node: says whether it was in doubt.
    fn believe(&mut self, id: &str) -> bool {
        let was_left = self.left.remove(id).is_some();
        self.until.remove(id).is_some() || was_left
    }

    /// The nodes in doubt that came back under another id, as they do where that is chosen anew.
    fn replaced_by(&mut self, new: &Registration, known: &Snapshot) -> Vec<Change> {
        if self.until.is_empty() && self.left.is_empty() {
            return Vec::new();
        }
        let same =
            known.iter().map(|candidate| candidate.node()).filter(|node| node.address == new.node.address);
        let replaced = same.filter(|node| self.believe(&node.id));
        replaced.map(|node| Change::Remove(node.id.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio::time::advance;

    use super::super::Node;
    use super::*;
    use crate::selector::Candidate;

    const GRACE: Duration = Duration::from_secs(10);

    fn node(number: u8) -> Arc<Registration> {
        let node = Node::new(format!("a-{number}"), format!("127.0.0.1:{number}"));
        Arc::new(Registration::new("a", node))
    }

    /// What a view holds, as far as it matters here.
    struct View(Vec<Arc<Registration>>, Doubt);

    impl View {
        fn new() -> Self {
            Self(Vec::new(), Doubt::new(GRACE))
        }

        fn hears(&mut self, change: Change, first: bool) {
            let known = self.0.iter().map(|node| Arc::new(Candidate::new(node.clone()))).collect();
            for change in self.1.weigh(change, &known, first) {
                self.apply(change);
            }
        }

        fn apply(&mut self, change: Change) {
            match change {
                Change::Put(node) => {
                    self.0.retain(|there| there.node.id != node.node.id);
                    self.0.push(node);
                }
                Change::Remove(id) => self.0.retain(|there| there.node.id != id),
                Change::Snapshot(all) => self.0 = all,
            }
        }

        fn ticks(&mut self) {
            for change in self.1.over() {
                self.apply(change);
            }
        }

        fn ids(&self) -> BTreeSet<&str> {
            self.0.iter().map(|node| node.node.id.as_str()).collect()
        }
    }

    fn snapshot(numbers: &[u8]) -> Change {
        Change::Snapshot(numbers.iter().map(|number| node(*number)).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_lost_its_data_takes_nobody_away_before_the_time_is_over() {
        let mut view = View::new();
        view.hears(snapshot(&[1, 2, 3]), true);
        view.hears(snapshot(&[]), true);
        assert_eq!(view.ids(), BTreeSet::from(["a-1", "a-2", "a-3"]));
        advance(GRACE / 2).await;
        view.hears(Change::Put(node(2)), false);
        view.hears(Change::Remove("a-3".to_owned()), false);
        assert_eq!(view.ids(), BTreeSet::from(["a-1", "a-2"]));
        advance(GRACE / 2).await;
        view.ticks();
        assert_eq!(view.ids(), BTreeSet::from(["a-2"]));
        assert_eq!(view.1.next(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_missing_in_the_middle_of_a_watch_was_taken_back() {
        let mut view = View::new();
        view.hears(snapshot(&[1, 2]), true);
        view.hears(snapshot(&[1]), false);
        assert_eq!(view.ids(), BTreeSet::from(["a-1"]));
        view.hears(snapshot(&[]), false);
        assert!(view.ids().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_in_doubt_stays_so_in_the_answers_that_follow_and_no_longer_than_at_first() {
        let mut view = View::new();
        view.hears(snapshot(&[1, 2]), true);
        view.hears(snapshot(&[]), true);
        advance(GRACE / 2).await;
        view.hears(snapshot(&[2]), false);
        assert_eq!(view.ids(), BTreeSet::from(["a-1", "a-2"]));
        view.hears(snapshot(&[2]), true);
        advance(GRACE / 2).await;
        view.hears(snapshot(&[2]), false);
        assert_eq!(view.ids(), BTreeSet::from(["a-2"]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_registry_that_is_lost_again_and_again_gives_nobody_more_time() {
        let mut view = View::new();
        view.hears(snapshot(&[1, 2]), true);
        for _ in 0..4 {
            view.hears(snapshot(&[2]), true);
            assert_eq!(view.ids(), BTreeSet::from(["a-1", "a-2"]));
            advance(GRACE / 4).await;
            view.1.suspend();
            advance(GRACE * 3).await;
            view.ticks();
        }
        view.hears(snapshot(&[2]), true);
        assert_eq!(view.ids(), BTreeSet::from(["a-2"]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_comes_back_with_another_id_is_not_there_twice() {
        let mut view = View::new();
        view.hears(snapshot(&[1]), true);
        view.hears(snapshot(&[]), true);
        let mut again = (*node(1)).clone();
        again.node.id = "a-new".to_owned();
        view.hears(Change::Put(Arc::new(again.clone())), false);
        assert_eq!(view.ids(), BTreeSet::from(["a-new"]));
        view.hears(snapshot(&[1]), false);
        view.hears(Change::Snapshot(vec![Arc::new(again)]), true);
        assert_eq!(view.ids(), BTreeSet::from(["a-new"]));
    }

    #[derive(Clone, Debug)]
    enum Event {
        Put(u8),
        Remove(u8),
        Snapshot(BTreeSet<u8>, bool),
        Wait(u8),
        Lost,
    }

    fn event() -> impl Strategy<Value = Event> {
        let nodes = proptest::collection::btree_set(0..6_u8, 0..6);
        prop_oneof![
            (0..6_u8).prop_map(Event::Put),
            (0..6_u8).prop_map(Event::Remove),
            (nodes, any::<bool>()).prop_map(|(nodes, first)| Event::Snapshot(nodes, first)),
            (0..8_u8).prop_map(Event::Wait),
            Just(Event::Lost),
        ]
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_nobody_stays_for_ever(events in proptest::collection::vec(event(), 0..40)) {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_time().start_paused(true).build().unwrap().block_on(async {
                let mut view = View::new();
                // What the registry says there is.
                let mut there = BTreeSet::new();
                for event in events {
                    match event {
                        Event::Put(number) => {
                            there.insert(number);
                            view.hears(Change::Put(node(number)), false);
                        }
                        Event::Remove(number) => {
                            there.remove(&number);
                            view.hears(Change::Remove(format!("a-{number}")), false);
                            let id = format!("a-{number}");
                            prop_assert!(!view.ids().contains(id.as_str()));
                        }
                        Event::Snapshot(nodes, first) => {
                            let known: BTreeSet<_> = view.ids().into_iter().map(str::to_owned).collect();
                            let numbers: Vec<_> = nodes.iter().copied().collect();
                            view.hears(snapshot(&numbers), first);
                            there = nodes;
                            for id in &known {
                                let in_time = view.1.until.get(id).is_none_or(|until| *until > Instant::now());
                                prop_assert!(in_time);
                            }
                        }
                        Event::Wait(seconds) => {
                            advance(Duration::from_secs(u64::from(seconds))).await;
                            view.ticks();
                        }
                        Event::Lost => view.1.suspend(),
                    }
                    let ids = view.ids();
                    for number in &there {
                        let id = format!("a-{number}");
                        prop_assert!(ids.contains(id.as_str()), "{} is there", id);
                    }
                    prop_assert!(view.1.until.keys().all(|id| ids.contains(id.as_str())));
                }
                let numbers: Vec<_> = there.iter().copied().collect();
                view.hears(snapshot(&numbers), true);
                advance(GRACE).await;
                view.ticks();
                let said: BTreeSet<_> = there.iter().map(|number| format!("a-{number}")).collect();
                let ids: BTreeSet<_> = view.ids().into_iter().map(str::to_owned).collect();
                prop_assert_eq!(ids, said);
                Ok(())
            })?;
        }
    }
}
