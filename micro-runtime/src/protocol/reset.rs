//! What it means when the other side resets a stream of HTTP/2.

use std::error::Error as StdError;

use h2::Reason;

use crate::error::Code;

/// The code of an error whose cause is that the other side reset the stream, by the table of gRPC.
pub(crate) fn code(error: &(dyn StdError + 'static)) -> Option<Code> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.reason().filter(|_| error.is_reset() && error.is_remote()).map(of);
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
