//! Who is there, where nobody says when they are gone: nodes are asked for again and again, and one that
//! does not answer several times in a row is gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{EndpointRecord, Registration};

/// So many calls in a row are not answered by a node that is gone.
///
/// One may be lost, and two when a node is busy for a moment.
pub(super) const MISSES: u32 = 3;

/// The pause between two calls, give or take [`JITTER`]. A node that died without a word is so gone after 16 to 36 seconds, or sooner
/// where somebody suspects it.
const PAUSE: Duration = Duration::from_secs(10);

/// The share of a pause that is left to chance, so that those who began together do not go on together.
const JITTER: f64 = 0.2;

/// The pauses between the calls after a suspicion.
pub(super) const HURRY: Duration = Duration::from_millis(300);

/// How long the leave of a node outweighs answers that were on their way.
const MOURNING: Duration = Duration::from_secs(5);

/// The most nodes of one service that are remembered, against peers that make them up.
const MOST: usize = 4096;

/// The most that the endpoints of these nodes may take in memory, about. They are for people, so the nodes after that are known
/// without theirs.
const LARGEST: usize = 32 << 20;

/// The pause before the next call.
pub(super) fn pause() -> Duration {
    PAUSE.mul_f64(1.0 + JITTER * (2.0 * fastrand::f64() - 1.0))
}

/// The nodes of one service that answered, or spoke up.
#[derive(Debug, Default)]
pub(super) struct RollCall {
    heard: HashMap<String, Heard>,
    /// The ids and addresses of those that took leave, and when.
    gone: HashMap<(String, String), Instant>,
    /// The number of the last call.
    call: u64,
    /// What the endpoints of all of them take in memory, about.
    size: usize,
}

#[derive(Debug)]
struct Heard {
    registration: Arc<Registration>,
    size: usize,
    misses: u32,
    /// The last call before it was heard.
    call: u64,
}

impl RollCall {
    /// The node with this id, where it was heard of.
    pub(super) fn node(&self, id: &str) -> Option<&Arc<Registration>> {
        self.heard.get(id).map(|heard| &heard.registration)
    }

    /// All of them.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Arc<Registration>> {
        self.heard.values().map(|heard| &heard.registration)
    }

    /// A node said that it is there, and says whether it is remembered.
    pub(super) fn spoke_up(&mut self, registration: Registration) -> bool {
        self.gone.remove(&key(&registration));
        self.hear(registration)
    }

    /// A node answered, and says whether it is remembered. An answer that crossed the leave of the node does not count.
    pub(super) fn answered(&mut self, registration: Registration) -> bool {
        self.gone.get(&key(&registration)).is_none_or(|since| since.elapsed() >= MOURNING)
            && self.hear(registration)
    }

    /// A node said that it goes; says whether it was there. Where the address is known, that of another node with the
    /// same id is not its.
    pub(super) fn left(&mut self, id: &str, address: &str) -> bool {
        // Those whose time is over are forgotten with every call.
        if self.gone.len() < MOST {
            self.gone.insert((id.to_owned(), address.to_owned()), Instant::now());
        }
        let is_it = |heard: &Heard| address.is_empty() || heard.registration.node.address == address;
        if !self.heard.get(id).is_some_and(is_it) {
            return false;
        }
        let left = self.heard.remove(id);
        self.size -= left.map_or(0, |heard| heard.size);
        true
    }

    /// Begins a call, and gives its number.
    pub(super) fn begin(&mut self) -> u64 {
        self.gone.retain(|_, since| since.elapsed() < MOURNING);
        self.call += 1;
        self.call
    }

    /// The time for the answers to this call is over. Gives the ids of the nodes that are gone.
    pub(super) fn end(&mut self, call: u64) -> Vec<String> {
        let mut gone = Vec::new();
        self.heard.retain(|id, heard| {
            if heard.call < call {
                heard.misses += 1;
            }
            let stays = heard.misses < MISSES;
            if !stays {
                self.size -= heard.size;
                gone.push(id.clone());
            }
            stays
        });
        gone
    }

    fn hear(&mut self, mut registration: Registration) -> bool {
        if registration.node.id.is_empty() || registration.node.address.is_empty() {
            return false;
        }
        let known = self.heard.get(&registration.node.id);
        if known.is_none() && self.heard.len() >= MOST {
            return false;
        }
        let others = self.size - known.map_or(0, |known| known.size);
        let mut size = registration.endpoints.iter().map(EndpointRecord::size).sum();
        if others + size > LARGEST {
            registration.endpoints = Vec::new();
            size = 0;
        }
        self.size = others + size;
        let call = self.call;
        match self.heard.get_mut(&registration.node.id) {
            Some(known) => {
                (known.misses, known.call, known.size) = (0, call, size);
                if *known.registration != registration {
                    known.registration = Arc::new(registration);
                }
            }
            None => {
                let id = registration.node.id.clone();
                let heard = Heard { registration: Arc::new(registration), size, misses: 0, call };
                self.heard.insert(id, heard);
            }
        }
        true
    }
}

