//! The weight of a node: how much of the calls it takes, beside the others.

use crate::registry::Registration;

/// The weight of a node that does not say.
pub const DEFAULT_WEIGHT: u32 = 100;

/// The largest weight; what is more counts as that.
pub const LARGEST_WEIGHT: u32 = 10_000;

/// The name of a node's weight in its metadata.
pub const WEIGHT: &str = "weight";

/// What the metadata of a node says; the default where it says nothing that makes sense.
pub(super) fn of(registration: &Registration) -> u32 {
    let weight = registration.node.metadata.get(WEIGHT).and_then(|text| text.trim().parse::<u64>().ok());
    weight.map_or(DEFAULT_WEIGHT, |weight| u32::try_from(weight).unwrap_or(u32::MAX).min(LARGEST_WEIGHT))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::Node;

    fn weight(text: &str) -> u32 {
        let mut node = Node::new("a-1", "127.0.0.1:1");
        node.metadata.insert(WEIGHT.to_owned(), text.to_owned());
        of(&Registration::new("a", node))
    }

    #[test]
    fn a_weight_is_a_number_and_what_is_none_is_the_default() {
        assert_eq!((weight("250"), weight("0"), weight(" 7 ")), (250, 0, 7));
        for odd in ["", "heavy", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(weight(odd), DEFAULT_WEIGHT, "{odd}");
        }
        assert_eq!(weight("4294967296"), LARGEST_WEIGHT);
    }

    proptest! {
        #[test]
        fn whatever_a_node_says_its_weight_is_within_bounds(text in ".{0,30}") {
            prop_assert!(weight(&text) <= LARGEST_WEIGHT);
        }
    }
}
