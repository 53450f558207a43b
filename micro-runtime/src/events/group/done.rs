use std::collections::BTreeMap;

/// Which events of a topic are done: all before the position, and runs of them after it.
///
/// There are as many runs as there are gaps between them, and a gap is an event that was given out and is not done;
/// so their number is bounded by how many events may be given out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    position: u64,
    /// Runs after the position by their first offset, with the one after their last. They never touch.
    runs: BTreeMap<u64, u64>,
}

impl Done {
    /// All before this offset.
    pub(super) fn before(position: u64) -> Self {
        Self { position, runs: BTreeMap::new() }
    }

    /// The first one that is not done.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The runs after the position.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u64, u64)> {
        self.runs.iter().map(|(from, to)| (*from, *to))
    }

    /// How many are done after the position.
    #[cfg(test)]
    pub(super) fn after_position(&self) -> u64 {
        self.runs().map(|(from, to)| to - from).sum()
    }

    pub(super) fn contains(&self, offset: u64) -> bool {
        offset < self.position || self.run_with(offset).is_some()
    }

    /// Adds those from the first up to, and without, the second.
    pub(super) fn add(&mut self, from: u64, to: u64) {
        let (mut from, mut to) = (from.max(self.position), to);
        if from >= to {
            return;
        }
        if let Some((first, _)) = self.run_with(from.saturating_sub(1)) {
            from = first;
        }
        // Whatever begins in it or where it ends becomes a part of it.
        while let Some((first, end)) = self.runs.range(from..=to).next().map(|(first, end)| (*first, *end)) {
            self.runs.remove(&first);
            to = to.max(end);
        }
        if from <= self.position {
            self.position = to;
        } else {
            self.runs.insert(from, to);
        }
    }

    fn run_with(&self, offset: u64) -> Option<(u64, u64)> {
        let (first, end) = self.runs.range(..=offset).next_back()?;
        (offset < *end).then_some((*first, *end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_position_is_where_the_first_gap_is() {
        let mut done = Done::before(1);
        done.add(2, 3);
        done.add(4, 6);
        assert_eq!((done.position(), done.after_position()), (1, 3));
        done.add(1, 2);
        assert_eq!((done.position(), done.after_position()), (3, 2));
        done.add(3, 4);
        assert_eq!((done.position(), done.runs().count()), (6, 0));
    }

    proptest! {
        #[test]
        fn it_knows_what_a_set_of_offsets_knows(position in 0u64..8, adds in prop::collection::vec((0u64..64, 0u64..6), 0..64)) {
            let mut done = Done::before(position);
            let mut set: BTreeSet<u64> = (0..position).collect();
            for (from, count) in adds {
                done.add(from, from + count);
                set.extend(from..from + count);
                for offset in 0..80 {
                    prop_assert_eq!(done.contains(offset), set.contains(&offset), "{}", offset);
                }
                prop_assert!(!set.contains(&done.position()));
                let first_gap = (0..).find(|offset| !set.contains(offset));
                prop_assert_eq!(Some(done.position()), first_gap);
                let runs: Vec<_> = done.runs().collect();
                prop_assert!(runs.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", runs);
            }
        }
    }
}
