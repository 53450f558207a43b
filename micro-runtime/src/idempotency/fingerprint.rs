//! Whether two requests are the same.

use serde_json::Value;

use crate::error::Result;
use crate::message::AnyMessage;

/// The constants of FNV-1a with 128 bits (draft-eastlake-fnv). It is the same on every node and needs no secret: it
/// tells mistakes apart, and guards nothing.
const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// A number for what is in a message, whatever the order of the entries in its maps.
pub(super) fn of(message: &AnyMessage) -> Result<String> {
    let mut hash = Hash(BASIS);
    hash.value(&message.to_json()?);
    Ok(format!("{:032x}", hash.0))
}

struct Hash(u128);

impl Hash {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(PRIME);
        }
    }

    /// A text, and where it ends.
    fn text(&mut self, kind: u8, text: &str) {
        self.bytes(&[kind]);
        self.bytes(&(text.len() as u64).to_le_bytes());
        self.bytes(text.as_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.text(b's', text),
            Value::Array(values) => {
                self.text(b'a', &values.len().to_string());
                values.iter().for_each(|value| self.value(value));
            }
            Value::Object(entries) => {
                self.text(b'o', &entries.len().to_string());
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_unstable_by_key(|(name, _)| *name);
                for (name, value) in entries {
                    self.text(b'n', name);
                    self.value(value);
                }
            }
            other => self.text(b'v', &other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_same_message_has_the_same_number_and_another_one_has_another(
            one in btree_map(".{0,4}", vec(".{0,4}", 0..3), 0..4),
            other in btree_map(".{0,4}", vec(".{0,4}", 0..3), 0..4),
        ) {
            let number = |map: &BTreeMap<_, _>| of(&AnyMessage::new(map.clone())).unwrap();
            // In the order of chance.
            let mixed: HashMap<_, _> = one.clone().into_iter().collect();
            prop_assert_eq!(number(&one), of(&AnyMessage::new(mixed)).unwrap());
            prop_assert_eq!(number(&one) == number(&other), one == other);
        }
    }
}
