//! The one error type: a canonical [`Code`], a message for people, typed details, metadata, the
//! source, and *who* failed.
//!
//! ```
//! use micro_runtime::{Code, Error};
//!
//! let error = Error::not_found("no user `ada`").with_source(std::io::Error::other("disk on fire"));
//! assert_eq!(error.code(), Code::NotFound);
//! assert_eq!(error.to_string(), "not_found: no user `ada`");
//! ```

mod code;
mod detail;
mod panic;
mod push_back;

use std::error::Error as StdError;
use std::fmt;

pub use code::Code;
pub use detail::Detail;
pub(crate) use panic::panic_text;

use crate::metadata::Metadata;

/// What every fallible operation of the framework returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync>;

/// A failed operation or call.
///
/// It is one pointer wide. Make one with the constructor of the code that fits
/// ([`Error::not_found`], [`Error::invalid_argument`]…) or with [`Error::new`].
pub struct Error(Box<Inner>);

struct Inner {
    code: Code,
    message: String,
    details: Vec<Detail>,
    metadata: Metadata,
    source: Option<Source>,
    origin: Option<Origin>,
    /// Whether the remote method itself answered with the error, and not the way to it.
    answered: bool,
    never_processed: bool,
    /// Whether this side has tried as often as it may, so that nobody above it should.
    spent: bool,
}

/// The remote method whose call ended with the error.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    service: String,
    method: String,
}

impl Error {
    /// An error with this code and a message for people.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            details: Vec::new(),
            metadata: Metadata::new(),
            source: None,
            origin: None,
            answered: false,
            never_processed: false,
            spent: false,
        }))
    }

    /// What kind of failure it is.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The text for people, without the code.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Adds the error that caused this one. It stays on this side: a source is never sent.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds a typed detail, which travels to the caller.
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.0.details.push(detail);
        self
    }

    /// The typed details.
    pub fn details(&self) -> &[Detail] {
        &self.0.details
    }

    /// Metadata that travels with the error.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// Metadata that travels with the error, to be changed.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.0.metadata
    }

    /// Puts words in front of the message: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Whether a remote service answered with this error, as opposed to this side having made it.
    pub fn is_remote(&self) -> bool {
        self.0.answered
    }

    /// The remote method whose call ended with this error, as `package.Service/Method`. It may have
    /// answered with it, see [`is_remote`](Self::is_remote), or not have been reached.
    pub fn origin(&self) -> Option<String> {
        self.0.origin.as_ref().map(Origin::to_string)
    }

    /// Marks the error as the answer of a remote method.
    #[must_use]
    pub fn with_origin(mut self, service: impl Into<String>, method: impl Into<String>) -> Self {
        self.0.origin = Some(Origin { service: service.into(), method: method.into() });
        self.0.answered = true;
        self
    }

    /// Marks the error as the end of a call that this side made.
    pub(crate) fn of_call(mut self, service: &str, method: &str) -> Self {
        self.0
            .origin
            .get_or_insert_with(|| Origin { service: service.to_owned(), method: method.to_owned() });
        self
    }

    /// Makes the error of a call this service's own answer.
    ///
    /// The error of a call to another service that a handler returns with `?` reaches the caller as
    /// `internal`, without its text: another service's `not_found` is seldom what *this* service
    /// means, and the words may not be for this caller's eyes. Where it is meant, say so:
    ///
    /// ```
    /// # use micro_runtime::{Error, Result};
    /// # fn call_users() -> Result<()> { Ok(()) }
    /// fn handler() -> Result<()> {
    ///     call_users().map_err(Error::forward)
    /// }
    /// ```
    ///
    /// The codes `deadline_exceeded`, `canceled` and `unavailable` are true of the whole chain of
    /// calls and stay, without the text. Forwarded or not, an error whose call was tried again in vain tells
    /// the caller not to do the same ([`with_no_retry`](Self::with_no_retry)).
    #[must_use]
    pub fn forward(mut self) -> Self {
        self.0.origin = None;
        self.0.answered = false;
        let stop = self.stops_the_chain();
        let answer = self.of_a_handler();
        if stop { answer.with_no_retry() } else { answer }
    }

    /// Whether the request was surely not processed: the node could not be reached, or it refused
    /// the call before a handler saw it. Such a call may always move to another node.
    pub fn was_never_processed(&self) -> bool {
        self.0.never_processed || self.says_never_processed()
    }

    /// Marks the request as surely not processed.
    #[must_use]
    pub fn never_processed(mut self) -> Self {
        self.0.never_processed = true;
        self
    }

    /// Takes the mark back: what it was true of is not what the error is told of now.
    pub(crate) fn maybe_processed(mut self) -> Self {
        self.0.never_processed = false;
        self.of_a_handler()
    }

    /// The error as its caller gets it from a remote method: without what never travels.
    pub(crate) fn delivered(mut self, service: &str, method: &str) -> Self {
        self.0.source = None;
        self.0.never_processed = false;
        self.0.spent = false;
        self.with_origin(service, method)
    }

    /// The same error for somebody else, without its source.
    pub(crate) fn copied(&self) -> Self {
        let inner = &*self.0;
        Self(Box::new(Inner {
            code: inner.code,
            message: inner.message.clone(),
            details: inner.details.clone(),
            metadata: inner.metadata.clone(),
            source: None,
            origin: inner.origin.clone(),
            answered: inner.answered,
            never_processed: inner.never_processed,
            spent: inner.spent,
        }))
    }

    /// As a subscriber returned it. What another service said about trying a call again is not about the event: a
    /// service that is down for a while is no reason to give the event up.
    pub(crate) fn of_subscriber(self) -> Self {
        self.in_own_words()
    }

    /// What a server tells its caller when a handler returned this error.
    pub(crate) fn into_answer(self) -> Self {
        let stop = self.0.origin.is_some() && self.stops_the_chain();
        let answer = self.in_own_words();
        if stop { answer.with_no_retry() } else { answer }
    }

    /// The same without the words of another service.
    fn in_own_words(self) -> Self {
        let Some(origin) = &self.0.origin else { return self.of_a_handler() };
        let code = match self.code() {
            code @ (Code::DeadlineExceeded | Code::Canceled | Code::Unavailable) => code,
            _ => Code::Internal,
        };
        Self::new(code, format!("a call to {origin} failed with {}", self.code())).with_source(self)
    }
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $code:ident,)*) => {
        impl Error {
            $($(#[$doc])* pub fn $name(message: impl Into<String>) -> Self {
                Self::new(Code::$code, message)
            })*
        }
    };
}

