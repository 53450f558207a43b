use std::sync::Arc;

use http::header::HeaderMap;
use http::request::Parts;

use crate::error::Result;
use crate::metadata::Metadata;
use crate::protocol::grpc::{Dialect, status};
use crate::protocol::{go_micro, headers};

/// Who calls, as far as the form of the answer depends on it.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) dialect: Dialect,
    /// go-micro's name for the call, where it calls.
    go_micro: Option<Arc<str>>,
}

impl Caller {
    pub(super) fn new(dialect: Dialect, head: &Parts) -> Self {
        let is_go_micro = dialect == Dialect::Grpc && go_micro::calls(&head.headers);
        let name = || head.uri.path().trim_start_matches('/').replace('/', ".").into();
        Self { dialect, go_micro: is_go_micro.then(name) }
    }

    /// A caller of whom nothing else is known.
    pub(super) fn unknown(dialect: Dialect) -> Self {
        Self { dialect, go_micro: None }
    }

    pub(super) fn is_go_micro(&self) -> bool {
        self.go_micro.is_some()
    }

    /// The metadata of its call.
    pub(super) fn metadata(&self, headers: &HeaderMap) -> Metadata {
        let mut metadata = headers::to_metadata(headers, "");
        if self.is_go_micro() {
            for hidden in go_micro::HIDDEN {
                metadata.remove(hidden);
            }
        }
        metadata
    }

    /// What tells it how its call ended.
    pub(super) fn trailers(&self, ended: Result<()>, metadata: &Metadata) -> HeaderMap {
        status::trailers(ended, metadata, self.go_micro.as_deref())
    }
}
