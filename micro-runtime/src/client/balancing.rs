//! The options of a client that say which nodes it calls.

use std::time::Duration;

use super::ClientBuilder;
use crate::selector::{Filter, OutlierEjection, Split};

impl ClientBuilder {
    /// When nodes that answer with failures are taken out of use for a while; as [`OutlierEjection::new`] says unless
    /// set, and `None` for never. Nodes that cannot be reached are out of use at once, whatever is set.
    ///
    /// What is known of a node is shared by the clients that share a [`Discovery`](crate::registry::Discovery): a node that one of them has taken
    /// out of use is so for all.
    pub fn outlier_ejection(mut self, limits: impl Into<Option<OutlierEjection>>) -> Self {
        self.0.outliers = limits.into();
        self
    }

    /// How long it takes until a node that joins others has its full share of the calls; 10 s unless set, zero for at
    /// once. Until then it has a part of its share that grows evenly, from a tenth on, so that it can fill its caches
    /// and open its connections. Nodes that were there when the client came have their full share.
    ///
    /// It does not hold for [`hash`](crate::selector::Hash), whose keys belong to their node from the start.
    pub fn slow_start(mut self, time: Duration) -> Self {
        self.0.slow_start = time;
        self
    }

    /// Calls nodes like this: those of a version, or with a label. Several filters all hold.
    /// [`Call::filter`](super::Call::filter) is for one call.
    ///
    /// This and the following options are about nodes that a registry lists, and not about fixed
    /// [`address`](Self::address)es.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.0.narrowing.filters.push(filter);
        self
    }

    /// Where the client is; `MICRO_ZONE` unless set, or else nowhere. Nodes whose metadata has the same `zone` are
    /// preferred, as long as at least half of them are in use; the others are for when they are not.
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.0.narrowing.zone = Some(zone.into());
        self
    }

    /// Calls no more than so many nodes of each service; all unless set. It is for fleets so large that a connection
    /// from each client to each node is too much. Which nodes is drawn once for each client, each node gets about as
    /// many clients as any other, and a node that comes or goes changes one of them at the most. Where none of them is
    /// in use, or more than half are not, calls go to the others.
    pub fn subset(mut self, nodes: usize) -> Self {
        self.0.narrowing.subset = Some(nodes);
        self
    }

    /// Splits calls between versions: `[("1.*", 90), ("2.*", 10)]` is nine of ten to versions that begin with `1.`, and
    /// one to those that begin with `2.`. All go to the nodes in use unless set.
    ///
    /// Calls with the same [key](super::Call::affinity) go to the same version, as long as the shares stay. The share of a
    /// version that has no node in use goes to the others; versions that are not named get calls only where none of the
    /// named ones has a node in use.
    pub fn split<V: Into<String>>(mut self, shares: impl IntoIterator<Item = (V, u32)>) -> Self {
        self.0.narrowing.split = Split::new(shares);
        self
    }
}
