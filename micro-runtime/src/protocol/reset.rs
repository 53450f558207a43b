//! What it means when the other side resets a stream of HTTP/2.

use std::error::Error as StdError;

use h2::Reason;

use crate::error::Code;

/// Why the other side reset the stream, and the code that this is by the table of gRPC, where that is the
/// cause of the error.
pub(crate) fn cause(error: &(dyn StdError + 'static)) -> Option<(Reason, Code)> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error
                .reason()
                .filter(|_| error.is_reset() && error.is_remote())
                .map(|reason| (reason, of(reason)));
        }
        next = error.source();
    }
    None
}

fn of(reason: Reason) -> Code {
    match reason {
        Reason::REFUSED_STREAM => Code::Unavailable,
        Reason::CANCEL => Code::Canceled,
        Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    }
}
