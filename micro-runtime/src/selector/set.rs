use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::{Candidate, Choice};

/// The nodes that a selector chooses among, and what it prepared for them. It never changes: when the nodes of a
/// service do, there is a new set that comes after this one.
///
/// It is a slice of candidates, sorted by the ids of the nodes where they come from a registry.
#[derive(Default)]
pub struct CandidateSet {
    candidates: Box<[Arc<Candidate>]>,
    /// Whether all have the same weight.
    even: bool,
    /// Whether one was seen that is not in use, and it is to be counted how many.
    in_trouble: AtomicBool,
    prepared: Prepared,
    /// What was prepared for the set before this one.
    inherited: Vec<Value>,
}

type Value = Arc<dyn Any + Send + Sync>;

impl CandidateSet {
    /// A set of its own.
    pub fn new(candidates: impl Into<Box<[Arc<Candidate>]>>) -> Self {
        let candidates = candidates.into();
        let even = candidates.windows(2).all(|pair| pair[0].weight() == pair[1].weight());
        Self { candidates, even, ..Self::default() }
    }

    /// The set that comes after `before`: the nodes of the same service, later. Selectors go on where they were.
    pub fn after(candidates: impl Into<Box<[Arc<Candidate>]>>, before: &Self) -> Self {
        Self { inherited: before.prepared.all(), ..Self::new(candidates) }
    }

    /// A choice among all of them that are in use.
    pub fn choice(&self) -> Choice<'_> {
        Choice::among(self)
    }

    /// Whether all nodes have the same weight.
    pub fn is_even(&self) -> bool {
        self.even
    }

    pub(super) fn prepared<T: Any + Send + Sync>(&self, make: impl FnOnce(&Self, Option<&T>) -> T) -> &T {
        let before = || self.inherited.iter().find_map(|value| value.downcast_ref());
        self.prepared.get(|| make(self, before()))
    }

    /// One was seen that is not in use.
    pub(super) fn worry(&self) {
        if !self.in_trouble.load(Ordering::Relaxed) {
            self.in_trouble.store(true, Ordering::Relaxed);
        }
    }

    /// Whether more than half of the nodes are out of use. It looks at all only while one is.
    pub(super) fn is_half_out(&self, is_in_use: impl Fn(&Candidate) -> bool) -> bool {
        if !self.in_trouble.load(Ordering::Relaxed) {
            return false;
        }
        let out = self.candidates.iter().filter(|candidate| !is_in_use(candidate)).count();
        if out == 0 {
            self.in_trouble.store(false, Ordering::Relaxed);
        }
        out * 2 > self.candidates.len()
    }
}

impl Deref for CandidateSet {
    type Target = [Arc<Candidate>];

    fn deref(&self) -> &Self::Target {
        &self.candidates
    }
}

impl FromIterator<Arc<Candidate>> for CandidateSet {
    fn from_iter<I: IntoIterator<Item = Arc<Candidate>>>(candidates: I) -> Self {
        Self::new(candidates.into_iter().collect::<Box<[_]>>())
    }
}

impl fmt::Debug for CandidateSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CandidateSet").field(&self.candidates).finish()
    }
}

/// One value of each type, made when it is first asked for: a list that only grows, so that what is in it can be
/// lent out without a lock. It has one value where there is one selector, which is the rule.
#[derive(Default)]
struct Prepared(OnceLock<Box<Link>>);

struct Link {
    value: Value,
    next: Prepared,
}

impl Prepared {
    fn get<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> &T {
        let (mut at, mut make) = (self, Some(make));
        loop {
            let link = at.0.get_or_init(|| {
                let value: Value = match make.take() {
                    Some(make) => Arc::new(make()),
                    // Taken here only, and then the value is of the type.
                    None => Arc::new(()),
                };
                Box::new(Link { value, next: Self::default() })
            });
            if let Some(value) = link.value.downcast_ref() {
                return value;
            }
            at = &link.next;
        }
    }

    fn all(&self) -> Vec<Value> {
        std::iter::successors(self.0.get(), |link| link.next.0.get()).map(|link| link.value.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::candidates;
    use super::*;

    #[test]
    fn what_is_prepared_is_made_once_for_each_type_and_handed_on_to_the_next_set() {
        let set = CandidateSet::new(candidates(2));
        assert_eq!(*set.prepared(|set, before: Option<&usize>| set.len() + before.unwrap_or(&0)), 2);
        assert_eq!(*set.prepared(|_, _| String::from("other")), "other");
        assert_eq!(*set.prepared(|_, _: Option<&usize>| 7), 2);
        let next = CandidateSet::after(candidates(3), &set);
        assert_eq!(*next.prepared(|set, before: Option<&usize>| set.len() + before.unwrap_or(&0)), 5);
        assert_eq!(*next.prepared(|_, before: Option<&String>| before.cloned().unwrap()), "other");
    }

    #[test]
    fn a_set_is_counted_only_while_one_of_it_is_out_of_use() {
        let set = CandidateSet::new(candidates(3));
        assert!(!set.is_half_out(|_| unreachable!("nobody saw one")));
        set.worry();
        assert!(set.is_half_out(|_| false));
        assert!(!set.is_half_out(|candidate| candidate.node().id != "a-0"));
        assert!(!set.is_half_out(|_| true));
        assert!(!set.is_half_out(|_| unreachable!("all are in use")));
    }
}
