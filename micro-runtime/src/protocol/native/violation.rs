use std::borrow::Cow;
use std::fmt;

/// Why a connection ends, as `GoAway` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    /// It is not needed any more, or the side that says so stops.
    Done = 0,
    /// The other side broke the rules of the protocol.
    Protocol = 1,
    /// The other side sent more than it was granted.
    Flow = 2,
    /// The other side made this one do too much for nothing.
    TooMuch = 3,
    /// There is no version that both sides speak.
    Version = 4,
    /// The other side did not answer in time.
    Silence = 5,
    /// This side has this protocol, but not on this port.
    NotHere = 6,
}

impl Reason {
    pub(crate) fn of(byte: u8) -> Option<Self> {
        let all = [
            Self::Done,
            Self::Protocol,
            Self::Flow,
            Self::TooMuch,
            Self::Version,
            Self::Silence,
            Self::NotHere,
        ];
        all.into_iter().find(|known| *known as u8 == byte)
    }
}

/// What the other side did that ends the connection.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) reason: Reason,
    pub(crate) text: Cow<'static, str>,
}

impl Violation {
    #[cold]
    pub(crate) fn new(reason: Reason, text: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, text: text.into() }
    }

    #[cold]
    pub(crate) fn of_protocol(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reason::Protocol, text)
    }

    #[cold]
    pub(crate) fn of_flow(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Reason::Flow, text)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