constructors! {
    /// The caller gave up. See [`Code::Canceled`].
    canceled => Canceled,
    /// A failure nobody could name. See [`Code::Unknown`].
    unknown => Unknown,
    /// The request can never be right. See [`Code::InvalidArgument`].
    invalid_argument => InvalidArgument,
    /// The time was up. See [`Code::DeadlineExceeded`].
    deadline_exceeded => DeadlineExceeded,
    /// What was asked for is not there. See [`Code::NotFound`].
    not_found => NotFound,
    /// What should be made is there already. See [`Code::AlreadyExists`].
    already_exists => AlreadyExists,
    /// The caller may not do this. See [`Code::PermissionDenied`].
    permission_denied => PermissionDenied,
    /// A quota or limit is used up. See [`Code::ResourceExhausted`].
    resource_exhausted => ResourceExhausted,
    /// The system is not in the state this needs. See [`Code::FailedPrecondition`].
    failed_precondition => FailedPrecondition,
    /// A conflict with concurrent work. See [`Code::Aborted`].
    aborted => Aborted,
    /// Past the valid range. See [`Code::OutOfRange`].
    out_of_range => OutOfRange,
    /// Nothing here serves this. See [`Code::Unimplemented`].
    unimplemented => Unimplemented,
    /// A broken promise inside. See [`Code::Internal`].
    internal => Internal,
    /// Not able to serve now. See [`Code::Unavailable`].
    unavailable => Unavailable,
    /// Data is lost or corrupt. See [`Code::DataLoss`].
    data_loss => DataLoss,
    /// The caller is not known. See [`Code::Unauthenticated`].
    unauthenticated => Unauthenticated,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.method)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)?;
        if let Some(origin) = self.0.origin.as_ref().filter(|_| self.0.answered) {
            write!(f, " (answered by {origin})")?;
        }
        Ok(())
    }
}

/// As [`Display`](fmt::Display) and then the chain of sources, because this is what
/// `fn main() -> micro::Result<()>` prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.to_string();
        f.write_str(&said)?;
        let mut source = self.source();
        while let Some(error) = source {
            let words = error.to_string();
            // A layer that only adds its code or place to the words of the one below is said once.
            if !said.ends_with(&words) {
                write!(f, "\n  caused by: {words}")?;
            }
            said = words;
            source = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn debug_prints_the_chain_of_sources() {
        let error = Error::internal("cannot save")
            .with_source(Error::unavailable("store is away").with_source(std::io::Error::other("no route")));
        assert_eq!(
            format!("{error:?}"),
            "internal: cannot save\n  caused by: unavailable: store is away\n  caused by: no route"
        );
    }

    #[test]
    fn another_services_error_does_not_pass_as_ours_unless_forwarded() {
        let remote = || Error::not_found("no user `ada`").with_origin("users.v1.Users", "Find");

        let answer = remote().into_answer();
        assert_eq!(answer.code(), Code::Internal);
        assert_eq!(answer.message(), "a call to users.v1.Users/Find failed with not_found");

        let answer = remote().forward().into_answer();
        assert_eq!(answer.to_string(), "not_found: no user `ada`");
    }

    #[test]
    fn the_end_of_the_deadline_is_true_of_the_whole_chain() {
        let remote = Error::deadline_exceeded("too slow").with_origin("users.v1.Users", "Find");
        let answer = remote.into_answer();
        assert_eq!(
            answer.to_string(),
            "deadline_exceeded: a call to users.v1.Users/Find failed with deadline_exceeded"
        );
    }

    #[test]
    fn what_went_wrong_on_the_way_to_another_service_is_not_told_either() {
        let unreachable = Error::unavailable("no node at 10.0.0.7").of_call("users.v1.Users", "Find");
        assert!(!unreachable.is_remote());
        let answer = unreachable.into_answer();
        assert_eq!(answer.to_string(), "unavailable: a call to users.v1.Users/Find failed with unavailable");
    }
}
