use std::sync::Arc;

use tokio::sync::Semaphore;

use super::http2::Link;
use super::idle::Idle;

/// What a client has of one address.
pub(super) struct Host {
    pub(super) link: Option<Link>,
    pub(super) idle: Idle,
    /// Whether its server chose HTTP/1.1 when it was last offered both.
    pub(super) chose_http1: bool,
    /// The permit for the one attempt to connect that may go on for nobody.
    pub(super) lonely: Arc<Semaphore>,
}

impl Host {
    /// Whether nothing is left that is of use.
    pub(super) fn is_gone(&mut self) -> bool {
        self.idle.prune();
        self.idle.is_empty()
            && match &self.link {
                None => true,
                Some(Link::Open(shared)) => shared.is_closed(),
                Some(Link::Connecting(_)) => false,
            }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self { link: None, idle: Idle::default(), chose_http1: false, lonely: Arc::new(Semaphore::new(1)) }
    }
}
