use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, sleep_until};

use super::registrar::pause;
use crate::registry::{Change, Registration, Registry, Watch};

/// How a node sees whether the registry still has it: it follows its own name.
///
/// It has a watch of its own, and not the view of the clients: those keep a node for a while that the registry does
/// not know any more, and this is about just that. What is known is kept here, so that the future which waits may be
/// dropped and made again.
pub(super) struct Eyes {
    registry: Arc<dyn Registry>,
    service: String,
    id: String,
    watch: Option<Watch>,
    /// Whether the registry showed the node since it was last looked for.
    seen: bool,
    failures: u32,
    again: Option<Instant>,
}

impl Eyes {
    pub(super) fn new(registry: Arc<dyn Registry>, registration: &Registration) -> Self {
        Self {
            registry,
            service: registration.service.clone(),
            id: registration.node.id.clone(),
            watch: None,
            seen: false,
            failures: 0,
            again: None,
        }
    }

    /// Waits until the registry, which had the node, has it no more: it was emptied, or restarted, or let a lease run
    /// out that was renewed. Where no registration of this node was ever seen, that is never.
    ///
    /// Wherever a node of this id is by now, it is not for this one to take its place.
    pub(super) async fn lost(&mut self) {
        loop {
            // A driver that panics is one whose watch has ended.
            match AssertUnwindSafe(self.next()).catch_unwind().await {
                Ok(Some(lost)) => {
                    self.failures = 0;
                    if lost {
                        return;
                    }
                }
                Ok(None) | Err(_) => {
                    self.watch = None;
                    self.again = Some(Instant::now() + pause(self.failures));
                    self.failures = self.failures.saturating_add(1);
                }
            }
        }
    }

    /// Looks at the next change, and says whether the node is lost with it; `None` where the watch is over.
    async fn next(&mut self) -> Option<bool> {
        if let Some(again) = self.again {
            sleep_until(again).await;
            self.again = None;
        }
        if self.watch.is_none() {
            self.watch = Some(self.registry.watch(&self.service).await.ok()?);
        }
        let there = match self.watch.as_mut()?.next().await?.ok()? {
            Change::Put(registration) if registration.node.id == self.id => true,
            Change::Remove(id) if id == self.id => false,
            Change::Snapshot(all) => all.iter().any(|known| known.node.id == self.id),
            _ => return Some(false),
        };
        Some(std::mem::replace(&mut self.seen, there) && !there)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;
    use crate::registry::{Memory, Node};

    fn node(id: &str) -> Arc<Registration> {
        Arc::new(Registration::new("a", Node::new(id, "127.0.0.1:1")))
    }

    proptest! {
        #[test]
        fn a_node_is_lost_where_it_was_there_and_is_not_any_more(changes in proptest::collection::vec(0..6_u8, 0..50)) {
            let mut eyes = Eyes::new(Arc::new(Memory::new()), &node("mine"));
            let change = |number: &u8| {
                Ok(match number {
                    0 => Change::Put(node("mine")),
                    1 => Change::Put(node("other")),
                    2 => Change::Remove("mine".to_owned()),
                    3 => Change::Remove("other".to_owned()),
                    4 => Change::Snapshot(vec![node("other"), node("mine")]),
                    _ => Change::Snapshot(vec![node("other")]),
                })
            };
            eyes.watch = Some(stream::iter(changes.iter().map(change).collect::<Vec<_>>()).boxed());
            let (mut there, mut losses) = (false, 0);
            for number in &changes {
                let before = there;
                match number {
                    0 | 4 => there = true,
                    2 | 5 => there = false,
                    _ => {}
                }
                losses += u32::from(before && !there);
            }
            let mut seen = 0;
            while let Some(lost) = eyes.next().now_or_never().flatten() {
                seen += u32::from(lost);
            }
            prop_assert_eq!(seen, losses);
        }
    }
}
