use std::any::Any;

use crate::error::{Error, panic_text};

/// The error of an answer whose making panicked. The text is for the log of this service and not for
/// its callers.
#[cold]
pub(super) fn panicked(panic: &(dyn Any + Send)) -> Error {
    tracing::error!(panic = panic_text(panic), "a layer or the mounted service panicked");
    Error::internal("the service panicked while it answered")
}
