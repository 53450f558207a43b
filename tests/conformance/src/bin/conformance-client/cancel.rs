//! When the suite wants a call to be cancelled.

use std::time::Duration;

use micro::Error;
use micro_conformance::proto::ClientCompatRequest;
use micro_conformance::proto::client_compat_request::cancel::CancelTiming;

/// When to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancel {
    Never,
    /// In place of ending the requests.
    InsteadOfEnd,
    /// This long after the end of the requests.
    AfterEnd(Duration),
    /// After so many answers.
    AfterAnswers(usize),
}

impl Cancel {
    pub(crate) fn of(asked: &ClientCompatRequest) -> Self {
        let Some(cancel) = &asked.cancel else { return Self::Never };
        match cancel.cancel_timing {
            None => Self::AfterEnd(Duration::ZERO),
            Some(CancelTiming::BeforeCloseSend(())) => Self::InsteadOfEnd,
            Some(CancelTiming::AfterCloseSendMs(ms)) => Self::AfterEnd(Duration::from_millis(ms.into())),
            Some(CancelTiming::AfterNumResponses(count)) => {
                Self::AfterAnswers(usize::try_from(count).unwrap_or(usize::MAX))
            }
        }
    }
}

/// A call is cancelled by dropping it. Who does that gets no error from it, so the one that the
/// suite wants to see is made here.
pub(crate) fn cancelled() -> Error {
    Error::canceled("the call was dropped")
}
