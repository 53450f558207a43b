use serde::{Deserialize, Serialize};

use super::done::Done;
#[cfg(any(feature = "file", test))]
use crate::error::{Error, Result};
use crate::events::GroupStatus;

/// How far a group is, as a log keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::events) struct Progress {
    /// What tells the group from one of the same name that was deleted.
    pub(in crate::events) born: u64,
    /// All events before it are done.
    pub(in crate::events) position: u64,
    /// Runs of events after it that are done as well: the first one, and the one after the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::events) done: Vec<(u64, u64)>,
    /// How often events were delivered that are not done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::events) attempts: Vec<(u64, u32)>,
    /// How many events went before the group was at them.
    #[serde(default)]
    pub(in crate::events) missed: u64,
}

impl Progress {
    /// That of a group that begins at this offset.
    pub(in crate::events) fn beginning(born: u64, position: u64) -> Self {
        Self { born, position, ..Self::default() }
    }

    /// How many of the events from `first` up to, and without, `next` are not done.
    pub(in crate::events) fn lag(&self, first: u64, next: u64) -> u64 {
        let from = self.position.max(first);
        let overlap = |(start, end): &(u64, u64)| (*end).min(next).saturating_sub((*start).max(from));
        let done = self.done.iter().map(overlap).fold(0, u64::saturating_add);
        next.saturating_sub(from).saturating_sub(done)
    }

    /// What is told of the group, for a topic with these events.
    pub(in crate::events) fn status(&self, name: &str, first: u64, next: u64) -> GroupStatus {
        GroupStatus {
            name: name.to_owned(),
            position: self.position,
            lag: self.lag(first, next),
            in_hand: 0,
            missed: self.missed,
        }
    }

    /// As it is written.
    #[cfg(any(feature = "file", test))]
    pub(in crate::events) fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::internal("the position of a group").with_source(error))
    }

    /// Reads what was written.
    #[cfg(any(feature = "file", test))]
    pub(in crate::events) fn decode(bytes: &[u8]) -> Result<Self> {
        let wrong = |error| Error::data_loss("the position of the group cannot be read").with_source(error);
        serde_json::from_slice(bytes).map_err(wrong)
    }

    pub(super) fn to_done(&self) -> Done {
        let mut done = Done::before(self.position);
        for (from, to) in &self.done {
            done.add(*from, *to);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lag_is_what_is_there_and_not_done() {
        let progress = Progress { done: vec![(6, 8), (9, 10)], ..Progress::beginning(0, 5) };
        assert_eq!(progress.lag(1, 12), 4);
        assert_eq!(progress.lag(7, 12), 3, "what has gone does not count");
        assert_eq!(progress.lag(1, 5), 0);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_and_other_bytes_are_an_error(
            position in any::<u64>(),
            attempts in prop::collection::vec(any::<(u64, u32)>(), 0..8),
            other in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let progress = Progress { attempts, ..Progress::beginning(7, position) };
            prop_assert_eq!(&Progress::decode(&progress.encode().unwrap()).unwrap(), &progress);
            if let Err(error) = Progress::decode(&other) {
                prop_assert_eq!(error.code(), crate::Code::DataLoss);
            }
        }

        #[test]
        fn runs_from_anywhere_never_panic(position in any::<u64>(), done in prop::collection::vec(any::<(u64, u64)>(), 0..8), first in any::<u64>(), next in any::<u64>()) {
            let progress = Progress { done, ..Progress::beginning(0, position) };
            progress.lag(first, next);
            progress.to_done().after_position();
        }
    }
}
