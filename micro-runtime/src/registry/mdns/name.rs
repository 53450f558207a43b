//! The names that a node has in mDNS.

use super::TYPE;
use crate::registry::Registration;

/// The label of a node: readable, and different for every service, id and address.
///
/// DNS names ignore case, a dot in a label is trouble, and a label has at most 63 bytes, so the
/// label is never parsed; the identity is in the TXT record. With the address in it, the goodbye of
/// a node does not take the successor with the same id along.
pub(super) fn label(registration: &Registration) -> String {
    let Registration { service, node, .. } = registration;
    let readable = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let start: String = service.chars().take(READABLE).map(readable).collect();
    let hash = fnv1a([service.as_str(), &node.id, &node.address]);
    format!("{start}-{hash:016x}")
}

/// How much of the name of the service is in the label.
const READABLE: usize = 40;

/// The full name of an instance with this label.
pub(super) fn full_name(label: &str) -> String {
    format!("{label}.{TYPE}")
}

/// The name of the host with this label. Every node has its own: with a shared one, the goodbye of
/// one node takes the address records of the others with it.
pub(super) fn host_name(label: &str) -> String {
    format!("{label}.local.")
}

/// FNV-1a with 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): short, and the same on
/// every machine and in every version of Rust.
fn fnv1a(parts: [&str; 3]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Node;

    #[test]
    fn labels_fit_and_differ_by_service_id_and_address() {
        let of = |service: &str, id: &str, address: &str| {
            label(&Registration::new(service, Node::new(id, address)))
        };
        let labels = [
            of("Go.Micro", "1", "a:1"),
            of("go.micro", "1", "a:1"),
            of("go.micro", "1", "a:2"),
            of("go.micro", "2", "a:1"),
            of(&"x".repeat(200), "1", "a:1"),
        ];
        for (index, label) in labels.iter().enumerate() {
            assert!(label.len() <= 63 && !label.contains('.'), "{label}");
            assert!(!labels[..index].contains(label), "{label}");
        }
        assert!(labels[0].starts_with("go-micro-"));
    }
}
