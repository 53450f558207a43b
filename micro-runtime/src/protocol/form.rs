//! Errors in front of the protocols, of a layer for example, in the form that the caller reads.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};

use super::body::WireBody;
use super::grpc::Dialect;
use super::{connect, grpc, grpc_web};
use crate::error::Error;

/// The form in which the sender of a request reads errors, kept for where the request is gone.
pub(crate) struct Form(Option<HeaderValue>);

impl Form {
    /// The form for this request.
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        Self(request.headers().get(CONTENT_TYPE).cloned())
    }

    /// Answers with an error.
    #[cold]
    pub(crate) fn refuse(self, error: Error) -> Response<WireBody> {
        let headers = self.0.map(|content_type| (CONTENT_TYPE, content_type)).into_iter().collect();
        match Dialect::of(&headers) {
            Some(dialect) => {
                grpc_web::server::packed(dialect, grpc::server::refuse(dialect, &headers, error))
            }
            None => connect::server::refuse(&headers, &error),
        }
    }
}
