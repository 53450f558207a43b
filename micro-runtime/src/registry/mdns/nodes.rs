use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::txt::Announcement;
use crate::registry::Registration;
use crate::registry::table::Table;

/// How long the leave of a node outweighs records of it that are older and show up later.
const MOURNING: Duration = Duration::from_secs(5);

/// All nodes that are known on the network, this process's own among them.
///
/// Own nodes are known at once and do not depend on hearing oneself. A node that is announced
/// twice, by a process that died and by its successor with the same id, is the later one.
#[derive(Debug)]
pub(super) struct Nodes {
    instances: Mutex<HashMap<String, Instance>>,
    table: Table,
    /// Whether there is an interface to browse on, once that is known.
    hearing: watch::Sender<Option<bool>>,
}

#[derive(Debug)]
struct Instance {
    /// The last thing that is known; a node that took leave stays for a while (`gone`).
    registration: Arc<Registration>,
    revision: u64,
    gone: Option<Instant>,
    own: bool,
    /// In which round of browsing it was seen.
    round: u64,
}

impl Nodes {
    pub(super) fn new() -> Self {
        Self { instances: Mutex::default(), table: Table::new(false), hearing: watch::Sender::new(None) }
    }

    /// Browsing has begun, on any interface or on none.
    pub(super) fn began(&self, hearing: bool) {
        self.hearing.send_replace(Some(hearing));
    }

    /// Waits until browsing has begun, and says whether on any interface.
    pub(super) async fn is_hearing(&self) -> bool {
        // It can only fail when the sender is gone, and `self` holds it.
        let hearing = self.hearing.subscribe().wait_for(Option::is_some).await.map(|hearing| *hearing);
        hearing.ok().flatten().unwrap_or_default()
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// This process announced a node.
    pub(super) fn announced(&self, full_name: &str, registration: &Arc<Registration>, revision: u64) {
        let mut instances = self.lock();
        let instance =
            Instance { registration: registration.clone(), revision, gone: None, own: true, round: 0 };
        instances.insert(full_name.to_owned(), instance);
        self.publish(&instances, registration);
    }

    /// This process took a node back.
    pub(super) fn withdrawn(&self, full_name: &str, revision: u64) {
        let mut instances = self.lock();
        let Some(instance) = instances.get_mut(full_name) else { return };
        (instance.own, instance.revision, instance.gone) = (false, revision, Some(Instant::now()));
        let registration = instance.registration.clone();
        self.publish(&instances, &registration);
        forget_the_gone(&mut instances);
    }

    /// The network has the records of a node.
    pub(super) fn resolved(&self, full_name: &str, announcement: Announcement, round: u64) {
        let Announcement { registration, revision, gone } = announcement;
        let mut instances = self.lock();
        if let Some(known) = instances.get_mut(full_name) {
            known.round = round;
            let stale = known.gone.is_some_and(|at| at.elapsed() < MOURNING && revision <= known.revision);
            if known.own || stale {
                return;
            }
        }
        let registration = Arc::new(registration);
        let instance = Instance {
            registration: registration.clone(),
            revision,
            gone: gone.then(Instant::now),
            own: false,
            round,
        };
        let before = instances.insert(full_name.to_owned(), instance);
        self.publish(&instances, &registration);
        // Not seen from well-behaved peers: one name for two identities, of which the earlier goes.
        if let Some(before) = before.filter(|before| !is_same(&before.registration, &registration)) {
            self.publish(&instances, &before.registration);
        }
    }

    /// The records of a node ran out, or were taken back.
    pub(super) fn removed(&self, full_name: &str) {
        let mut instances = self.lock();
        if instances.get(full_name).is_some_and(|instance| !instance.own && instance.gone.is_none())
            && let Some(instance) = instances.remove(full_name)
        {
            self.publish(&instances, &instance.registration);
        }
        forget_the_gone(&mut instances);
    }

    /// A round of browsing has had its time: what it did not see is not there.
    pub(super) fn settled(&self, round: u64) {
        let mut instances = self.lock();
        let missing: Vec<_> = instances
            .extract_if(|_, instance| !instance.own && instance.gone.is_none() && instance.round < round)
            .collect();
        for (_, instance) in missing {
            self.publish(&instances, &instance.registration);
        }
        self.table.set_complete();
    }

    /// Brings the table up to date for one node.
    fn publish(&self, instances: &HashMap<String, Instance>, node: &Registration) {
        let same = || instances.values().filter(|known| is_same(&known.registration, node));
        // What took leave in our own dialect is gone in go-micro's as well, and says so there a moment later.
        let took_leave = |of: &Instance| {
            let address = &of.registration.node.address;
            same().any(|known| known.gone.is_some() && known.registration.node.address == *address)
        };
        let same = same().filter(|known| known.gone.is_none() && (known.revision > 0 || !took_leave(known)));
        match same.max_by_key(|known| known.revision) {
            Some(latest) => self.table.put(latest.registration.clone(), None),
            None => {
                self.table.remove(&node.service, &node.node.id, |_| true);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instance>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_same(one: &Registration, other: &Registration) -> bool {
    one.service == other.service && one.node.id == other.node.id
}

fn forget_the_gone(instances: &mut HashMap<String, Instance>) {
    instances.retain(|_, instance| instance.gone.is_none_or(|at| at.elapsed() < MOURNING));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Node;

    fn announcement(address: &str, revision: u64, gone: bool) -> Announcement {
        Announcement { registration: Registration::new("a", Node::new("a-1", address)), revision, gone }
    }

    fn addresses(nodes: &Nodes) -> Vec<String> {
        let records = nodes.table().services();
        records.into_iter().flat_map(|record| record.nodes).map(|node| node.address).collect()
    }

    #[test]
    fn the_successor_of_a_dead_node_with_the_same_id_is_the_node() {
        let nodes = Nodes::new();
        nodes.resolved("new", announcement("x:2", 2, false), 1);
        nodes.resolved("old", announcement("x:1", 1, false), 1);
        assert_eq!(addresses(&nodes), ["x:2"]);
        nodes.removed("old");
        assert_eq!(addresses(&nodes), ["x:2"]);
        nodes.removed("new");
        assert!(addresses(&nodes).is_empty());
    }

    #[test]
    fn an_old_record_does_not_bring_a_node_back_that_took_leave() {
        let nodes = Nodes::new();
        nodes.resolved("one", announcement("x:1", 1, false), 1);
        nodes.resolved("one", announcement("x:1", 2, true), 1);
        assert!(addresses(&nodes).is_empty());
        nodes.resolved("one", announcement("x:1", 1, false), 1);
        assert!(addresses(&nodes).is_empty());
        nodes.removed("one");
        nodes.resolved("one", announcement("x:1", 3, false), 1);
        assert_eq!(addresses(&nodes), ["x:1"]);
    }

    #[test]
    fn a_round_that_settled_without_a_node_removes_it_unless_it_is_our_own() {
        let nodes = Nodes::new();
        nodes.resolved("other", announcement("x:1", 1, false), 1);
        let own = Arc::new(Registration::new("b", Node::new("b-1", "x:3")));
        nodes.announced("own", &own, 1);
        nodes.settled(1);
        assert_eq!(addresses(&nodes), ["x:1", "x:3"]);
        nodes.settled(2);
        assert_eq!(addresses(&nodes), ["x:3"]);
    }
}
