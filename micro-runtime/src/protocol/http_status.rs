//! What the status of HTTP says of a call, where nothing else does.

use http::StatusCode;

use crate::error::{Code, Error};

/// The error of this status; `otherwise` is what is said where the status has no words of its own here.
#[cold]
pub(crate) fn error(status: StatusCode, otherwise: &str) -> Error {
    let text = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "the metadata of the call is larger than the server takes"
        }
        // What servers say that speak one protocol alone, those of gRPC among them.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            "the server does not take calls in this protocol and encoding: `ClientBuilder::protocol` chooses \
             another one"
        }
        _ => otherwise,
    };
    Error::new(Code::from_http_status(status), format!("{text} (HTTP status {status})"))
}