fn key(registration: &Registration) -> (String, String) {
    (registration.node.id.clone(), registration.node.address.clone())
}

#[cfg(test)]
mod tests {
    use super::super::Node;
    use super::*;

    fn node(id: &str, address: &str) -> Registration {
        Registration::new("a", Node::new(id, address))
    }

    fn ids(roll: &RollCall) -> Vec<&str> {
        let mut ids: Vec<_> = roll.nodes().map(|node| node.node.id.as_str()).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn a_node_that_misses_three_calls_in_a_row_is_gone_and_one_that_answers_in_between_is_not() {
        let mut roll = RollCall::default();
        assert!(roll.spoke_up(node("1", "x:1")) && roll.spoke_up(node("2", "x:2")));
        for round in 1..=MISSES {
            let call = roll.begin();
            assert!(roll.answered(node("2", "x:2")));
            let gone = roll.end(call);
            assert_eq!(gone.is_empty(), round < MISSES);
        }
        assert_eq!(ids(&roll), ["2"]);
        for _ in 0..MISSES * 2 {
            let call = roll.begin();
            assert!(roll.end(call).is_empty());
            roll.spoke_up(node("2", "x:2"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_crossed_a_leave_does_not_bring_the_node_back() {
        let mut roll = RollCall::default();
        roll.spoke_up(node("1", "x:1"));
        assert!(!roll.left("1", "x:9"), "that is another one");
        assert!(roll.left("1", "x:1") && !roll.left("1", "x:1"));
        assert!(!roll.answered(node("1", "x:1")));
        assert!(roll.answered(node("1", "x:2")), "its successor");
        roll.left("1", "x:2");
        tokio::time::advance(MOURNING).await;
        assert!(roll.answered(node("1", "x:1")));
        roll.left("1", "");
        assert!(roll.spoke_up(node("1", "x:1")), "it came back");
        assert_eq!(roll.nodes().map(|node| node.node.address.as_str()).collect::<Vec<_>>(), ["x:1"]);
    }

    #[test]
    fn endpoints_that_are_made_up_have_a_limit_too() {
        let mut roll = RollCall::default();
        let large = |number: usize| {
            let mut node = node(&number.to_string(), "x:1");
            node.endpoints = vec![EndpointRecord::default(); 1000];
            node
        };
        for number in (0..MOST).chain(0..MOST) {
            assert!(roll.answered(large(number)));
        }
        let held = |roll: &RollCall| roll.nodes().map(|node| node.endpoints.len()).sum::<usize>();
        assert!((100_000..1_000_000).contains(&held(&roll)), "{}", held(&roll));
        for number in 0..MOST / 2 {
            assert!(roll.left(&number.to_string(), ""));
        }
        for _ in 0..MISSES {
            let call = roll.begin();
            roll.end(call);
        }
        assert_eq!((roll.size, held(&roll)), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn nodes_that_are_made_up_have_no_end_but_a_limit() {
        let mut roll = RollCall::default();
        for number in 0..MOST + 10 {
            roll.answered(node(&number.to_string(), "x:1"));
            roll.left(&format!("g{number}"), "x:1");
        }
        assert_eq!(roll.nodes().count(), MOST);
        assert_eq!(roll.gone.len(), MOST);
        assert!(!roll.answered(node("", "x:1")) && !roll.answered(node("0", "")));
    }
}
