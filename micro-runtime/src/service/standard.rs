use tokio_util::sync::CancellationToken;

use crate::endpoint::Routes;
use crate::health::Health;

/// The side of a service that the services which every server has look at.
pub(super) struct Standard {
    /// Ends their streams, which nobody else would.
    stopping: CancellationToken,
}

impl Standard {
    /// Adds health, and reflection where it is wanted, to what the user serves.
    pub(super) fn new(health: &Health, reflection: bool, routes: &mut Routes) -> Self {
        let stopping = CancellationToken::new();
        health.know(routes.services().iter().map(|service| service.name));
        #[cfg(feature = "protobuf")]
        {
            let mut binder = crate::endpoint::Binder::default();
            crate::health::bind(health, &stopping, &mut binder);
            if reflection {
                crate::reflection::bind(routes.services(), &stopping, &mut binder);
            }
            routes.add_standard(binder);
        }
        #[cfg(not(feature = "protobuf"))]
        let _ = reflection;
        Self { stopping }
    }

    /// The service takes no new calls, and waits for those in flight.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
    }
}
