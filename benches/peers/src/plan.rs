//! Which workloads are run.

use load::{Kind, Workload};

/// All workloads, or those of the quick mode, which are the ones that the bars are about.
pub(crate) fn workloads(quick: bool) -> Vec<Workload> {
    if quick {
        return vec![
            Workload::new(Kind::Unary, 0, 1),
            Workload::new(Kind::Unary, 0, 64),
            Workload::new(Kind::Unary, 0, 64).on(4),
            Workload::new(Kind::Unary, 0, 256),
            Workload::new(Kind::Unary, 1 << 10, 64),
            Workload::new(Kind::Unary, 64 << 10, 64),
            Workload::new(Kind::ServerStream, 1 << 10, 8),
            Workload::new(Kind::Bidi, 1 << 10, 8),
        ];
    }
    let mut workloads = Vec::new();
    for connections in [1, 4] {
        for size in [0, 1 << 10, 64 << 10] {
            for in_flight in [1, 64, 256] {
                // One call is on one connection, however many there are.
                if connections <= in_flight {
                    workloads.push(Workload::new(Kind::Unary, size, in_flight).on(connections));
                }
            }
        }
    }
    for kind in [Kind::ServerStream, Kind::Bidi] {
        workloads.extend([1, 8].map(|in_flight| Workload::new(kind, 1 << 10, in_flight)));
    }
    workloads.extend(held());
    workloads
}

/// What connections and streams take on which nothing happens.
pub(crate) fn held() -> [Workload; 2] {
    [Kind::IdleConnections, Kind::OpenStreams].map(|kind| Workload::new(kind, 0, 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_workloads_are_among_all() {
        let all = workloads(false);
        assert!(workloads(true).iter().all(|workload| all.contains(workload)));
    }
}
